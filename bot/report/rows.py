"""Gate rows: verdicts of one gate on one chain, its backends side by side. Pure."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from bot.records import Outcome, Severity, Verdict

FORMAT_NAMES = {"gguf": "GGUF", "safetensors": "SafeTensors", "apr": "APR"}
WORST_FIRST = (
    Outcome.FALSIFIED,
    Outcome.CRASHED,
    Outcome.TIMEOUT,
    Outcome.ERROR,
    Outcome.NO_EVIDENCE,
    Outcome.SKIPPED,
    Outcome.CORROBORATED,
)
BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})
_DIRECT = re.compile(r"F-CONV-[GAS]-[GAS]")
_CHAINS = (
    ("F-CONV-RT-BYTE", "Byte round trip"),
    ("F-CONV-RT-", "Round trip"),
    ("F-CONV-IDEM", "Idempotency"),
    ("F-CONV-COM", "Commutativity"),
    ("F-GOLDEN-RULE", "Golden rule"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One line of a gate table."""

    gate: str
    severity: Severity
    conversion: str  # "GGUF → APR"; one format for a gate on one file
    test: str  # "Round trip GGUF → APR → SafeTensors → GGUF"
    verdicts: tuple[Verdict, ...]  # one for each backend, in plan order
    outcome: Outcome  # the worst of them, skipped only when all are

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the ids of the cells of this row."""
        return tuple(verdict.cell.id for verdict in self.verdicts)

    @property
    def worst(self) -> Verdict:
        """Return the verdict the row is remembered for."""
        return next(verdict for verdict in self.verdicts if verdict.outcome is self.outcome)

    @property
    def expected(self) -> str | None:
        """Return the tolerance as the gate states it, the worst verdict's first."""
        return self.worst.expected or next((v.expected for v in self.verdicts if v.expected), None)

    @property
    def masked_by(self) -> str | None:
        """Return the cause that kept this row from running."""
        return next((verdict.masked_by for verdict in self.verdicts if verdict.masked_by), None)

    @property
    def tensors(self) -> Mapping[str, Any] | None:
        """Return the tensor numbers of the row."""
        return self.worst.tensors or next((v.tensors for v in self.verdicts if v.tensors), None)

    @property
    def diffs(self) -> tuple[float, ...]:
        """Return every measured diff of the row."""
        return tuple(float(verdict.diff) for verdict in self.verdicts if verdict.diff is not None)

    def on(self, backend: str) -> Verdict | None:
        """Return the verdict on a backend; what runs no model is told under cpu."""
        wanted = (backend, None) if backend == "cpu" else (backend,)
        return next((verdict for verdict in self.verdicts if verdict.cell.backend in wanted), None)


def arrow(chain: Iterable[str]) -> str:
    """Return a chain of formats as people write it."""
    return " → ".join(FORMAT_NAMES.get(name, name) for name in chain)


def is_direct(gate: str) -> bool:
    """Tell whether a gate judges one direct conversion."""
    return bool(_DIRECT.fullmatch(gate))


def is_chain(gate: str) -> bool:
    """Tell whether a gate judges a chain of conversions."""
    return any(gate.startswith(prefix) for prefix, _ in _CHAINS)


def _test(verdict: Verdict) -> str:
    name = next((name for prefix, name in _CHAINS if verdict.gate.startswith(prefix)), "")
    parts = (name, arrow(verdict.cell.chain), verdict.cell.variant)
    return " ".join(part for part in parts if part)


def _outcome(group: Iterable[Verdict]) -> Outcome:
    """Return the worst outcome of a row; a backend this machine lacks does not hide that the others held."""
    outcomes = {verdict.outcome for verdict in group}
    return min(outcomes - {Outcome.SKIPPED} or outcomes, key=WORST_FIRST.index)


def rows(verdicts: Iterable[Verdict]) -> tuple[GateRow, ...]:
    """Group verdicts into rows, worst first, plan order within one outcome."""
    grouped: dict[tuple[str, tuple[str, ...], str], list[Verdict]] = {}
    for verdict in verdicts:
        grouped.setdefault((verdict.gate, verdict.cell.chain, verdict.cell.variant), []).append(verdict)
    made = [
        GateRow(
            gate=gate,
            severity=min(v.severity for v in group),
            conversion=arrow(chain) or variant,
            test=_test(group[0]),
            verdicts=tuple(group),
            outcome=_outcome(group),
        )
        for (gate, chain, variant), group in grouped.items()
    ]
    return tuple(sorted(made, key=lambda row: (WORST_FIRST.index(row.outcome), row.severity)))
