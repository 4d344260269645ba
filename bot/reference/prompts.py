"""What a model is asked when the playbook does not say: short, long, and a single token."""

import dataclasses
from collections.abc import Callable, Sequence

# one token sees no rotation, no mask and no cache: equal there and different later points at positions
LENGTHS = (1, 2, 8, 24, 64)
TEXTS = (
    "What is 2+2?",
    "The capital of France is",
    "def fibonacci(n):\n    ",
    (
        "Once upon a time there was a miller who had three sons, his mill, a donkey and a cat; the sons had to grind, "
        "the donkey had to fetch the grain and carry away the flour, and the cat had to catch the mice. When the "
        "miller died the three sons divided the inheritance: the eldest received the mill,"
    ),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One probe: its token ids, and the text they come from if any."""

    ids: tuple[int, ...]
    text: str | None = None


def from_ids(
    vocabulary: int, *, seed: int = 0, lengths: Sequence[int] = LENGTHS, context: int | None = None
) -> tuple[Prompt, ...]:
    """Return token ids spread over the vocabulary, the same for a seed everywhere; no longer than the context."""
    state, made = seed & 0xFFFFFFFF, []
    for length in (min(n, context) if context else n for n in lengths):
        ids = []
        for _ in range(length):
            # Numerical Recipes' generator: identical on every machine and library version
            state = (1664525 * state + 1013904223) & 0xFFFFFFFF
            ids.append((state * vocabulary) >> 32)
        made.append(Prompt(ids=tuple(ids)))
    return tuple(dict.fromkeys(made))


def from_texts(
    tokenize: Callable[[str], Sequence[int]], texts: Sequence[str] = TEXTS, *, context: int | None = None
) -> tuple[Prompt, ...]:
    """Return the texts as token ids, and the first token of the first one by itself; empty results are left out."""
    prompts = []
    for text in texts:
        ids = tuple(tokenize(text))[:context]
        if ids:
            prompts.append(Prompt(ids=ids, text=text))
    single = [Prompt(ids=prompts[0].ids[:1])] if prompts else []
    return tuple(dict.fromkeys((*single, *prompts)))
