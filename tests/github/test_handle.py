# ruff: noqa: E501
"""A command against the fake: who may, for which commit, how often, and what is answered when."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_github import BOT, MAINTAINER, STRANGER, Fault, Hub

from bot.gates import ALL
from bot.github import answers, policy
from bot.github.client import Client, TalkError
from bot.github.event import Comment
from bot.github.handle import Handler
from bot.github.marker import merge, region
from bot.github.model import Row, State

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = Row(model="org/m", cell="F-CONV-G-A/gguf-apr/cpu", definition="d", first="2026-02-01", last="2026-02-01")
STATE = State(
    key="k", cause="C", toolchain="apr", first_sha="1" * 40, last_sha="2" * 40, runs=("1.1",),
    rows=(ROW, dataclasses.replace(ROW, cell="F-FORGED/x/cpu")),
)  # fmt: skip


def ours(hub: Hub) -> int:
    return hub.write_issue(BOT, "LAYOUT-002", merge("", region("report", STATE)), ("requalify",))


def said(hub: Hub, number: int, body: str, login: str = MAINTAINER, **changes: Any) -> Comment:
    """Somebody writes a comment; returns it as its event tells it."""
    identity = hub.write_comment(login, number, body)
    issue = hub.issues.get(number)
    values: dict[str, Any] = {
        "id": identity, "body": body, "action": "created", "user_id": hub.users[login], "login": login, "user_type": "User",
        "repository": "o/r", "default_branch": "main", "issue": number, "issue_author": issue["user"]["login"] if issue else login,
        "issue_body": issue["body"] if issue else "", "labels": frozenset({"requalify"}), "is_pull": issue is None,
        "open": True, "locked": False, "url": f"https://github.com/o/r/issues/{number}#issuecomment-{identity}",
    }  # fmt: skip
    return Comment(**values | changes)


def obey(client: Client, comment: Comment, now: datetime = NOW) -> str:
    return Handler(client, comment, ALL, {"org/m", "org/x"}, now).handle()


def reactions(hub: Hub, comment: Comment) -> list[str]:
    return [reaction["content"] for reaction in hub.reactions.get(comment.id, [])]


def reply(hub: Hub, number: int) -> str:
    (text,) = [c["body"] for c in hub.comments_on(number) if c["user"]["login"] == BOT]
    return str(text)


# -- started -------------------------------------------------------------------------


def test_a_bare_command_on_an_issue_runs_its_gates_on_the_default_branch(hub: Hub, client: Client) -> None:
    head = hub.commit()
    comment = said(hub, ours(hub), "/requalify")
    assert obey(client, comment) == "started: default"
    assert hub.dispatched == [
        {
            "workflow": "qualify.yml",
            "ref": "main",
            "inputs": {
                "gates": "F-CONV-G-A",
                "models": "",
                "backend": "all",
                "sha": "",
                "request": str(comment.id),
                "target": "default",
            },
        }
    ]
    assert reactions(hub, comment) == ["eyes", "rocket"]
    text = reply(hub, 1)
    assert head in text and "`F-CONV-G-A`" in text and "F-FORGED" not in text
    assert len(hub.log) <= 10, hub.log


def test_the_same_event_again_starts_nothing(hub: Hub, client: Client) -> None:
    hub.commit()
    comment = said(hub, ours(hub), "/requalify")
    obey(client, comment)
    assert obey(client, comment) == "ignored: answered already"
    assert len(hub.dispatched) == 1 and len(hub.comments_on(1)) == 2


def test_a_pull_request_is_tested_at_the_commit_that_was_looked_at(hub: Hub, client: Client) -> None:
    hub.commit()
    sha = hub.commit("a")
    number = hub.pull(sha, "forker")
    comment = said(hub, number, f"/requalify --pr {number}@{sha} --backend cpu --model org/x")
    assert obey(client, comment).startswith("started: pr:")
    inputs = hub.dispatched[0]["inputs"]
    assert (inputs["target"], inputs["sha"], inputs["models"]) == (f"pr:{number}:{sha}", sha, "org/x")


def test_a_bare_command_on_a_pull_request_is_told_how_to_name_the_commit(hub: Hub, client: Client) -> None:
    sha = hub.commit()
    number = hub.pull(sha)
    comment = said(hub, number, "/requalify")
    assert obey(client, comment).startswith("refused")
    assert f"`/requalify --pr {number}@{sha}`" in reply(hub, number) and not hub.dispatched


def test_a_commit_on_a_branch_is_tested_and_one_of_a_fork_is_not(hub: Hub, client: Client) -> None:
    old, _ = hub.commit(), hub.commit()
    number = ours(hub)
    assert obey(client, said(hub, number, f"/requalify --sha {old}")) == f"started: sha:{old}"
    hub.commits["f" * 40] = -1  # known to the network, on no branch
    text = obey(client, said(hub, number, f"/requalify --sha {'f' * 40}"), NOW + timedelta(hours=7))
    assert "on no branch" in text and len(hub.dispatched) == 1


# -- answered ------------------------------------------------------------------------


def test_a_plan_says_what_would_run_and_runs_nothing(hub: Hub, client: Client) -> None:
    hub.commit()
    comment = said(hub, ours(hub), "/requalify --plan")
    assert obey(client, comment) == "answered: plan"
    assert "Nothing was started" in reply(hub, 1) and not hub.dispatched and reactions(hub, comment)[-1] == "rocket"


def test_help_is_given(hub: Hub, client: Client) -> None:
    assert obey(client, said(hub, ours(hub), "/requalify help")) == "answered: help"
    assert "--gate ID" in reply(hub, 1)


def test_a_mistake_is_answered_with_the_nearest_and_a_thumb_down(hub: Hub, client: Client) -> None:
    comment = said(hub, ours(hub), "/requalify --gate F-CONV-G-B`@all")
    assert obey(client, comment).startswith("refused")
    assert "Did you mean `F-CONV-G-" in reply(hub, 1) and "``F-CONV-G-B`@all``" in reply(hub, 1)
    assert reactions(hub, comment) == ["eyes", "-1"] and not hub.dispatched


def test_an_issue_of_somebody_else_needs_gates(hub: Hub, client: Client) -> None:
    hub.commit()
    forged = hub.write_issue(STRANGER, "forged", merge("", region("report", STATE)), ("requalify",))
    assert "say which gates" in obey(client, said(hub, forged, "/requalify"))
    assert obey(client, said(hub, forged, "/requalify --gate F-CONV-G-A")) == "started: default"


# -- denied ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["read", "triage", "none", "custom-writer"])
def test_who_may_not_write_gets_a_reaction_and_no_word(hub: Hub, client: Client, role: str) -> None:
    hub.roles[STRANGER] = (200, role)
    comment = said(hub, ours(hub), "/requalify help", STRANGER)
    assert obey(client, comment).startswith("denied")
    assert reactions(hub, comment) == ["-1"] and len(hub.comments_on(1)) == 1


@pytest.mark.parametrize("role", ["write", "maintain", "admin"])
def test_who_may_write_may_ask(hub: Hub, client: Client, role: str) -> None:
    hub.commit()
    hub.roles[STRANGER] = (200, role)
    assert obey(client, said(hub, ours(hub), "/requalify", STRANGER)).startswith("started")


def test_a_login_that_changed_hands_is_denied(hub: Hub, client: Client) -> None:
    hub.roles[MAINTAINER] = (999, "admin")
    assert "another account" in obey(client, said(hub, ours(hub), "/requalify"))
    assert not hub.dispatched


@pytest.mark.parametrize("fault", ["404", "502-before"])
def test_rights_that_can_not_be_told_are_denied_for_now(hub: Hub, client: Client, fault: str) -> None:
    hub.commit()
    hub.faults = [Fault(fault, "GET", "/collaborators/", times=9)]
    assert obey(client, said(hub, ours(hub), "/requalify")).startswith("refused: GitHub could not say")
    assert "temporary" in reply(hub, 1) and not hub.dispatched


IGNORED = [
    {"action": "edited"}, {"action": "deleted"}, {"user_type": "Bot"}, {"login": BOT}, {"login": "x[bot]"}, {"open": False}, {"locked": True},
    {"body": "see /requalify"},
]  # fmt: skip


@pytest.mark.parametrize("changes", IGNORED, ids=str)
def test_what_is_none_of_our_business_costs_no_call(hub: Hub, client: Client, changes: dict[str, Any]) -> None:
    comment = dataclasses.replace(said(hub, ours(hub), "/requalify"), **changes)
    assert obey(client, comment).startswith("ignored")
    assert not hub.log


# -- in time --------------------------------------------------------------------------


def test_while_one_is_under_way_and_shortly_after_the_next_must_wait(hub: Hub, client: Client) -> None:
    hub.commit()
    number = ours(hub)
    obey(client, said(hub, number, "/requalify"))
    assert "under way" in obey(client, said(hub, number, "/requalify"), NOW + timedelta(hours=1))
    started = next(c for c in hub.comments.values() if answers.read(c))
    answer = answers.read(started)
    assert answer
    done = dataclasses.replace(answer, state=answers.DONE)
    started["body"] = f"{answers.written('done', done)}\n\n{answers.marker(answer.request)}"
    assert "after 12:10 UTC" in obey(client, said(hub, number, "/requalify"), NOW + timedelta(minutes=9))
    assert obey(client, said(hub, number, "/requalify"), NOW + timedelta(minutes=11)).startswith("started")


def test_a_request_that_never_came_back_is_given_up(hub: Hub, client: Client) -> None:
    hub.commit()
    number = ours(hub)
    obey(client, said(hub, number, "/requalify"))
    assert obey(client, said(hub, number, "/requalify"), NOW + timedelta(hours=7)).startswith("started")


def test_a_person_has_so_many_requests_a_day() -> None:
    past = [
        answers.Answer(request=n, user=1, at=(NOW - timedelta(minutes=30 * n)).isoformat(), state=answers.DONE)
        for n in range(1, 21)
    ]
    limits = policy.Limits()
    refused = policy.too_often(past, 1, NOW, limits)
    assert refused and refused.kind == "daily"
    assert policy.too_often(past, 2, NOW, limits) is None
    assert policy.too_often(past, 1, NOW + timedelta(hours=20), limits) is None


# -- between looking and doing ---------------------------------------------------------


def test_a_comment_that_was_changed_meanwhile_starts_nothing(hub: Hub, client: Client) -> None:
    hub.commit()
    comment = said(hub, ours(hub), "/requalify")
    hub.comments[comment.id]["body"] = "/requalify --backend gpu"
    assert "was changed" in obey(client, comment)
    assert not hub.dispatched


def test_a_head_that_moves_between_acknowledgement_and_dispatch_starts_nothing(hub: Hub, client: Client) -> None:
    sha = hub.commit()
    number = hub.pull(sha)
    comment = said(hub, number, f"/requalify --pr {number}@{sha}")

    def push(verb: str, path: str) -> None:
        if verb == "POST" and path.endswith("/comments"):
            hub.pulls[number]["sha"] = "e" * 40

    hub.on_request = push
    assert "not that commit any more" in obey(client, comment)
    assert not hub.dispatched and "e" * 40 in reply(hub, number) and reactions(hub, comment)[-1] == "-1"


def test_a_dispatch_that_is_refused_is_said(hub: Hub, client: Client) -> None:
    hub.commit()
    hub.faults = [Fault("404", "POST", "/dispatches")]
    assert "could not be started" in obey(client, said(hub, ours(hub), "/requalify"))
    assert "could not be started" in reply(hub, 1)


@pytest.mark.parametrize("fault", ["502-after", "drop-after"])
def test_a_dispatch_of_which_nobody_knows_is_not_sent_again(hub: Hub, client: Client, fault: str) -> None:
    hub.commit()
    comment = said(hub, ours(hub), "/requalify")
    hub.faults = [Fault(fault, "POST", "/dispatches")]
    assert "did not say whether" in obey(client, comment)
    obey(client, comment)
    assert len(hub.dispatched) == 1


def test_a_lost_answer_to_the_acknowledgement_gives_one_reply_and_one_run(hub: Hub, client: Client) -> None:
    hub.commit()
    hub.faults = [Fault("502-after", "POST", "/issues/1/comments")]
    assert obey(client, said(hub, ours(hub), "/requalify")).startswith("started")
    assert len(hub.comments_on(1)) == 2 and len(hub.dispatched) == 1


def test_without_the_acknowledgement_nothing_is_started(hub: Hub, client: Client) -> None:
    hub.commit()
    hub.faults = [Fault("404", "POST", "/issues/1/comments")]
    with pytest.raises(TalkError):
        obey(client, said(hub, ours(hub), "/requalify"))
    assert not hub.dispatched
