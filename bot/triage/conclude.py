"""Concludes recorded experiments: which causes stand, which gates each explains, which gates it masks. Pure."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bot.journal import Journal
from bot.records import CauseKind, Confidence, Experiment, Finding, Outcome, Verdict
from bot.triage import hypotheses
from bot.triage.hypotheses import _base

UNKNOWN, OTHER_MODEL = "UNKNOWN-001", "VALUE-009"
KINDS = (CauseKind.DEFECT, CauseKind.HARNESS, CauseKind.INFRA, CauseKind.CLEARS)
GRADES = (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW)
PLANES = "BTMKIL"  # a file nobody can read comes before what is in it


def findings(journal: Journal, verdicts: Sequence[Verdict]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of the journal's experiments by rank, and the tensors none of them explains."""
    return concluded(journal.experiments)


def concluded(experiments: Iterable[Experiment]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of experiments by rank, and the tensors none of them explains."""
    by_cause: dict[str, list[Experiment]] = defaultdict(list)
    for item in experiments:
        by_cause[item.cause].append(item)
    found = []
    for cause, items in by_cause.items():
        hypothesis = hypotheses.ALL.get(cause)
        if hypothesis is None:
            continue
        own = getattr(hypothesis, "conclude", None)
        finding = own(items) if own else _base.conclude(hypothesis, items)
        if finding:
            found.append(finding)
    unexplained = tuple(dict.fromkeys(name for f in found if f.id == UNKNOWN for name in f.tensors))
    return tuple(sorted(found, key=_rank)), unexplained


def _rank(finding: Finding) -> tuple[int, int, int, int, int, tuple[int, str]]:
    """Sort key: another checkpoint first, defects before what clears, what is known before what is not."""
    plane = min((PLANES.find(plane) for plane in hypotheses.ALL[finding.id].PLANES), default=len(PLANES))
    return (
        finding.id != OTHER_MODEL, KINDS.index(finding.kind), finding.id == UNKNOWN, -finding.explained,
        GRADES.index(finding.confidence) * 10 + plane, hypotheses.order(finding.id),
    )  # fmt: skip


def verdict(found: Sequence[Finding], *, exact: bool) -> str:
    """Say in one word what a pair is; `exact` when all tensors are there and equal bit for bit."""
    if any(finding.id == OTHER_MODEL for finding in found):
        return "different-checkpoint"
    if any(finding.kind is not CauseKind.CLEARS for finding in found):
        return "faulty"
    return "equal" if exact else "within-budget"


def masked(verdicts: Iterable[Verdict], found: Iterable[Finding]) -> tuple[Verdict, ...]:
    """Mark the gates that could not run because of a cause found elsewhere."""
    behind = {cell: finding.id for finding in found for cell in finding.masked}
    return tuple(
        dataclasses.replace(verdict, masked_by=behind[verdict.cell.id])
        if verdict.cell.id in behind and verdict.outcome is not Outcome.CORROBORATED
        else verdict
        for verdict in verdicts
    )
