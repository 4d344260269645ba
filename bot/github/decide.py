"""Decides what becomes of every finding and every open issue: state and findings in, plan out. Pure.

Each rule of the lifecycle is one function that returns a step or passes on. Results of pull requests and
forks never come past the first of them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.github import boxes, ledger, messages
from bot.github.history import History
from bot.github.marker import managed, merge, region, whole
from bot.github.model import FLAKY, LABEL, QUIET, Act, Held, Issue, Plan, Policy, Run, Seen, State, Step
from bot.github.standing import Standing
from bot.github.storm import gathered, within_quota
from bot.records import CauseKind


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is: our issues, what this run measured, and what came before."""

    issues: tuple[Issue, ...]
    history: History
    held: Mapping[str, Held]  # every judged cell of this run
    model: str
    toolchain: str
    contains: Mapping[str, bool | None]  # does the run's commit contain this one; None: could not be told
    qualifies: bool = False  # the model's score is enough


def decide(known: Known, findings: Sequence[Seen], run: Run, now: datetime, policy: Policy | None = None) -> Plan:
    """Return the plan: one step for each finding and each open issue it touches, with reasons."""
    policy = policy or Policy()
    if not run.trusted:
        why = run.why_untrusted or "not a run of the default branch"
        return Plan(tuple(_skip(seen, f"{why}: such results never move issues") for seen in findings))
    chosen = _Chosen(known, run, now, policy)
    chosen.standing.follow(findings, lambda seen: chosen.withheld(seen) is None)
    findings = gathered(findings, known.issues, policy, chosen.fresh)
    steps = [*chosen.twins()]
    steps += [chosen.finding(seen) for seen in findings]
    steps += chosen.quiet_ones({seen.key for seen in findings})
    return Plan(within_quota(steps, known, now, policy))


def asked(issues: Sequence[Issue], findings: Sequence[Seen], run: Run, toolchain: str) -> tuple[str, ...]:
    """Return the commits of which `decide` may want to know whether the run's commit contains them."""
    if not run.trusted:
        return ()
    keys = {seen.key for seen in findings}
    wanted: list[str | None] = []
    for issue in issues:
        if issue.state and (issue.state.toolchain == toolchain or issue.state.key in keys):
            wanted.append(issue.state.last_sha if issue.open else None)
            wanted.append(issue.state.closed_sha if issue.state.key in keys and not issue.open else None)
    return tuple(dict.fromkeys(sha for sha in wanted if sha and sha != run.sha))


def _skip(seen: Seen, reason: str, number: int | None = None) -> Step:
    return Step(act=Act.SKIP, reason=reason, key=seen.key, cause=seen.cause, number=number)


def _state(issue: Issue) -> State:
    """Return the state of an issue that was found by it."""
    if issue.state is None:
        raise ValueError(f"#{issue.number} has no state")
    return issue.state


def _named(issue: Issue) -> dict[str, Any]:
    state = _state(issue)
    return {"key": state.key, "cause": state.cause, "number": issue.number}


def _close_twin(first: Issue, other: Issue) -> Step:
    return Step(
        act=Act.CLOSE,
        reason=f"twin of #{first.number}",
        comment=messages.duplicate(first.number),
        open=False,
        state_reason="duplicate",
        **_named(other),
    )


