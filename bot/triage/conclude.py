"""Concludes recorded experiments: which causes stand, which gates each explains, which gates it masks. Pure."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.journal import Journal, by_cell
from bot.records import CauseKind, Confidence, Experiment, Finding, Outcome, Verdict
from bot.triage import failures, hypotheses, inference, relevance
from bot.triage.hypotheses import _base

UNKNOWN, OTHER_MODEL = "UNKNOWN-001", "VALUE-009"
KINDS = (CauseKind.DEFECT, CauseKind.HARNESS, CauseKind.INFRA, CauseKind.CLEARS)
GRADES = (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW)
ARCHITECTURE = "META-006"  # keys are read by the architecture's name: a wrong one loses them
PLANES = "BTMKIL"  # a file nobody can read comes before what is in it


def findings(journal: Journal, verdicts: Sequence[Verdict]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of a judged journal by rank, and the tensors none of them explains."""
    found, unexplained = concluded(journal.experiments)
    every = _joined([*_with_gates(found, verdicts), *failures.findings(journal, verdicts)])
    every = _joined([*every, *inference.findings(journal, verdicts, _cells(every))])
    return _ranked(_joined([*every, *_unexplained(every, verdicts, journal)])), unexplained


def concluded(experiments: Iterable[Experiment]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of experiments by rank, and the tensors none of them explains."""
    by_cause: dict[str, list[Experiment]] = defaultdict(list)
    for item in experiments:
        by_cause[item.cause].append(item)
    found = []
    for cause, items in by_cause.items():
        hypothesis = hypotheses.ALL.get(cause)
        if hypothesis is None:
            continue  # recorded by a version that knows more
        own = getattr(hypothesis, "conclude", None)
        finding = own(items) if own else _base.conclude(hypothesis, items)
        if finding:
            found.append(finding)
    unexplained = tuple(dict.fromkeys(name for f in found if f.id == UNKNOWN for name in f.tensors))
    return _ranked(found), unexplained


def _ranked(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=_rank))


def _rank(finding: Finding) -> tuple[bool, int, bool, int, int, int, bool, tuple[int, str]]:
    """Sort key: another checkpoint first, defects before what clears, what is known before what is not."""
    plane = min((PLANES.find(plane) for plane in hypotheses.ALL[finding.id].PLANES), default=len(PLANES))
    return (
        finding.id != OTHER_MODEL, KINDS.index(finding.kind), finding.id == UNKNOWN, -finding.explained,
        GRADES.index(finding.confidence), plane, finding.id != ARCHITECTURE, hypotheses.order(finding.id),
    )  # fmt: skip


def _with_gates(found: Sequence[Finding], verdicts: Sequence[Verdict]) -> list[Finding]:
    """Give each finding the broken cells it can account for; what none can falls to the first defect of its pair."""
    known = {verdict.cell.id: verdict for verdict in verdicts}
    done = [dataclasses.replace(item, gates=relevance.explained(item, item.gates, known)) for item in found]
    left = {cell for item in found for cell in item.gates} - _cells(done)
    left = {cell for cell in left if cell in known and known[cell].outcome in relevance.BROKEN}
    for i, item in enumerate(found):
        mine = [cell for cell in item.gates if cell in left]
        if mine and item.kind is not CauseKind.CLEARS:
            left -= set(mine)
            done[i] = dataclasses.replace(done[i], gates=(*done[i].gates, *mine))
    return done


def _cells(found: Iterable[Finding]) -> frozenset[str]:
    return frozenset(cell for item in found for cell in (*item.gates, *item.masked))


def _joined(found: Iterable[Finding]) -> list[Finding]:
    """Make one finding of those with the same cause, however it was found."""
    by_cause: dict[str, Finding] = {}
    for item in found:
        first = by_cause.get(item.id)
        by_cause[item.id] = item if first is None else dataclasses.replace(
            first, gates=_each(first.gates, item.gates), masked=_each(first.masked, item.masked),
            evidence_for=_each(first.evidence_for, item.evidence_for), line=first.line or item.line,
            line_number=first.line_number if first.line else item.line_number, captures=first.captures or item.captures,
        )  # fmt: skip
    return list(by_cause.values())


def _each(x: Sequence[str], y: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*x, *y)))


def _unexplained(found: Sequence[Finding], verdicts: Sequence[Verdict], journal: Journal) -> list[Finding]:
    """UNKNOWN-001 for broken gates that no finding accounts for."""
    beside = _cells(found)
    left = [v for v in verdicts if v.outcome in relevance.BROKEN and v.cell.id not in beside]
    if not left:
        return []
    known, recorded = hypotheses.ALL[UNKNOWN], by_cell(journal.evidence)
    return [
        Finding(
            id=UNKNOWN, slug=known.SLUG, kind=known.KIND, confidence=Confidence.LOW,
            evidence_for=(*(f"{v.cell.id}: {v.reason}" for v in left[:10]), *inference.departures(left, recorded)),
            first_layer=inference.first_layer(left, recorded),
            gates=tuple(v.cell.id for v in left), claim=known.CLAIM, falsified_if=known.REFUTED_IF,
            fix_hint=known.FIX_HINT,
        )
    ]  # fmt: skip


def verdict(found: Sequence[Finding]) -> str:
    """Say in one word what a pair is."""
    if any(finding.id == OTHER_MODEL for finding in found):
        return "different-checkpoint"
    if any(finding.kind is not CauseKind.CLEARS for finding in found):
        return "faulty"
    return "within-budget" if found else "equal"


def masked(verdicts: Iterable[Verdict], found: Iterable[Finding]) -> tuple[Verdict, ...]:
    """Mark the gates that could not run because of a cause found elsewhere."""
    behind: Mapping[str, str] = {cell: finding.id for finding in found for cell in finding.masked}
    return tuple(
        dataclasses.replace(verdict, masked_by=behind[verdict.cell.id])
        if verdict.cell.id in behind and verdict.outcome is not Outcome.CORROBORATED
        else verdict
        for verdict in verdicts
    )
