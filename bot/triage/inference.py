"""Plane I: what logits say when all tensors hold. Pure: it reads the evidence of a run's own gates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.journal import Journal, by_cell
from bot.records import Confidence, Evidence, Finding, Outcome, Verdict
from bot.triage import hypotheses
from bot.triage.hypotheses import _base

SAME_START = 1e-9  # normalised squared error at position 0, where a rotation by zero changes nothing
SCALED = 0.999  # share of positions whose likeliest token is the same


def findings(journal: Journal, verdicts: Sequence[Verdict], explained: frozenset[str]) -> Iterator[Finding]:
    """Yield what explains the cells whose tensors hold and whose logits do not; `explained` cells are left alone."""
    recorded = by_cell(journal.evidence)
    held = {(v.gate, v.cell.chain) for v in verdicts if v.cell.backend == "cpu" and v.outcome is Outcome.CORROBORATED}
    open_cells = [v for v in verdicts if v.outcome is Outcome.FALSIFIED and v.cell.id not in explained]
    apart: dict[str, list[Verdict]] = {}
    for verdict in open_cells:
        facts = recorded.get(verdict.cell.id, {})
        if cause := _cause(verdict, facts, held):
            apart.setdefault(cause, []).append(verdict)
    for cause, broken in apart.items():
        if cause in hypotheses.ALL:
            yield _finding(cause, broken, recorded)
    yield from _noise(verdicts, recorded)


def _cause(verdict: Verdict, facts: Mapping[str, Evidence], held: set[tuple[str, tuple[str, ...]]]) -> str | None:
    """Name what a cell's logits point at, None when they point at nothing known."""
    if "backend_pair" in facts:
        return "ENGINE-001"
    if "logits" not in facts or (verdict.tensors or {}).get("differ"):
        return None
    if verdict.cell.backend == "gpu" and (verdict.gate, verdict.cell.chain) in held:
        return "ENGINE-001"
    data = facts["logits"].data
    positions = data.get("by_position")
    errors = [_base.real(value) for value in positions] if isinstance(positions, list | tuple) else []
    later = [value for value in errors[1:] if value is not None]
    if errors and errors[0] is not None and errors[0] <= SAME_START and later and max(later) > 1e3 * SAME_START:
        return "ROPE-004"
    top = _base.real(data.get("top1"))
    return "VALUE-004" if top is not None and top >= SCALED and (_base.real(data.get("rel_l2")) or 0) > 0.01 else None


_TOLD = {
    "ENGINE-001": "the tensors hold and the CPU agrees; only this backend is off",
    "ROPE-004": "the tensors hold, the first position agrees and later ones part, as a wrong rotation makes them",
    "VALUE-004": "the tensors hold and the likeliest token is the same everywhere, so the logits are scaled",
}


def _finding(cause: str, broken: Sequence[Verdict], recorded: Mapping[str, Mapping[str, Evidence]]) -> Finding:
    known = hypotheses.ALL[cause]
    distances = [verdict.diff for verdict in broken if verdict.diff is not None]
    return Finding(
        id=cause, slug=known.SLUG, kind=known.KIND, confidence=Confidence.MEDIUM, explained=len(broken),
        suspect=len(broken), residual_before=max(distances, default=None),
        evidence_for=(_TOLD[cause], *departures(broken, recorded)),
        gates=tuple(verdict.cell.id for verdict in broken), claim=known.CLAIM, falsified_if=known.REFUTED_IF,
        fix_hint=known.FIX_HINT, first_layer=first_layer(broken, recorded),
    )  # fmt: skip


def departures(broken: Sequence[Verdict], recorded: Mapping[str, Mapping[str, Evidence]]) -> Iterator[str]:
    """Say of each cell where its hidden states part, where a probe recorded it."""
    for verdict in broken[:5]:
        for item in recorded.get(verdict.cell.id, {}).values():
            if isinstance(where := item.data.get("departs_at"), str):
                yield f"{verdict.cell.id}: hidden states part at {where[:80]}"


def first_layer(broken: Sequence[Verdict], recorded: Mapping[str, Mapping[str, Evidence]]) -> int | None:
    """Return the first layer whose hidden state departs, where a probe recorded one."""
    found: list[Any] = [
        item.data.get("first_layer") for verdict in broken for item in recorded.get(verdict.cell.id, {}).values()
    ]
    layers = [layer for layer in found if isinstance(layer, int) and not isinstance(layer, bool)]
    return min(layers, default=None)


def _noise(verdicts: Sequence[Verdict], recorded: Mapping[str, Mapping[str, Evidence]]) -> Iterator[Finding]:
    """ENGINE-005: two backends that differ by what sums in another order cost."""
    quiet = [
        (verdict, value) for verdict in verdicts
        if verdict.outcome is Outcome.CORROBORATED and (pair := recorded.get(verdict.cell.id, {}).get("backend_pair"))
        and (value := _base.real(pair.data.get("rel_l2")))
    ]  # fmt: skip
    known = hypotheses.ALL["ENGINE-005"]
    if quiet:
        yield Finding(
            id=known.ID, slug=known.SLUG, kind=known.KIND, confidence=Confidence.HIGH, explained=len(quiet),
            suspect=len(quiet), residual_before=max(value for _, value in quiet), claim=known.CLAIM,
            falsified_if=known.REFUTED_IF, fix_hint=known.FIX_HINT,
            evidence_for=tuple(f"{v.cell.id}: logits differ by {value:.3g}" for v, value in quiet[:5]),
        )  # fmt: skip
