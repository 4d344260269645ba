"""Thousands of random lives of a repository: what must hold after every run, whatever people do between."""

import dataclasses
import os
import random
import re
from collections import Counter

import pytest
from board import Board

from bot.github.act import carry_out
from bot.github.decide import Known, decide
from bot.github.history import History
from bot.github.marker import BEGIN, END, read_state
from bot.github.model import QUIET, Act, Held, Plan, Policy, Run, Seen
from bot.records import CauseKind, Confidence, Outcome

HISTORIES = int(os.environ.get("REQUALIFY_HISTORIES", "1000"))
CHUNK = 100
MODELS = ("org/small", "org/large")
CAUSES = {f"CAUSE-{i}": tuple(f"F-CONV-{i}-{j}/gguf-apr/cpu" for j in range(2)) for i in range(8)}
POLICY = Policy()
BROKEN = {Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT}


def sha(position: int) -> str:
    return f"{position:040x}"


class Life:
    """One repository: commits in a line, defects that come and go, people, and runs."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.board = Board()
        self.history = History()
        self.head = 1
        self.broken: dict[int, frozenset[str]] = {1: frozenset()}
        self.runs = 0
        self.definition = "d1"
        self.words: dict[int, list[str]] = {}  # what people wrote into which issue
        self.last: tuple[Run, Known, tuple[Seen, ...]] | None = None
        # the test's own account, kept without the bot's: key -> (last failing commit, cell -> passes since, definition)
        self.account: dict[str, tuple[int, dict[tuple[str, str], tuple[int, str]]]] = {}
        self.closed: Counter[str] = Counter()

    # -- the world ------------------------------------------------------------

    def push(self) -> None:
        now = set(self.broken[self.head])
        for cause in self.dice.sample(sorted(CAUSES), 7 if self.dice.random() < 0.04 else 1):
            now ^= {cause}
        self.head += 1
        self.broken[self.head] = frozenset(now)

    def wait(self) -> None:
        self.board.tick(hours=self.dice.choice((1, 5, 30, 24 * 40)))

    def redefine(self) -> None:
        self.definition = f"d{self.dice.randint(1, 2)}"

    def meddle(self) -> None:
        """A person does something to an issue."""
        if not self.board.held:
            return
        number = self.dice.choice(list(self.board.held))
        issue = self.board.held[number]
        word = f"human words {self.dice.random()}"
        deed = self.dice.randrange(10)
        if deed < 3:
            self.words.setdefault(number, []).append(word)
            body = f"{word}\n\n{issue.body}" if deed else f"{issue.body}\n{word}"
            self.board.person(number, body=body)
        elif deed == 3:
            self.board.person(number, title=word)
        elif deed == 4:
            self.board.person(number, open=False, closed=self.board.now, state_reason="completed")
        elif deed == 5 and self.dice.random() < 0.4:
            self.board.person(number, open=False, closed=self.board.now, state_reason="not_planned")
        elif deed == 6:
            self.board.person(number, open=True, closed=None, state_reason="reopened")
        elif deed == 7:
            self.board.person(number, labels=issue.labels ^ {QUIET} if self.dice.random() < 0.3 else issue.labels)
        elif deed == 8 and self.dice.random() < 0.3:
            self.board.person(number, locked=not issue.locked)
        elif deed == 9 and issue.open and not issue.locked and QUIET not in issue.labels:
            # what a lost answer leaves behind: a twin
            self.board.create_issue(issue.title, issue.body[issue.body.find(BEGIN) :], tuple(issue.labels), "")

    def race(self, number: int) -> None:
        """A person edits an issue after the bot listed it and before it writes."""
        luck, body = self.dice.random(), self.board.held[number].body
        if luck < 0.1:
            self.words.setdefault(number, []).append(word := f"in between {luck}")
            body = f"{word}\n{body}"
        if luck < 0.02:
            body = body.replace(self.dice.choice((BEGIN, END)), "")
        self.board.person(number, body=body)

    def damage(self) -> None:
        """Somebody breaks the markers of an issue."""
        number = self.dice.choice(list(self.board.held) or [0])
        if number and self.dice.random() < 0.3:
            issue = self.board.held[number]
            self.board.person(number, body=issue.body.replace(self.dice.choice((BEGIN, END)), ""))

    # -- a run ----------------------------------------------------------------

    def measured(self, at: int, model: str) -> tuple[tuple[Seen, ...], dict[str, Held]]:
        """What a run of this model on this commit finds; measurements flake, fail and go missing."""
        held, seen = {}, []
        for cause, cells in CAUSES.items():
            failing = {}
            for cell in cells:
                outcome = Outcome.FALSIFIED if cause in self.broken[at] else Outcome.CORROBORATED
                luck = self.dice.random()
                if luck < 0.05:
                    outcome = Outcome.ERROR
                elif luck < 0.08:
                    continue
                elif luck < 0.10:
                    outcome = Outcome.CORROBORATED if outcome is Outcome.FALSIFIED else Outcome.FALSIFIED
                held[cell] = Held(outcome=outcome, definition=self.definition)
                if outcome in BROKEN:
                    failing[cell] = self.definition
            if failing:
                seen.append(self.finding(cause, model, failing))
        return tuple(seen), held

    def finding(self, cause: str, model: str, cells: dict[str, str]) -> Seen:
        severe = cause != "CAUSE-0"
        refuted: frozenset[str] = frozenset()
        if cause == "CAUSE-2" and self.dice.random() < 0.2:  # a better experiment: it was never CAUSE-2
            cause, refuted = "CAUSE-9", frozenset({"CAUSE-2"})
        return Seen(
            key=f"key-{cause}", cause=cause, kind=CauseKind.DEFECT, confidence=Confidence.HIGH, model=model,
            toolchain="apr", cells=cells, outcomes=dict.fromkeys(cells, Outcome.FALSIFIED), severe=severe,
            title=f"{cause} fails", body=f"report of {cause}", refuted=refuted,
        )  # fmt: skip

    def run(self) -> Plan:
        self.board.tick(minutes=self.dice.choice((5, 90, 600)))
        self.runs += 1
        at = self.head if self.dice.random() < 0.8 else self.dice.randint(max(1, self.head - 3), self.head)
        model = self.dice.choice(MODELS)
        trusted = self.dice.random() < 0.9
        seen, held = self.measured(at, model)
        run = Run(
            id=self.runs, sha=sha(at), repository="o/r", url="https://github.com/o/r/actions/runs/1",
            at=self.board.now, trusted=trusted,
        )  # fmt: skip
        contains = {sha(position): position <= at for position in self.broken}
        known = Known(
            issues=self.board.listed(), history=self.history, held=held, model=model, toolchain="apr", contains=contains
        )
        plan = self.decided(run, known, seen)
        if trusted:
            self.check_closes(plan, at, model, seen, held)
            self.history = self.history.after(
                [item.key for item in seen], run.mark, sum(s.writes for s in plan.steps), self.board.now
            )
        else:
            assert not plan.writes
        self.check_board(plan)
        self.check_again(run, known, seen)
        return plan

    def decided(self, run: Run, known: Known, seen: tuple[Seen, ...]) -> Plan:
        plan = decide(known, seen, run, self.board.now, POLICY)
        self.board.between = self.race
        carry_out(plan, self.board, run.mark)
        self.board.between = lambda number: None
        return plan

    # -- what must hold --------------------------------------------------------

    def check_closes(self, plan: Plan, at: int, model: str, seen: tuple[Seen, ...], held: dict[str, Held]) -> None:
        """Account for the run, then demand the proof of every close."""
        old = {step.key for step in plan.steps if "older than the close" in step.reason}
        failing = {item.key: item for item in seen if item.key not in old}
        for key in set(self.account) | set(failing):
            last, cells = self.account.get(key, (0, {}))
            if key in failing and at >= last:
                cells = {where: (0, definition) for where, (_, definition) in cells.items()}
                cells |= {(model, cell): (0, definition) for cell, definition in failing[key].cells.items()}
                last = at
            elif key not in failing and at >= last:
                for (who, cell), (passes, definition) in list(cells.items()):
                    now = held.get(cell)
                    if who == model and now and now.definition == definition:
                        after = {Outcome.CORROBORATED: passes + 1, Outcome.FALSIFIED: 0}.get(now.outcome, passes)
                        cells[who, cell] = (after, definition)
            self.account[key] = (last, cells)
        for step in plan.steps:
            if step.act is Act.CLOSE and step.state_reason == "completed":
                self.closed[step.key] += 1
                state = read_state(self.board.held[step.number or 0].body)
                assert state
                for row in state.rows:
                    for key in {step.key, *state.members} & set(self.account):
                        cells = self.account[key][1]
                        if (row.model, row.cell) in cells:
                            assert cells[row.model, row.cell][0] >= POLICY.passes_to_close, (step, row, cells)

    def check_board(self, plan: Plan) -> None:
        touched = {step.key for step in plan.writes}
        standing = Counter(
            issue.state.key
            for issue in self.board.listed()
            if issue.open and issue.state and issue.state.key in touched
        )
        assert all(count == 1 for count in standing.values()), standing
        for number, words in self.words.items():
            for word in words:
                assert word in self.board.held[number].body
        for issue in self.board.held.values():
            assert issue.body.count(BEGIN) <= 2

    def check_again(self, run: Run, known: Known, seen: tuple[Seen, ...]) -> None:
        """The same run once more says and changes nothing."""
        before = (self.board.writes, dict(self.board.held))
        fresh = dataclasses.replace(known, issues=self.board.listed(), history=self.history)
        plan = decide(fresh, seen, run, self.board.now, POLICY)
        carry_out(plan, self.board, run.mark)
        assert (self.board.writes, dict(self.board.held)) == before, plan.writes


def live(seed: int, steps: int = 24) -> Life:
    life = Life(seed)
    deeds = (life.run, life.run, life.run, life.push, life.meddle, life.wait, life.redefine, life.damage)
    for _ in range(steps):
        life.dice.choices(deeds, (10, 10, 10, 6, 4, 3, 1, 1))[0]()
    return life


@pytest.mark.parametrize("chunk", range(HISTORIES // CHUNK))
def test_random_histories_keep_the_promises(chunk: int) -> None:
    closed: Counter[str] = Counter()
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        try:
            closed += live(seed).closed
        except AssertionError as error:
            raise AssertionError(f"history {seed}: {error}") from error
    assert sum(closed.values()) > 10, "histories in which nothing is ever closed prove nothing"


def test_comments_are_only_made_on_a_change(chunk: int = 0) -> None:
    """In a quiet life (one defect, never mended) one issue is made and nothing is said."""
    life = Life(7)
    life.broken[1] = frozenset({"CAUSE-3"})
    life.dice.random = lambda: 0.5  # type: ignore[method-assign]
    for _ in range(12):
        life.run()
    assert len(life.board.held) == 1
    assert not any(life.board.said.values())
    assert re.search("org/small", life.board.held[1].body)
