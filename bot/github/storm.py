"""Keeps a bad day from flooding the board: one umbrella for many new causes, quotas for the rest. Pure."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.github import key, messages
from bot.github.model import Act, Issue, Policy, Seen, Step
from bot.records import CauseKind

if TYPE_CHECKING:
    from bot.github.decide import Known


def gathered(
    findings: Sequence[Seen], issues: Sequence[Issue], policy: Policy, fresh: Callable[[Seen], bool]
) -> list[Seen]:
    """Replace new causes by one umbrella when they are too many, and those an open umbrella holds by it."""
    held = {name for issue in issues if issue.open and issue.state for name in issue.state.members}
    new = [seen for seen in findings if fresh(seen)]
    storm = len([seen for seen in new if seen.key not in held]) > policy.umbrella_above
    under = [seen for seen in new if storm or seen.key in held]
    if not under:
        return list(findings)
    rest = [seen for seen in findings if seen not in under]
    return [*rest, _umbrella(under)]


def _umbrella(under: Sequence[Seen]) -> Seen:
    first = under[0]
    return dataclasses.replace(
        first,
        key=key.umbrella(first.toolchain),
        cause="umbrella",
        kind=CauseKind.DEFECT,
        cells={cell: definition for seen in under for cell, definition in seen.cells.items()},
        outcomes={cell: outcome for seen in under for cell, outcome in seen.outcomes.items()},
        severe=True,
        title=messages.umbrella_title(len(under), first.toolchain),
        body=messages.umbrella_body(under),
        refuted=frozenset(),
        members=tuple(seen.key for seen in under),
    )


def within_quota(steps: Sequence[Step], known: "Known", now: datetime, policy: Policy) -> tuple[Step, ...]:
    """Turn what exceeds the day's creations or the hour's writes into skips that say so."""
    created = sum(1 for issue in known.issues if now - issue.created < timedelta(days=1))
    written = known.history.writes_since(now - timedelta(hours=1))
    kept = []
    for step in steps:
        if step.act is Act.CREATE and created >= policy.creations_per_day:
            step = _over(step, f"quota: {policy.creations_per_day} new issues a day")  # noqa: PLW2901
        elif written + step.writes > policy.writes_per_hour:
            step = _over(step, f"quota: {policy.writes_per_hour} writes an hour")  # noqa: PLW2901
        created += step.act is Act.CREATE
        written += step.writes
        kept.append(step)
    return tuple(kept)


def _over(step: Step, reason: str) -> Step:
    return Step(act=Act.SKIP, reason=reason, key=step.key, cause=step.cause, number=step.number)
