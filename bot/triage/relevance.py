"""Which broken gates a finding can account for: a lost template breaks no tensor gate. Pure."""

from collections.abc import Iterable, Mapping

from bot import gates
from bot.records import CauseKind, Finding, Outcome, Verdict

BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})
_TENSORS = frozenset({"tensors", "integrity", "bytes_equal", "reference"})
# beginning of a cause's id -> kinds of evidence it shows in; the longest beginning decides
SHOWS: Mapping[str, frozenset[str]] = {
    "FILE": frozenset({"faults", "names", "dtypes", "metadata", "tokenizer", "load"}) | _TENSORS,
    "NAME": frozenset({"names", "load"}) | _TENSORS,
    "NAME-002": frozenset({"names", "load"}),
    "NAME-005": frozenset({"names", "load", "metadata"}) | _TENSORS,
    "LAYOUT": frozenset({"load"}) | _TENSORS,
    "LAYOUT-009": frozenset({"metadata", "integrity", "load"}),
    "ROPE": _TENSORS,
    "ROPE-004": frozenset(),
    "ROPE-005": frozenset({"metadata"}),
    "ROPE-006": frozenset({"metadata"}),
    "ROPE-007": frozenset({"metadata"}),
    "VALUE": _TENSORS,
    "VALUE-003": _TENSORS | {"metadata"},
    "VALUE-004": frozenset({"metadata"}),
    "VALUE-009": frozenset({"names", "dtypes", "metadata", "tokenizer", "load"}) | _TENSORS,
    "DTYPE": frozenset({"dtypes"}) | _TENSORS,
    "QUANT": frozenset({"dtypes"}) | _TENSORS,
    "META": frozenset({"metadata", "integrity", "load"}),
    "TOK": frozenset({"tokenizer"}),
    "ARCH": frozenset({"names"}) | _TENSORS,
}
# causes that leave tensors alone and change what a model computes or is asked
COMPUTES = ("META", "ROPE-004", "ROPE-005", "ROPE-006", "ROPE-007", "VALUE-003", "VALUE-004", "LAYOUT-009", "NAME-005",
            "NAME-008")  # fmt: skip
ASKS = ("TOK",)


def explained(finding: Finding, cells: Iterable[str], verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    """Return those of the cells that are broken and that this finding can account for."""
    if finding.kind is CauseKind.CLEARS:
        return ()
    return tuple(cell for cell in cells if cell in verdicts and _accounts(finding.id, verdicts[cell]))


def _accounts(cause: str, verdict: Verdict) -> bool:
    gate = gates.ALL.get(verdict.gate)
    if gate is None or verdict.outcome not in BROKEN:
        return False
    takes = set(gate.takes)
    held = not (verdict.tensors or {}).get("differ")
    if "tensors" in takes and gate.backends and held and cause.startswith(COMPUTES):
        return True  # the tensors hold, so what is broken is what is computed from them
    if "generation" in takes:
        return not cause.startswith("NAME-002")
    shows = SHOWS[max((start for start in SHOWS if cause.startswith(start)), key=len, default="TOK")]
    return bool(takes & shows)
