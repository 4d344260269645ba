"""The output head and the embedding it may share."""

from collections.abc import Iterator

from bot.compare.diff import EMBEDDINGS, HEAD, Agreement, empty, slot_values
from bot.formats.view import View
from bot.records import CauseKind, Experiment
from bot.triage import records
from bot.triage.partners import Names, equal


def experiments(names: Names, pair: str) -> Iterator[Experiment]:
    """NAME-008: the output head absent, added or different where one side shares the embedding."""
    told = _stored(names)
    if told is None or told[1] is CauseKind.CLEARS:
        told = _said(names) or told
    if HEAD in names.missing:
        names.missing.remove(HEAD)
    if told:
        yield records.standing(
            "NAME-008", pair, plane="T", explained=1, suspect=1, told=[told[0]], tensors=[HEAD], pattern=HEAD,
            kind=told[1].value, refuted=["NAME-001", "NAME-003"],
        )  # fmt: skip


def _stored(names: Names) -> tuple[str, CauseKind] | None:
    """Tell what became of the head among the tensors."""
    a_has, b_has = HEAD in names.a.tensors, HEAD in names.b.tensors
    if HEAD in names.missing:
        return "A has an output head of its own, and B none", CauseKind.DEFECT
    if a_has == b_has or names.head is None:
        return None
    if a_has:
        return "B leaves out the head, which in A is a copy of the embedding", CauseKind.CLEARS
    if empty(names.b.tensors[HEAD]):
        return None  # a range without bytes is the file's own fault
    if names.head.verdict is Agreement.DIFFERS and HEAD not in names.explained:
        return "B adds a head that is not the embedding, which A shares", CauseKind.DEFECT
    return "B adds a copy of the embedding as head, which A shares", CauseKind.CLEARS


def _said(names: Names) -> tuple[str, CauseKind] | None:
    """Tell whether what B says of its head contradicts what it holds."""
    config = names.pair.config_b
    if config is None or "tie_word_embeddings" not in config.stated:
        return None
    tied, b_has = bool(config.values.get("tie_word_embeddings")), HEAD in names.b.tensors
    if not tied and not b_has and HEAD not in names.missing:
        return "B holds no head and states that it is not tied", CauseKind.DEFECT
    if tied and b_has and HEAD in names.a.tensors and not empty(names.b.tensors[HEAD]) and not _copy(names.b):
        return "B states that its head is tied, and holds one that is not its embedding", CauseKind.DEFECT
    return None


def _copy(view: View) -> bool:
    """Tell whether a view's head is its embedding again."""
    slot = next((view.tensors[name] for name in EMBEDDINGS if name in view.tensors), None)
    head = view.tensors[HEAD]
    if slot is None or slot.shape != head.shape:
        return False
    rows = slice(0, min(64, head.shape[0]))
    return equal(slot_values(view, slot, rows).ravel(), slot_values(view, head, rows).ravel())
