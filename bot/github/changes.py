"""Compares a run with the base branch's last evidence and says what that makes of it. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import date

from bot.github.model import Issue, Run, Seen
from bot.github.waivers import Waiver, Waivers
from bot.records import Outcome, Verdict
from bot.report.markdown import Md, prose
from bot.report.render import Changes
from bot.report.rows import BROKEN, GateRow
from bot.report.view import View
from bot.triage.judge import UNKNOWN

JUDGED = BROKEN | {Outcome.CORROBORATED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Excuses:
    """The waivers that speak of this run's broken cells."""

    valid: Mapping[str, Waiver]  # by cell id
    expired: Mapping[str, Waiver]
    problems: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, str]:
        """Return the valid ones in words, by cell id."""
        return {cell: said(waiver) for cell, waiver in self.valid.items()}


def said(waiver: Waiver) -> Md:
    """Return a waiver in words."""
    why = f": {prose(waiver.reason)}" if waiver.reason else ""
    return Md(f"#{waiver.issue} until {waiver.until}{why}")


def excuses(told: View, given: Waivers, today: date) -> Excuses:
    """Find the waiver of each broken cell."""
    found = {v.cell.id: given.find(v.gate, told.model) for v in told.verdicts if v.outcome in BROKEN}
    known = {cell: waiver for cell, waiver in found.items() if waiver}
    return Excuses(
        valid={cell: waiver for cell, waiver in known.items() if not waiver.expired(today)},
        expired={cell: waiver for cell, waiver in known.items() if waiver.expired(today)},
        problems=given.problems,
    )


def compare(
    told: View, base: View | None, excused: Excuses, where: Mapping[str, int], *, partial: bool = False
) -> Changes:
    """Sort the rows of a run: new, known with their issue, waived, fixed, lost. `where`: cell id -> open issue.

    A run that was asked for some gates only is not blamed for the others.
    """
    before = {v.cell.id: v.outcome for v in base.verdicts} if base else {}
    new, known, waived, expired = [], [], [], []
    for row in told.failing:
        broken = [v.cell.id for v in row.verdicts if v.outcome in BROKEN]
        late = [excused.expired[cell] for cell in broken if cell in excused.expired]
        if late:
            expired.append((row, Md(f"its waiver is over: {said(late[0])}")))
        elif all(cell in excused.valid for cell in broken):
            waived.append((row, said(excused.valid[broken[0]])))
        elif base and all(before.get(cell) in BROKEN for cell in broken):
            known.append((row, _issue(broken, where)))
        else:
            new.append(row)
    return Changes(
        new=tuple(new), known=tuple(known), waived=tuple(waived), expired=tuple(expired), fixed=_fixed(told, base),
        lost=() if partial else _lost(told, base), base=base.commit or "the base branch" if base else None,
        notes=tuple(f"A waiver does not count: {problem}" for problem in excused.problems),
    )  # fmt: skip


def _issue(cells: Iterable[str], where: Mapping[str, int]) -> str:
    numbers = dict.fromkeys(where[cell] for cell in cells if cell in where)
    return Md(", ".join(f"#{number}" for number in numbers)) if numbers else "no issue yet"


def _outcomes(told: View) -> dict[str, Outcome]:
    return {verdict.cell.id: verdict.outcome for verdict in told.verdicts}


def _fixed(told: View, base: View | None) -> tuple[GateRow, ...]:
    now = _outcomes(told)
    held = Outcome.CORROBORATED
    return tuple(
        row
        for row in (base.failing if base else ())
        if all(now.get(v.cell.id) is held for v in row.verdicts if v.outcome in BROKEN)
    )


def _lost(told: View, base: View | None) -> tuple[GateRow, ...]:
    """Return the rows of the base whose cells were judged there and are planned no more, or could not be judged."""
    now = _outcomes(told)
    every = (*base.direct, *base.chains, *base.others) if base else ()
    return tuple(row for row in every if any(_went(v, now) for v in row.verdicts))


def _went(verdict: Verdict, now: Mapping[str, Outcome]) -> bool:
    after = now.get(verdict.cell.id)
    return verdict.outcome in JUDGED and (after is None or after in UNKNOWN)


def is_base(told: View, base: View | None, run: Run) -> bool:
    """Return whether pull requests may be compared with this run from now on.

    It must be of the default branch and whole, and know at least what was known: a machine that failed does
    not make known failures new.
    """
    now = _outcomes(told)
    known = [v.cell.id for v in base.verdicts if v.outcome in JUDGED] if base else []
    forgotten = [cell for cell in known if now.get(cell) in UNKNOWN]
    judged = any(outcome in JUDGED for outcome in now.values())
    return run.trusted and not run.partial and told.complete and judged and not forgotten


def where(issues: Iterable[Issue], findings: Iterable[Seen]) -> dict[str, int]:
    """Return the open issue of each failing cell: by the key of its cause, else by the rows an issue keeps."""
    found: dict[str, int] = {}
    keys = {issue.state.key: issue.number for issue in issues if issue.open and issue.state}
    keys |= {key: issue.number for issue in issues if issue.open and issue.state for key in issue.state.members}
    for seen in findings:
        for cell in seen.cells:
            if seen.key in keys:
                found.setdefault(cell, keys[seen.key])
    return found


def conclusion(told: View, changes: Changes, *, pull: bool) -> str:
    """Return the conclusion of a check.

    A pull request fails by what is new, the default branch by everything broken; what could not be judged
    is neutral, never a success.
    """
    if changes.new or changes.expired or (changes.known and not pull):
        return "failure"
    unknown = any(verdict.outcome in UNKNOWN for verdict in told.verdicts)
    judged = any(verdict.outcome in JUDGED for verdict in told.verdicts)
    if not judged or unknown or not told.complete or changes.lost:
        return "neutral"
    return "success"
