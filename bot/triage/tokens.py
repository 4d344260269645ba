"""Plane K: what became of the tokenizer, and whether text still turns into the same ids."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bot.compare.vocabulary import TokenDifference, token_differences
from bot.formats.tokenizer import Tokenizer
from bot.records import Experiment
from bot.triage import records
from bot.triage.pair import Pair

# digits, contractions, other scripts, spaces and markers: where pre-tokenizers, merges and types part
TEXTS = (
    "The capital of France is Paris.", "It's 2024: 12345 + 678, isn't it?\n\n\tTwice  indented.",
    "naïve „café“ … 日本語 한국어 русский 🎉", "def f(x):\n    return x**2\r\n", "<|im_start|>user\nHello<|im_end|>",
)  # fmt: skip
# causes that change the ids of a text, so that the texts are an experiment on them
ENCODING = frozenset({"TOK-001", "TOK-002", "TOK-003", "TOK-007"})


def experiments(pair: Pair, name: str) -> Iterator[Experiment]:
    """Yield a record for every part that was lost or changed, and for the parts that were compared and agree."""
    a, b = pair.tokenizer_a, pair.tokenizer_b
    if a is None or pair.b is None:
        return
    by_cause: dict[str, list[TokenDifference]] = defaultdict(list)
    for found in token_differences(a, b):
        by_cause[found.cause].append(found)
    if not by_cause:
        return
    rest = sorted({f"TOK-00{n}" for n in range(1, 10)} - set(by_cause)) if b is not None else []
    texts = encoded(a, b) if b is not None and ENCODING & set(by_cause) else []
    for cause, items in by_cause.items():
        yield _record(cause, items, rest, texts if cause in ENCODING else [], name)
    yield from (records.fallen(cause, name, "this part is the same on both sides") for cause in rest)


def _record(
    cause: str, items: Sequence[TokenDifference], rest: Sequence[str], texts: Sequence[str], name: str
) -> Experiment:
    seen = sum(item.count for item in items)
    told = [item.words for item in items]
    # without a text that is cut differently the loss is certain and its effect is not
    against = ["all probe texts still give the same ids"] if cause in ENCODING and not texts else []
    return records.standing(
        cause, name, plane="K", explained=seen, suspect=seen, told=[*told, *texts], against=against, refuted=list(rest)
    )


def encoded(a: Tokenizer, b: Tokenizer) -> list[str]:
    """Return a sentence for every probe text that the two tokenizers turn into different ids."""
    told = []
    for text in TEXTS:
        try:
            wanted = a.encode(text)
        except ValueError:
            return []  # the source's own tokenizer cannot be built, so there is nothing to hold B to
        try:
            found = b.encode(text)
        except ValueError as error:
            return [f"B's tokenizer cannot be built: {str(error)[:120]}"]
        if wanted != found:
            told.append(f"{text[:24]!r} is {len(wanted)} ids in A and {len(found)} others in B")
    return told
