"""Judges a journal again: evidence in, verdicts, score and causes out. Needs no model, tool or GPU."""

import dataclasses
from collections.abc import Iterable, Mapping

from bot import gates, score
from bot.errors import Exit
from bot.journal import Header, Journal
from bot.records import Finding, Outcome, Score, Verdict
from bot.triage import conclude


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that is known of a run once it was judged: what reports and issues are made of."""

    header: Header
    verdicts: tuple[Verdict, ...]
    score: Score
    findings: tuple[Finding, ...]  # ordered by rank
    unexplained: tuple[str, ...]  # tensors no cause accounts for
    journal: Journal


def judge(journal: Journal) -> Judgement:
    """Judge every planned cell, conclude the recorded experiments and weigh the verdicts."""
    verdicts = gates.judge_all(journal)
    findings, unexplained = conclude.findings(journal, verdicts)
    verdicts = conclude.masked(verdicts, findings)
    return Judgement(
        header=journal.header,
        verdicts=verdicts,
        score=_weighed(verdicts, journal.header),
        findings=findings,
        unexplained=unexplained,
        journal=journal,
    )


def _weighed(verdicts: Iterable[Verdict], header: Header) -> Score:
    """Weigh the verdicts; a shard by itself certifies nothing, however well it went."""
    found = score.score(verdicts, header.tier)
    shard = header.request.get("shard") if isinstance(header.request, Mapping) else None
    if not isinstance(shard, list) or len(shard) != 2 or shard == [1, 1]:
        return found
    note = "; ".join(filter(None, (found.note, f"shard {shard[0]} of {shard[1]}: `requalify merge` joins them")))
    status = found.status if found.status in {"BLOCKED", "NO EVIDENCE"} else "PARTIAL"
    return dataclasses.replace(found, status=status, note=note)


BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})
UNKNOWN = frozenset({Outcome.ERROR, Outcome.NO_EVIDENCE})


def exit_code(verdicts: Iterable[Verdict]) -> Exit:
    """Return the exit code of a judged run: broken beats unjudged beats held. No verdicts at all is unjudged."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if outcomes & BROKEN:
        return Exit.FALSIFIED
    if outcomes & UNKNOWN or Outcome.CORROBORATED not in outcomes:
        return Exit.UNJUDGED
    return Exit.HELD
