"""Judges: evidence in, verdicts out. Pure."""

from bot.gates import conversion, gateways, inference, structure
from bot.gates._gate import Gate, Ruling
from bot.journal import Journal, by_cell
from bot.records import Cell, Outcome, Severity, Verdict

__all__ = ["ALL", "FAMILIES", "Gate", "Ruling", "judge_all"]

# in report order
FAMILIES = {
    "gateways": gateways.GATES,
    "conversion": conversion.GATES,
    "structure": structure.GATES,
    "inference": inference.GATES,
}
ALL: dict[str, Gate] = {gate.id: gate for gates in FAMILIES.values() for gate in gates}


def judge_all(journal: Journal) -> tuple[Verdict, ...]:
    """Return one verdict for every planned cell, in the plan's order."""
    recorded = by_cell(journal.evidence)
    return tuple(_judge(cell, recorded.get(cell.id, {})) for cell in journal.header.cells)


def _judge(cell: Cell, facts: dict) -> Verdict:  # type: ignore[type-arg]
    gate = ALL.get(cell.gate)
    if gate is None:
        reason = f"this version has no gate {cell.gate[:60]!r}"
        return Verdict(gate=cell.gate, severity=Severity.P0, cell=cell, outcome=Outcome.NO_EVIDENCE, reason=reason)
    return gate.judge(cell, facts)
