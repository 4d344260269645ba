# ruff: noqa: E501
"""The lifecycle as a table: what there is, what a run found, what becomes of it."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.github import marker
from bot.github.act import carry_out, listing
from bot.github.decide import Known, decide
from bot.github.history import History
from bot.github.model import FLAKY, LABEL, QUIET, Act, Held, Issue, Plan, Policy, Row, Run, Seen, State, Step
from bot.records import CauseKind, Confidence, Outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CELL, GPU = "F-CONV-G-A/gguf-apr/cpu", "F-CONV-G-A/gguf-apr/gpu"
OLD, LAST, NEW = "1" * 40, "2" * 40, "3" * 40  # commits in order
AFTER = {OLD: True, LAST: True, NEW: True}


def run(**more: Any) -> Run:
    values: dict[str, Any] = {
        "id": 9, "sha": NEW, "repository": "o/r", "url": "https://github.com/o/r/actions/runs/9", "at": NOW, "trusted": True,
    }  # fmt: skip
    return Run(**values | more)


def seen(**more: Any) -> Seen:
    values: dict[str, Any] = {
        "key": "k", "cause": "LAYOUT-002", "kind": CauseKind.DEFECT, "confidence": Confidence.HIGH, "model": "org/m",
        "toolchain": "apr", "cells": {CELL: "d1"}, "outcomes": dict.fromkeys((CELL, GPU), Outcome.FALSIFIED),
        "severe": True, "title": "t", "body": "report",
    }  # fmt: skip
    return Seen(**values | more)


def row(**more: Any) -> Row:
    values: dict[str, Any] = {
        "model": "org/m",
        "cell": CELL,
        "definition": "d1",
        "first": "2026-02-01",
        "last": "2026-02-01",
    }
    return Row(**values | more)


def state(**more: Any) -> State:
    values: dict[str, Any] = {
        "key": "k", "cause": "LAYOUT-002", "toolchain": "apr", "first_sha": OLD, "last_sha": LAST, "runs": ("8.1",), "rows": (row(),),
    }  # fmt: skip
    return State(**values | more)


def issue(held: State | None = None, *, number: int = 5, **more: Any) -> Issue:
    held = held or state()
    values: dict[str, Any] = {
        "number": number, "title": "human title", "body": marker.merge("", marker.region("report", held)), "open": True,
        "created": NOW - timedelta(days=9), "labels": frozenset({LABEL}), "state": held,
    }  # fmt: skip
    return Issue(**values | more)


def closed(held: State | None = None, days: float = 2, **more: Any) -> Issue:
    values: dict[str, Any] = {"open": False, "closed": NOW - timedelta(days=days), "state_reason": "completed"}
    return issue(held or state(closed_sha=LAST), **values | more)


def plan(
    issues: tuple[Issue, ...], findings: tuple[Seen, ...], held: dict[str, Outcome] | None = None, *, at: Run | None = None,
    definition: str = "d1", contains: dict[str, bool | None] | None = None, history: History | None = None,
    policy: Policy | None = None,
) -> Plan:  # fmt: skip
    known = Known(
        issues=issues, history=history or History(), model="org/m", toolchain="apr", contains=AFTER if contains is None else contains,
        held={cell: Held(outcome=outcome, definition=definition) for cell, outcome in (held or {}).items()},
    )  # fmt: skip
    return decide(known, findings, at or run(), NOW, policy)


def only(made: Plan) -> Step:
    assert len(made.steps) == 1, listing(made)
    return made.steps[0]


PASS = {CELL: Outcome.CORROBORATED}
ONCE = History(runs={"k": ("7.1",)})
FAILS: list[tuple[str, dict[str, Any], Act, str]] = [
    ("severe at once", {}, Act.CREATE, "new cause"),
    ("mild once", {"findings": (seen(severe=False),)}, Act.SKIP, "observed once"),
    ("mild twice", {"findings": (seen(severe=False),), "history": ONCE}, Act.CREATE, "new cause"),
    ("same run twice", {"findings": (seen(severe=False),), "history": History(runs={"k": ("9.1",)})}, Act.SKIP, "observed once"),
    ("not ours to blame", {"findings": (seen(kind=CauseKind.HARNESS),)}, Act.SKIP, "says nothing against the converter"),
    ("no gate", {"findings": (seen(cells={}),)}, Act.SKIP, "no failing gate"),
    ("waived", {"findings": (seen(waived="#3 until 2026-12-31"),)}, Act.SKIP, "waived: #3"),
    ("withheld", {"policy": Policy(withheld=frozenset({"LAYOUT-002"}))}, Act.SKIP, "not described in public"),
    ("open, the same", {"issues": (issue(),)}, Act.UPDATE, "still fails, nothing new"),
    ("open, new model", {"issues": (issue(),), "findings": (seen(model="org/other"),)}, Act.UPDATE, "1 new row"),
    ("open, new backend", {"issues": (issue(),), "findings": (seen(cells={CELL: "d1", GPU: "d1"}),)}, Act.COMMENT, "backends grew"),
    ("open, recorded", {"issues": (issue(state(runs=("9.1",))),)}, Act.SKIP, "recorded in #5 already"),
    ("open, quiet", {"issues": (issue(labels=frozenset({LABEL, QUIET})),)}, Act.SKIP, "labelled quiet"),
    ("open, locked", {"issues": (issue(locked=True),)}, Act.SKIP, "locked"),
    ("open, waived", {"issues": (issue(),), "findings": (seen(waived="w"),)}, Act.SKIP, "waived"),
    ("open, older commit", {"issues": (issue(),), "contains": {LAST: False}}, Act.SKIP, "older than the last failing"),
    ("open, unknown ancestry", {"issues": (issue(),), "contains": {}}, Act.UPDATE, "still fails"),
    ("open, passed on this commit", {"issues": (issue(state(passed_sha=NEW, rows=(row(passes=1),))),)}, Act.COMMENT, "flaky"),
    ("open, passed on another", {"issues": (issue(state(passed_sha=LAST, rows=(row(passes=1),))),)}, Act.UPDATE, "still fails"),
    ("closed, regressed", {"issues": (closed(),)}, Act.REOPEN, "regressed"),
    ("closed, the commit that closed it", {"issues": (closed(state(closed_sha=NEW, rows=(row(passes=2),))),)}, Act.REOPEN, "flaky"),
    ("closed, older commit", {"issues": (closed(),), "contains": {LAST: False}}, Act.SKIP, "older than the close of #5"),
    ("closed, unknown ancestry", {"issues": (closed(),), "contains": {LAST: None}}, Act.SKIP, "older than the close"),
    ("closed long ago", {"issues": (closed(days=31),)}, Act.CREATE, "earlier: #5"),
    ("closed and locked", {"issues": (closed(locked=True),)}, Act.CREATE, "earlier: #5"),
    ("closed, not planned", {"issues": (closed(state_reason="not_planned"),)}, Act.SKIP, "not planned"),
    ("closed, not planned, long ago", {"issues": (closed(state_reason="not_planned", days=400),)}, Act.SKIP, "not planned"),
    ("closed by hand", {"issues": (closed(state()),)}, Act.REOPEN, "regressed"),
    ("closed by hand after this commit", {"issues": (closed(state(), days=-1),)}, Act.SKIP, "older than the close"),
    ("closed by hand again", {"issues": (closed(state(reopened=1)),)}, Act.COMMENT, "closed by hand, still fails"),
    ("closed by hand, told", {"issues": (closed(state(reopened=1, told=True)),)}, Act.SKIP, "was said once"),
    ("mild, closed", {"issues": (closed(),), "findings": (seen(severe=False),)}, Act.SKIP, "observed once"),
    ("of a fork", {"at": run(trusted=False, why_untrusted="a run of a fork")}, Act.SKIP, "never move issues"),
    ("of a fork, open", {"issues": (issue(),), "at": run(trusted=False)}, Act.SKIP, "never move issues"),
    ("another toolchain's", {"issues": (issue(state(toolchain="x", key="other")),)}, Act.CREATE, "new cause"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "act", "reason"), [row[1:] for row in FAILS], ids=[row[0] for row in FAILS])
def test_what_becomes_of_a_finding(case: dict[str, Any], act: Act, reason: str) -> None:
    step = only(plan(**{"issues": (), "findings": (seen(),)} | case))
    assert (step.act, reason in step.reason) == (act, True), step.reason
    if act is not Act.SKIP:
        assert step.region and marker.read_state(step.region)


ERROR, BAD = {CELL: Outcome.ERROR}, {CELL: Outcome.FALSIFIED}
TWICE = state(rows=(row(passes=1),))
HOLDS: list[tuple[str, dict[str, Any], Act, str, int]] = [
    ("first pass", {"issues": (issue(),), "held": PASS}, Act.UPDATE, "held 1 time", 1),
    ("second pass", {"issues": (issue(TWICE),), "held": PASS}, Act.CLOSE, "2 passes", 2),
    ("second pass, flaky", {"issues": (issue(dataclasses.replace(TWICE, flaky=True)),), "held": PASS}, Act.UPDATE, "held 2", 2),
    ("tenth pass, flaky", {"issues": (issue(state(flaky=True, rows=(row(passes=9),))),), "held": PASS}, Act.CLOSE, "10 passes", 10),
    ("could not be judged", {"issues": (issue(TWICE),), "held": ERROR}, Act.UPDATE, "held 1 time", 1),
    ("broken by something else", {"issues": (issue(TWICE),), "held": BAD}, Act.UPDATE, "not all", 0),
    ("gate not in the run", {"issues": (issue(TWICE),)}, Act.SKIP, "none of its gates", 1),
    ("gate was rewritten", {"issues": (issue(TWICE),), "held": PASS, "definition": "d2"}, Act.UPDATE, "held 1 time", 1),
    ("older than the failure", {"issues": (issue(TWICE),), "held": PASS, "contains": {LAST: False}}, Act.SKIP, "prove nothing", 1),
    ("unknown ancestry", {"issues": (issue(TWICE),), "held": PASS, "contains": {}}, Act.SKIP, "prove nothing", 1),
    ("the failing commit itself", {"issues": (issue(state(last_sha=NEW)),), "held": PASS}, Act.COMMENT, "flaky", 1),
    ("recorded", {"issues": (issue(state(runs=("9.1",), rows=(row(passes=1),))),), "held": PASS}, Act.SKIP, "recorded", 1),
    ("one of two rows", {"issues": (issue(state(rows=(row(passes=5), row(cell=GPU)))),), "held": PASS}, Act.UPDATE, "not all", 0),
    ("another model's row", {"issues": (issue(state(rows=(row(model="org/x"),))),), "held": PASS}, Act.SKIP, "none of its", 0),
    ("rows were dropped", {"issues": (issue(dataclasses.replace(TWICE, dropped=1)),), "held": PASS}, Act.UPDATE, "held 2", 2),
    ("a person reopened it", {"issues": (issue(state(closed_sha=OLD, rows=(row(passes=2),))),), "held": PASS}, Act.UPDATE, "held 1", 1),
    ("locked", {"issues": (issue(TWICE, locked=True),), "held": PASS}, Act.SKIP, "locked or quiet", 1),
    ("another toolchain", {"issues": (issue(dataclasses.replace(TWICE, toolchain="x")),), "held": PASS}, Act.SKIP, "", -1),
]  # fmt: skip


@pytest.mark.parametrize(("case", "act", "reason", "passes"), [row[1:] for row in HOLDS], ids=[row[0] for row in HOLDS])
def test_what_becomes_of_an_open_issue_whose_cause_was_not_seen(
    case: dict[str, Any], act: Act, reason: str, passes: int
) -> None:
    made = plan(findings=(), **case)
    if passes < 0:
        assert not made.steps
        return
    step = only(made)
    assert (step.act, reason in step.reason) == (act, True), step.reason
    after = marker.read_state(step.region or "") if step.region else case["issues"][0].state
    assert after and min(item.passes for item in after.rows) == passes
    if act is Act.CLOSE:
        assert (step.open, step.state_reason) == (False, "completed") and "/actions/runs/9" in (step.comment or "")
        assert after.closed_sha == NEW
    if "flaky" in reason:
        assert step.labels == (FLAKY,) and after.flaky


def test_a_closed_issue_is_left_alone_by_a_run_that_passes() -> None:
    assert not plan((closed(),), (), PASS).steps


def test_twins_are_closed_as_duplicates_of_the_lowest_which_inherits_their_rows() -> None:
    twin = issue(state(rows=(row(cell=GPU), row(passes=1))), number=8)
    made = plan((twin, issue(state(rows=(row(passes=3),)))), (seen(),))
    close, inherit, update = made.steps
    assert (close.act, close.number, close.state_reason) == (Act.CLOSE, 8, "duplicate") and "#5" in (
        close.comment or ""
    )
    after = marker.read_state(inherit.region or "")
    assert after and {item.cell: item.passes for item in after.rows} == {CELL: 1, GPU: 0}
    assert update.number == 5


def test_a_run_that_refutes_a_claim_corrects_the_issue_and_strikes_the_old_one() -> None:
    found = seen(key="k2", cause="ROPE-001", refuted=frozenset({"LAYOUT-002"}))
    step = only(plan((issue(),), (found,)))
    assert (step.act, step.number) == (Act.COMMENT, 5)
    assert "**CORRECTION.**" in (step.comment or "") and "`LAYOUT-002`" in (step.comment or "")
    after = marker.read_state(step.region or "")
    assert after and (after.key, after.cause, after.corrected) == ("k2", "ROPE-001", ("LAYOUT-002",))
    assert "~~`LAYOUT-002`~~" in (step.region or "")
    again = plan((issue(after, body=marker.merge("", step.region or "")),), (found,), at=run(id=10))
    assert only(again).act is Act.UPDATE and (only(again).region or "").count("CORRECTION") == 1


@pytest.mark.parametrize("other", [{"toolchain": "x"}, {"cells": {GPU: "d1"}}, {"refuted": frozenset()}])
def test_what_refutes_nothing_here_corrects_nothing(other: dict[str, Any]) -> None:
    found = seen(**{"key": "k2", "cause": "ROPE-001", "refuted": frozenset({"LAYOUT-002"})} | other)
    assert plan((issue(),), (found,)).steps[0].act is Act.CREATE


def test_a_claim_that_still_stands_beside_its_refuter_is_not_corrected() -> None:
    found = seen(key="k2", cause="ROPE-001", refuted=frozenset({"LAYOUT-002"}))
    assert {step.act for step in plan((issue(),), (found, seen())).steps} == {Act.CREATE, Act.UPDATE}


def many(count: int, **more: Any) -> tuple[Seen, ...]:
    return tuple(seen(key=f"k{n}", cause=f"C-{n}", cells={f"F-CONV-{n}/a-b/cpu": "d"}, outcomes={f"F-CONV-{n}/a-b/cpu": Outcome.FALSIFIED}, **more) for n in range(count))  # fmt: skip


def test_a_storm_of_new_causes_makes_one_umbrella_and_a_shower_does_not() -> None:
    assert [step.act for step in plan((), many(5)).steps] == [Act.CREATE] * 5
    step = only(plan((), many(6)))
    after = marker.read_state(step.region or "")
    assert step.act is Act.CREATE and after and len(after.members) == len(after.rows) == 6
    held = issue(after, number=7)
    assert only(plan((held,), many(6), at=run(id=10))).reason == "still fails, nothing new"
    assert {(s.act, s.number) for s in plan((held,), many(1), at=run(id=10)).steps} == {(Act.UPDATE, 7)}


def test_quotas_leave_the_rest_undone_and_say_so() -> None:
    fresh = tuple(issue(state(key=f"o{n}"), number=n + 1, created=NOW - timedelta(hours=1)) for n in range(9))
    made = plan(tuple(dataclasses.replace(i, state=None) for i in fresh), many(3))
    assert [step.act for step in made.steps] == [Act.CREATE, Act.SKIP, Act.SKIP]
    assert "10 new issues a day" in made.steps[1].reason
    busy = History(writes=((NOW - timedelta(minutes=5)).isoformat(),) * 29)
    assert [step.act for step in plan((), many(3), history=busy).steps] == [Act.CREATE, Act.SKIP, Act.SKIP]
    calm = History(writes=((NOW - timedelta(minutes=65)).isoformat(),) * 29)
    assert [step.act for step in plan((), many(3), history=calm).steps] == [Act.CREATE] * 3


def test_the_listing_names_every_step_with_its_reason() -> None:
    text = listing(plan((issue(),), (seen(), *many(1, severe=False))))
    assert "update   #5" in text and "observed once" in text and len(text.splitlines()) == 2
    assert listing(Plan(())) == "nothing to do: no finding, and no open issue was touched\n"


def test_acting_twice_on_one_plan_writes_once() -> None:
    from board import Board

    board = Board()
    made = plan((), (seen(),))
    assert carry_out(made, board, "9.1") == (1,)
    step = only(plan(board.listed(), (seen(cells={CELL: "d1", GPU: "d1"}),), at=run(id=10)))
    for _ in range(2):
        carry_out(Plan((step,)), board, "10.1")
    assert board.writes == 3 and len(board.said[1]) == 1
