"""Digests a Judgement into a View: everything the templates print, nothing left to decide. Pure."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.journal import by_cell
from bot.records import CauseKind, Evidence, Finding, Outcome, Score, Verdict
from bot.report.heat import Heat, heat
from bot.report.rows import BROKEN, WORST_FIRST, GateRow, is_chain, is_direct, rows
from bot.report.story import Story, story
from bot.triage.judge import Judgement

_PRIVATE = ("host", "node", "user", "home", "cwd", "runner_name")
_ENVIRONMENT = 60  # entries
HEALTH = "runner health"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """Cells that could not be judged for one reason."""

    outcome: Outcome
    reason: str
    masked_by: str | None
    cells: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A judged run, ready to be told."""

    model: str  # as the journal names it
    model_name: str  # its last path component
    playbook: str
    tier: str
    toolchain: str
    commit: str | None
    started: str
    environment: tuple[tuple[str, str], ...]
    health: tuple[tuple[str, str], ...]  # what was wrong with the machine that measured
    score: Score
    counts: tuple[tuple[Outcome, int], ...]  # worst first, zeros left out
    planned: int
    direct: tuple[GateRow, ...]
    chains: tuple[GateRow, ...]
    others: tuple[GateRow, ...]
    findings: tuple[Finding, ...]
    stories: tuple[Story, ...]  # one for each finding that gets an issue
    companions: tuple[Finding, ...]  # harness, infra and clearing findings
    unexplained: tuple[str, ...]
    unexplained_rows: tuple[GateRow, ...]  # broken, and no cause accounts for them
    unjudged: tuple[Unjudged, ...]
    heat: Heat | None
    complete: bool
    torn: bool
    verdicts: tuple[Verdict, ...]

    @property
    def failing(self) -> tuple[GateRow, ...]:
        """Return every broken row, direct conversions first."""
        return tuple(row for row in (*self.direct, *self.chains, *self.others) if row.outcome in BROKEN)

    @property
    def missing(self) -> tuple[GateRow, ...]:
        """Return every row that should have been judged and was not."""
        unknown = {Outcome.ERROR, Outcome.NO_EVIDENCE}
        return tuple(row for row in (*self.direct, *self.chains, *self.others) if row.outcome in unknown)

    def count(self, outcome: Outcome) -> int:
        """Return how many cells had this outcome."""
        return dict(self.counts).get(outcome, 0)

    @property
    def corroborated(self) -> int:
        """Return how many cells held."""
        return self.count(Outcome.CORROBORATED)


def view(judgement: Judgement) -> View:
    """Digest a judgement."""
    header, verdicts = judgement.header, judgement.verdicts
    evidence = by_cell(judgement.journal.evidence)
    all_rows = rows(verdicts)
    counted = Counter(verdict.outcome for verdict in verdicts)
    explained = {cell for finding in judgement.findings for cell in (*finding.gates, *finding.masked)}
    companions = tuple(f for f in judgement.findings if f.kind is not CauseKind.DEFECT)
    defects = tuple(f for f in judgement.findings if f.kind is CauseKind.DEFECT)
    name = header.model.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].strip() or header.model
    return View(
        model=header.model, model_name=name, playbook=header.playbook, tier=header.tier, toolchain=header.toolchain,
        commit=header.commit, started=header.started,
        environment=_environment({key: value for key, value in header.environment.items() if key != HEALTH}),
        health=_environment({HEALTH: header.environment.get(HEALTH) or {}}),
        score=judgement.score, counts=tuple((o, counted[o]) for o in WORST_FIRST if counted[o]), planned=len(verdicts),
        direct=tuple(row for row in all_rows if is_direct(row.gate)),
        chains=tuple(row for row in all_rows if is_chain(row.gate)),
        others=tuple(row for row in all_rows if not is_direct(row.gate) and not is_chain(row.gate)),
        findings=judgement.findings,
        stories=tuple(story(finding, judgement, all_rows, evidence) for finding in defects), companions=companions,
        unexplained=judgement.unexplained,
        unexplained_rows=tuple(r for r in all_rows if r.outcome in BROKEN and not explained & set(r.cells)),
        unjudged=_unjudged(verdicts), heat=heat(maps(evidence)), complete=judgement.journal.complete,
        torn=judgement.journal.torn, verdicts=verdicts,
    )  # fmt: skip


def maps(evidence: Mapping[str, Mapping[str, Evidence]], cells: Iterable[str] | None = None) -> Iterator[list[Any]]:
    """Yield the entries of the tensor maps recorded for those cells, or for all."""
    for cell in evidence if cells is None else cells:
        found = evidence.get(cell, {}).get("tensors")
        entries = found.data.get("map") if found else None
        if isinstance(entries, list):
            yield from (entry for entry in entries if isinstance(entry, list))


def _unjudged(verdicts: Iterable[Verdict]) -> tuple[Unjudged, ...]:
    grouped: dict[tuple[Outcome, str, str | None], list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome in {Outcome.ERROR, Outcome.NO_EVIDENCE, Outcome.SKIPPED}:
            grouped.setdefault((verdict.outcome, verdict.reason, verdict.masked_by), []).append(verdict.cell.id)
    made = (
        Unjudged(outcome=outcome, reason=reason, masked_by=masked, cells=tuple(cells))
        for (outcome, reason, masked), cells in grouped.items()
    )
    return tuple(sorted(made, key=lambda item: WORST_FIRST.index(item.outcome)))


def _environment(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Flatten the environment to lines, without what names the machine or a person."""
    flat = ((key, value) for key, value in _flat("", values) if value not in {"", "None"})
    kept = ((key, value) for key, value in flat if not any(word in key.lower().split(".")[-1] for word in _PRIVATE))
    return tuple(kept)[:_ENVIRONMENT]


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value[:20])
    else:
        yield prefix, str(value)
