"""Publishes judged runs: issues first, then the check, the one comment, the answer to who asked.

What is decided is decided elsewhere and purely; here it is asked for, carried out in order and written down.
Whatever GitHub refuses goes one rung down (check, status, comment, step summary, file) and is said.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from bot.github import act, changes, check, findings, problems, results, waivers
from bot.github.check import Check
from bot.github.client import Client, TalkError
from bot.github.decide import Known, asked, decide
from bot.github.history import Good, History, place
from bot.github.marker import comment_marker
from bot.github.model import KNOWN, Issue, Plan, Policy, Run, Seen
from bot.records import CauseKind, Outcome
from bot.report import render
from bot.report.markdown import fence
from bot.report.render import QUALIFIES, Changes
from bot.report.rows import BROKEN
from bot.report.view import View

BODY = 65_000  # characters of the comment, its marker left out
WRITERS = frozenset({"admin", "maintain", "write"})
AUTHORS = 5  # people whose rights are looked up for waivers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One judged journal and what the base branch's last one said."""

    told: View
    part: str
    base: View | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one case."""

    case: Case
    plan: Plan
    numbers: tuple[int | None, ...]
    changes: Changes
    check: Check


class Publication:
    """One run on its way to GitHub; `github` None means that nothing is asked and nothing is written."""

    def __init__(
        self, github: Client | None, run: Run, history: History, now: datetime, *, dry: bool = False,
        pull: int | None = None, policy: Policy | None = None,
    ) -> None:  # fmt: skip
        self.github, self.run, self.history, self.now, self.dry = github, run, history, now, dry or github is None
        self.wanted = run.pull or pull
        self.policy = policy or Policy()
        self.issues: tuple[Issue, ...] | None = ()
        self.notices: list[str] = []  # what went another way than planned
        self.failed: list[str] = []  # what was not done at all
        self.contains: dict[str, bool | None] = {}
        self.untold = False  # a verdict found no place on GitHub

    def publish(self, cases: Sequence[Case], wrong: str | None = None) -> list[Told]:
        """Publish every case, and the mistakes of playbooks that never ran."""
        self.issues = self._listed()
        given = self._waivers(cases)
        done = [self._case(case, given, last=case is cases[-1]) for case in cases]
        pages = [self._page(told, len(done)) for told in done]
        if wrong:
            mistaken = problems.check(wrong)
            self._check(mistaken, fresh=False)
            pages.append(mistaken.summary)
        if self._comment(pages):
            self.untold = False
        self._answer(done)
        return done

    # -- reading -----------------------------------------------------------------

    def _listed(self) -> tuple[Issue, ...] | None:
        """Return our issues; None when they can not be had, and then none is touched."""
        if self.github is None:
            return ()
        try:
            return self.github.issues()
        except TalkError as error:
            (self.failed if self.run.trusted else self.notices).append(f"issues can not be read: {error}")
            return None

    def _waivers(self, cases: Sequence[Case]) -> waivers.Waivers:
        """Return the waivers; nobody asks for them when nothing is broken."""
        if self.github is None or not any(v.outcome in BROKEN for case in cases for v in case.told.verdicts):
            return waivers.Waivers()
        try:
            return waivers.read(self.github.labelled(KNOWN), _Writers(self.github))
        except TalkError as error:
            self.notices.append(f"waivers can not be read, none counts: {error}")
            return waivers.Waivers()

    def _ancestry(self, found: Sequence[Seen], toolchain: str) -> dict[str, bool | None]:
        for sha in asked(self.issues or (), found, self.run, toolchain):
            if sha not in self.contains:
                self.contains[sha] = self.github.contains(sha, self.run.sha) if self.github else None
        return self.contains

    # -- one case ------------------------------------------------------------------

    def _case(self, case: Case, given: waivers.Waivers, *, last: bool) -> Told:
        run = dataclasses.replace(self.run, part=case.part)
        excused = changes.excuses(case.told, given, self.now.date())
        found = findings.seen(case.told, run, self.history, self.issues or (), excused.words)
        plan, numbers, written = self._issues(case, run, found)
        where = changes.where(self.issues or (), found)
        for step, number in zip(plan.steps, numbers, strict=False):
            where |= {cell: number for seen in found if seen.key == step.key and number for cell in seen.cells}
        compared = changes.compare(case.told, case.base, excused, where, partial=run.partial)
        verdict = changes.conclusion(case.told, compared, pull=not run.trusted)
        made = check.check(case.told, compared, verdict, case.part)
        self._check(made, fresh=written)
        self._remember(case, run, found, plan if written else Plan(()))
        if written and not last:
            self.issues = self._listed()
        return Told(case=case, plan=plan, numbers=numbers, changes=compared, check=made)

    def _issues(self, case: Case, run: Run, found: Sequence[Seen]) -> tuple[Plan, tuple[int | None, ...], bool]:
        """Decide and carry out; returns the plan, the numbers, and whether anything was written."""
        if self.issues is None:
            return Plan(()), (), False
        try:
            plan = decide(self._known(case, found), found, run, self.now, self.policy)
            if self.dry or self.github is None:
                return plan, (), False
            return plan, act.carry_out(plan, self.github, run.mark), bool(plan.writes)
        except TalkError as error:
            self.failed.append(f"issues were not all brought up to date: {error}")
            return Plan(()), (), False

    def _known(self, case: Case, found: Sequence[Seen]) -> Known:
        told = case.told
        return Known(
            issues=self.issues or (), history=self.history, held=findings.held(told.verdicts), model=told.model,
            toolchain=told.toolchain, contains=self._ancestry(found, told.toolchain),
            qualifies=(told.score.mqs or 0) >= QUALIFIES,
        )  # fmt: skip

    def _remember(self, case: Case, run: Run, found: Sequence[Seen], plan: Plan) -> None:
        """Keep what the next run must know; runs that are not trusted leave no trace."""
        if not run.trusted:
            return
        told = case.told
        keys = [seen.key for seen in found if seen.kind is CauseKind.DEFECT and seen.cells]
        self.history = self.history.after(keys, run.mark, sum(step.writes for step in plan.steps), self.now)
        good = [v.cell.id for v in told.verdicts if v.outcome is Outcome.CORROBORATED]
        if good:
            facts = Good(sha=run.sha, at=run.at.isoformat(), environment=findings.environment(told))
            places = [place(told.model, told.toolchain, cell) for cell in good]
            self.history = self.history.with_good(run.mark, facts, places)

    # -- telling -------------------------------------------------------------------

    def _check(self, made: Check, *, fresh: bool) -> None:
        """Write the check, or the status that stands in for it."""
        if self.dry or self.github is None:
            return
        try:
            run = dataclasses.replace(self.run, part=made.name)
            number, new = self.github.ensure_check(made.data(run), fresh=fresh)
            for data in made.rest() if new else ():
                self.github.edit_check(number, data)
        except TalkError as error:
            self.notices.append(f"the check {made.name!r} could not be written: {error}")
            self._status(self.github, made)

    def _status(self, github: Client, made: Check) -> None:
        try:
            github.status(self.run.sha, made.status(self.run))
            self.notices.append(f"a commit status stands in for {made.name!r}")
        except TalkError as error:
            self.notices.append(f"nor could a commit status: {error}")
            self.untold = True

    def _page(self, told: Told, count: int) -> str:
        compared = told.changes if told.case.base or not self.run.trusted else None
        return render.pr_comment(told.case.told, compared, limit=BODY // max(count, 1) - 200)

    def _comment(self, pages: Sequence[str]) -> bool:
        """Write the one comment of the pull request, or bring it up to date; tell whether it is there."""
        if self.dry or self.github is None or not pages or not (self.wanted or self.run.head):
            return False
        try:
            number = self._pull()
            if number is not None:
                text = "\n---\n\n".join(pages)[:BODY]
                self.github.ensure_comment(number, comment_marker(f"pull/{number}"), text, edit=True)
                return True
        except TalkError as error:
            self.notices.append(f"the pull request could not be told: {error}")
        return False

    def _pull(self) -> int | None:
        """Return the pull request of this run, if GitHub agrees that this commit is its head now."""
        if self.github is None:
            return None
        if self.wanted is None:
            return self.github.pull_of(self.run.head or "", self.run.sha)
        told = self.github.pull(self.wanted)
        if told is None or told["head"]["sha"] != self.run.sha:
            self.notices.append(f"#{self.wanted} is not told: this commit is not its head")
            return None
        return self.wanted

    def _answer(self, done: Sequence[Told]) -> None:
        """Edit the acknowledgement of the command that asked for this run into its result."""
        if self.dry or self.github is None or self.run.request is None:
            return
        try:
            made = [(told.case.part, told.check.conclusion, told.case.told, told.changes) for told in done]
            if not results.edit(self.github, self.run, made):
                self.notices.append(f"the answer to comment {self.run.request} was not found")
        except TalkError as error:
            self.notices.append(f"the answer to comment {self.run.request} could not be edited: {error}")


class _Writers:
    """Who may write, looked up once a person and not for more than a few."""

    def __init__(self, github: Client) -> None:
        self.github, self.known = github, dict[tuple[str, int], bool]()

    def __call__(self, login: str, number: int) -> bool:
        if (login, number) not in self.known:
            told = self.github.permission(login) if len(self.known) < AUTHORS else None
            self.known[login, number] = told is not None and told[0] == number and told[1] in WRITERS
        return self.known[login, number]


def listing(done: Sequence[Told]) -> str:
    """Return what was decided, case by case: what `--dry-run` prints and the summary keeps."""
    parts = []
    for told in done:
        head = f"{told.case.part}: {told.check.conclusion}: {told.check.title}"
        parts.append(f"{head}\n{act.listing(told.plan, told.numbers)}")
    return "\n".join(parts)


def summary(done: Sequence[Told], notices: Sequence[str], room: int = 1 << 20) -> str:
    """Return the page of the job: every report, what was decided and why, and what GitHub refused."""
    tail = [fence(listing(done), "text", limit=60_000)] if done else []
    tail += [fence("\n".join(notices), "text", limit=20_000)] if notices else []
    share = (room - 100_000) // max(len(done), 1)
    pages = [render.report_md(told.case.told, limit=share) for told in done]
    return "\n\n".join([*pages, *tail]) + "\n"