class _Chosen:
    """One run against what there is; methods are the rules."""

    def __init__(self, known: Known, run: Run, now: datetime, policy: Policy) -> None:
        self.known, self.run, self.now, self.policy = known, run, now, policy
        self.standing = Standing(known.issues)

    # -- finding the issue ---------------------------------------------------

    def twins(self) -> list[Step]:
        """Close every open issue of a key but the lowest, as its duplicate; the lowest inherits the rows."""
        steps = []
        for issues in self.standing.by_key.values():
            standing = [issue for issue in issues if issue.open]
            if len(standing) < 2:
                continue
            first, *others = standing
            steps += [_close_twin(first, other) for other in others]
            first = self._heir(first, others)
            steps.append(
                Step(act=Act.UPDATE, reason="inherits the rows of its twins", region=whole(first.body), **_named(first))
            )
            issues[:] = [first, *(issue for issue in issues if not issue.open)]
        return steps

    def _heir(self, first: Issue, others: Sequence[Issue]) -> Issue:
        state = _state(first)
        for other in others:
            state = dataclasses.replace(state, rows=ledger.merged(state.rows, _state(other).rows))
        body = merge(first.body, self._region(managed(first.body) or "", state))
        return dataclasses.replace(first, state=state, body=body)

    def fresh(self, seen: Seen) -> bool:
        """Return whether a finding would make a new issue now."""
        return self.standing.of(seen.key) is None and self.withheld(seen) is None

    # -- one finding -----------------------------------------------------------

    def finding(self, seen: Seen) -> Step:
        """Return the step of one finding."""
        issue = self.standing.of(seen.key)
        reason = self.withheld(seen)
        if reason and (issue is None or not issue.open or seen.waived):
            return _skip(seen, reason, issue.number if issue else None)
        if issue is None or issue.state is None:
            return self._create(seen, None)
        if respected := self._respected(seen, issue, issue.state):
            return _skip(seen, respected, issue.number)
        return self._open(seen, issue, issue.state) if issue.open else self._closed(seen, issue, issue.state)

    def _respected(self, seen: Seen, issue: Issue, state: State) -> str | None:
        """Return why an issue is left as it is, or None."""
        if QUIET in issue.labels:
            return f"#{issue.number} is labelled {QUIET}"
        if self.run.mark in state.runs and seen.key not in self.standing.corrections:
            return f"run {self.run.id} is recorded in #{issue.number} already"
        return f"#{issue.number} is locked" if issue.open and issue.locked else None

    def withheld(self, seen: Seen) -> str | None:
        """Return why a finding may not become an issue, or None."""
        if seen.waived:
            return f"waived: {seen.waived}"
        if seen.cause in self.policy.withheld:
            return "withheld: this class of cause is not described in public"
        if seen.kind is not CauseKind.DEFECT:
            return f"{seen.kind.value}: says nothing against the converter"
        if not seen.cells:
            return "no failing gate belongs to it"
        runs = self.known.history.seen(seen.key, besides=self.run.mark) + 1
        if not seen.severe and not seen.members and runs < self.policy.runs_before_filing:
            return f"observed once: filed when {self.policy.runs_before_filing} runs show it"
        return None

    def _create(self, seen: Seen, before: Issue | None) -> Step:
        state = State(
            key=seen.key,
            cause=seen.cause,
            toolchain=seen.toolchain,
            first_sha=self.run.sha,
            last_sha=self.run.sha,
            runs=(self.run.mark,),
            rows=ledger.failing(None, seen, ledger.day(self.now)),
            good_sha=seen.good_sha,
            since=seen.since,
            members=seen.members,
        )
        body = f"{messages.earlier(before.number)}\n\n{seen.body}" if before else seen.body
        why = f"new cause; earlier: #{before.number}" if before else "new cause"
        return Step(
            act=Act.CREATE,
            reason=why,
            key=seen.key,
            cause=seen.cause,
            title=seen.title[:256],
            region=self._region(body, state),
            labels=(LABEL,),
        )

    def _region(self, body: str, state: State) -> str:
        banner = f"{messages.corrected_banner(state.corrected, state.cause)}\n\n" if state.corrected else ""
        text = f"{banner}{body.removeprefix(banner)}".split(SPLIT)[0].rstrip()
        return region(f"{text}\n\n{SPLIT}\n{messages.tracking(state, self._needed(state))}", state)

    def _needed(self, state: State) -> int:
        return self.policy.flaky_passes_to_close if state.flaky else self.policy.passes_to_close

    def _runs(self, state: State) -> tuple[str, ...]:
        return (*state.runs, self.run.mark)[-RUNS_KEPT:]

    def _failed(self, seen: Seen, state: State) -> State:
        passed_here = {(row.model, row.cell) for row in state.rows if row.passes}
        flaky = self.run.sha in {state.passed_sha, state.closed_sha} and any(
            (seen.model, cell) in passed_here for cell in seen.cells
        )
        return dataclasses.replace(
            state,
            key=seen.key,
            cause=seen.cause,
            runs=self._runs(state),
            last_sha=self.run.sha,
            flaky=state.flaky or flaky,
            rows=ledger.failing(state, seen, ledger.day(self.now)),
            members=tuple(dict.fromkeys((*state.members, *seen.members))),
            told=False,
            closed_sha=None,
        )

    def _open(self, seen: Seen, issue: Issue, state: State) -> Step:
        """An open issue that still fails: the body becomes the present; news is commented, repetition is not."""
        if self._older(state.last_sha):
            return _skip(seen, "this commit is older than the last failing one", issue.number)
        after = self._failed(seen, state)
        old = self.standing.corrections.get(seen.key)
        if old is not None:
            after = dataclasses.replace(after, corrected=(*state.corrected, old))
            words = messages.correction(old, seen, self.run)
            return self._step(Act.COMMENT, seen, issue, after, "corrects its cause", words)
        new = sorted(_classes(after) - _classes(state))
        if new:
            return self._step(Act.COMMENT, seen, issue, after, "formats or backends grew", messages.grew(new, self.run))
        if after.flaky and not state.flaky:
            step = self._step(Act.COMMENT, seen, issue, after, "flaky", messages.flaky_failed(self.run))
            return dataclasses.replace(step, labels=(FLAKY,))
        rows = len(after.rows) - len(state.rows)
        why = f"{rows} new row{'s' * (rows != 1)}" if rows else "still fails, nothing new"
        return self._step(Act.UPDATE, seen, issue, after, why, None)

    def _step(self, act: Act, seen: Seen, issue: Issue, after: State, why: str, comment: str | None) -> Step:
        return Step(
            act=act,
            reason=why,
            key=seen.key,
            cause=seen.cause,
            number=issue.number,
            region=self._region(seen.body, after),
            comment=comment,
            open=True if act is Act.REOPEN else None,
        )

    def _closed(self, seen: Seen, issue: Issue, state: State) -> Step:
        """A closed issue that fails again."""
        number = issue.number
        if issue.state_reason == "not_planned":
            return _skip(seen, f"#{number} was closed as not planned", number)
        closed = issue.closed or issue.created
        if issue.locked or self.now - closed > timedelta(days=self.policy.reopen_days):
            return self._create(seen, issue)
        if not self._after_close(issue, state):
            return _skip(seen, f"this commit is older than the close of #{number}", number)
        if state.reopened and state.closed_sha is None:
            return self._closed_again(seen, issue, state)
        after = dataclasses.replace(self._failed(seen, state), reopened=state.reopened + 1)
        if after.flaky and not state.flaky:
            step = self._step(Act.REOPEN, seen, issue, after, "flaky", messages.flaky_failed(self.run))
            return dataclasses.replace(step, labels=(FLAKY,))
        return self._step(Act.REOPEN, seen, issue, after, "regressed", messages.regressed(self.run, state.closed_sha))

    def _older(self, sha: str) -> bool:
        """Return whether the run's commit is known not to contain this one."""
        return sha != self.run.sha and self.known.contains.get(sha) is False

    def _closed_again(self, seen: Seen, issue: Issue, state: State) -> Step:
        """A person closed what we had reopened: say once that it fails, then be silent."""
        if state.told:
            return _skip(seen, f"#{issue.number} was closed by hand, and that it fails was said once", issue.number)
        after = dataclasses.replace(self._failed(seen, state), told=True)
        return self._step(
            Act.COMMENT, seen, issue, after, "closed by hand, still fails", messages.still_fails(self.run)
        )

    def _after_close(self, issue: Issue, state: State) -> bool:
        """Return whether the run's commit contains what closed the issue."""
        if state.closed_sha is not None:
            return state.closed_sha == self.run.sha or bool(self.known.contains.get(state.closed_sha))
        return issue.closed is None or self.run.at > issue.closed

    # -- issues this run did not fail --------------------------------------------

    def quiet_ones(self, failed: set[str]) -> list[Step]:
        """Return a step for each open issue of this toolchain whose cause this run did not show."""
        return [
            self._watch(issue, issue.state)
            for issue in self.standing.others(failed)
            if issue.state and issue.open and issue.state.toolchain == self.known.toolchain
        ]

    def _watch(self, issue: Issue, state: State) -> Step:
        held = [
            self.known.held[row.cell]
            for row in state.rows
            if row.model == self.known.model and row.cell in self.known.held
        ]
        step = Step(act=Act.SKIP, reason="", key=state.key, cause=state.cause, number=issue.number)
        reason = self._unwatchable(issue, state, bool(held))
        if reason:
            return dataclasses.replace(step, reason=reason)
        if state.closed_sha is not None:  # a person reopened what we had closed: the proof starts anew
            state = dataclasses.replace(state, rows=ledger.anew(state.rows), closed_sha=None)
        rows = ledger.watched(state.rows, self.known.model, self.known.held)
        flaky = state.last_sha == self.run.sha and sum(r.passes for r in rows) > sum(r.passes for r in state.rows)
        after = dataclasses.replace(
            state, rows=rows, runs=self._runs(state), passed_sha=self.run.sha, flaky=state.flaky or flaky
        )
        return self._passed(step, issue, after, newly_flaky=flaky and not state.flaky)

    def _unwatchable(self, issue: Issue, state: State, ran: bool) -> str | None:
        if not ran:
            return "none of its gates was in this run"
        if self.run.mark in state.runs:
            return f"run {self.run.id} is recorded already"
        if issue.locked or QUIET in issue.labels:
            return "locked or quiet"
        if state.last_sha != self.run.sha and not self.known.contains.get(state.last_sha):
            return "this commit does not contain the last failing one: its passes prove nothing"
        return None

    def _passed(self, step: Step, issue: Issue, after: State, *, newly_flaky: bool) -> Step:
        if ledger.proven(after.rows, self._needed(after)) and not after.dropped:
            passes = min(row.passes for row in after.rows)
            after = dataclasses.replace(after, closed_sha=self.run.sha)
            comment = messages.closed(passes, self.run, after)
            step = dataclasses.replace(
                step, act=Act.CLOSE, reason=f"{passes} passes", comment=comment, open=False, state_reason="completed"
            )
        elif newly_flaky:
            comment = messages.flaky(self.run)
            step = dataclasses.replace(step, act=Act.COMMENT, reason="flaky", comment=comment, labels=(FLAKY,))
        else:
            step = dataclasses.replace(step, act=Act.UPDATE, reason=_standings(after))
        text = boxes.ticked(managed(issue.body) or "", after.rows, qualifies=self.known.qualifies)
        return dataclasses.replace(step, region=self._region(text, after))


RUNS_KEPT = 12  # one run may judge several playbooks
SPLIT = "<!-- requalify·rows -->"


def _standings(state: State) -> str:
    passes = min((row.passes for row in state.rows), default=0)
    return f"held {passes} time{'s' * (passes != 1)} in a row" if passes else "not all of its gates held"


def _classes(state: State) -> set[str]:
    """Return the formats and backends an issue has been seen on, from its cell ids: GATE/chain/backend."""
    found: set[str] = set()
    for row in state.rows:
        found |= {part for part in row.cell.split("/")[1:3] if part}
    return found
