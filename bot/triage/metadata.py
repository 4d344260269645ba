"""Plane M: what the two files say about the model, key by key, with the tensors as third witness."""

from collections import defaultdict
from collections.abc import Iterator

from bot.compare.settings import CAUSES, Difference, differences
from bot.formats.config import ModelConfig
from bot.formats.view import View, kind_and_layer
from bot.records import Experiment
from bot.triage import records
from bot.triage.pair import Pair

# causes told from each other by which keys differ; where one stands, the others of its group were tried
RIVALS: tuple[frozenset[str], ...] = (
    frozenset({"ROPE-005", "ROPE-006", "ROPE-007"}),
    frozenset({"META-002", "META-009", "LAYOUT-009", "META-007"}),
    frozenset({"META-003", "VALUE-004", "VALUE-003"}),
    frozenset({"META-001", "META-004", "META-006"}),
    frozenset({"META-008", "META-007"}),
    frozenset({"META-005", "META-007"}),
)


def experiments(pair: Pair, name: str) -> Iterator[Experiment]:
    """Yield a record for every cause whose keys differ, and for the nearest rivals whose keys agree."""
    if pair.config_b is None or pair.b is None:
        return
    by_cause: dict[str, list[Difference]] = defaultdict(list)
    for found in differences(pair.config_a, pair.config_b):
        by_cause[found.cause].append(found)
    tried = {cause for group in RIVALS if group & set(by_cause) for cause in group} - set(by_cause)
    for cause, items in by_cause.items():
        refuted = {rival for group in RIVALS if cause in group for rival in group} - set(by_cause)
        yield _record(cause, items, sorted(refuted), pair, name)
    yield from (records.fallen(cause, name, _agreeing(cause)) for cause in sorted(tried))


def _agreeing(cause: str) -> str:
    keys = [key for key, known in CAUSES.items() if known == cause]
    return f"both sides agree on {', '.join(keys)}" if keys else "no such key is missing or malformed"


def _record(cause: str, items: list[Difference], refuted: list[str], pair: Pair, name: str) -> Experiment:
    sides, told = set(), []
    for item in items:
        told.append(item.words)
        side = "B"
        if pair.b is not None and (seen := witness(item.key, pair.b, pair.config_a)) is not None:
            side = "A" if seen == item.b else "B"
            told.append(f"the tensors of B show {item.key} {seen}")
        sides.add(side)
    return records.standing(
        cause, name, plane="M", explained=len(items), suspect=len(items), told=told,
        side=sides.pop() if len(sides) == 1 else None, refuted=refuted,
        facts={item.key: [str(item.a)[:80], str(item.b)[:80]] for item in items},
    )  # fmt: skip


def witness(key: str, view: View, trusted: ModelConfig) -> int | None:
    """Return what the tensors themselves say of a size, None where they cannot tell."""
    width = trusted.integer("head_dim")
    rows = {
        "num_attention_heads": ("self_attn.q_proj.weight", 0, width),
        "num_key_value_heads": ("self_attn.k_proj.weight", 0, width),
        "vocab_size": ("embed_tokens.weight", 0, 1),
        "hidden_size": ("embed_tokens.weight", 1, 1),
        "intermediate_size": ("mlp.up_proj.weight", 0, 1),
    }
    if key == "num_hidden_layers":
        layers = {layer for tensor in view.tensors if (layer := kind_and_layer(tensor)[1]) is not None}
        return len(layers) or None
    if key not in rows:
        return None
    kind, axis, divisor = rows[key]
    shape = next((slot.shape for tensor, slot in view.tensors.items() if kind_and_layer(tensor)[0] == kind), ())
    if len(shape) != 2 or not divisor or shape[axis] % divisor:
        return None
    return shape[axis] // divisor
