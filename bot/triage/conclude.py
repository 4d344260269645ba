"""Concludes recorded experiments: which causes stand, which gates each explains, which gates it masks. Pure."""

import dataclasses
from collections.abc import Iterable, Sequence

from bot.journal import Journal
from bot.records import Finding, Outcome, Verdict


def findings(journal: Journal, verdicts: Sequence[Verdict]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of the journal's experiments by rank, and the tensors none of them explains."""
    return (), ()


def masked(verdicts: Iterable[Verdict], found: Iterable[Finding]) -> tuple[Verdict, ...]:
    """Mark the gates that could not run because of a cause found elsewhere."""
    behind = {cell: finding.id for finding in found for cell in finding.masked}
    return tuple(
        dataclasses.replace(verdict, masked_by=behind[verdict.cell.id])
        if verdict.cell.id in behind and verdict.outcome is not Outcome.CORROBORATED
        else verdict
        for verdict in verdicts
    )
