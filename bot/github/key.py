"""Identity of a root cause: what makes two failures the same issue. Pure.

Models, sizes, dates and counts are no part of it: those are rows of the issue.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from bot.github.model import Issue, Seen
from bot.records import Cell, Finding, Outcome, Verdict

VERSION = 1  # a change of the recipe migrates issues instead of doubling them
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("F-CONV", "conversion"),
    ("F-GOLDEN", "conversion"),
    ("F-CONTRACT", "structure"),
    ("F-INSPECT", "structure"),
    ("F-PERF", "performance"),
    ("F-BACKEND", "inference"),
    ("F-A", "inference"),
    ("G", "gateway"),
)
_RANK = ("conversion", "gateway", "structure", "inference", "performance")


def family(gate: str) -> str:
    """Return the family a gate id belongs to; its own prefix where none is known."""
    return next((name for prefix, name in _FAMILIES if gate.startswith(prefix)), gate.split("-", 1)[0].lower())


def backend_class(cells: Iterable[Cell], verdicts: Mapping[str, Verdict]) -> str:
    """Return "gpu" or "cpu" when the very same claims held on the other backend, else "any"."""
    backends: set[str] = set()
    for cell in cells:
        other = {"cpu": "gpu", "gpu": "cpu"}.get(cell.backend or "")
        twin = verdicts.get(Cell(gate=cell.gate, chain=cell.chain, backend=other, variant=cell.variant).id)
        if other is None or twin is None or twin.outcome is not Outcome.CORROBORATED:
            return "any"
        backends.add(cell.backend or "")
    return backends.pop() if len(backends) == 1 else "any"


def _rank(cell: Cell) -> tuple[int, int, str]:
    name = family(cell.gate)
    return (_RANK.index(name) if name in _RANK else len(_RANK), len(cell.chain), cell.id)


def parts(finding: Finding, verdicts: Sequence[Verdict], toolchain: str) -> tuple[str, ...]:
    """Return what the key is made of, readable: version, cause, family, format pair, backend class, toolchain."""
    by_id = {verdict.cell.id: verdict for verdict in verdicts}
    cells = sorted((by_id[name].cell for name in finding.gates if name in by_id), key=_rank)
    first = cells[0] if cells else None
    pair = finding.hop or (f"{first.source}-{first.target or first.source}" if first else "-")
    return (
        f"v{VERSION}",
        finding.id,
        family(first.gate) if first else "-",
        pair,
        backend_class(cells, by_id),
        toolchain,
    )


def key(things: Sequence[str]) -> str:
    """Return the short hash of readable parts."""
    return hashlib.sha256("\x00".join(things).encode("utf-8", "replace")).hexdigest()[:16]


def umbrella(toolchain: str) -> str:
    """Return the key of the issue that gathers a storm of new causes."""
    return key((f"v{VERSION}", "umbrella", toolchain))


def adopted(findings: Sequence[Seen], issues: Sequence[Issue]) -> tuple[Seen, ...]:
    """Give a finding without an issue of its key the key of one it plainly is.

    A run of some gates only sees a cause on fewer format pairs, and so with another first pair: the same
    cause of the same toolchain on one of the same gates is the same issue, an open one before a closed one.
    """
    known = {issue.state.key for issue in issues if issue.state}
    found = {seen.key for seen in findings}
    return tuple(seen if seen.key in known else _adopted(seen, issues, found) for seen in findings)


def _adopted(seen: Seen, issues: Sequence[Issue], others: set[str]) -> Seen:
    fits = [
        issue
        for issue in issues
        if (state := issue.state)
        and (state.cause, state.toolchain) == (seen.cause, seen.toolchain)
        and state.key not in others
        and any(row.cell in seen.cells for row in state.rows)
    ]
    best = max(fits, key=lambda issue: (issue.open, -issue.number if issue.open else issue.number), default=None)
    return dataclasses.replace(seen, key=best.state.key) if best and best.state else seen
