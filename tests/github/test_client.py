"""The client against a GitHub that fails in every way it fails."""

import fake_github
import pytest
from fake_github import BOT, Fault, Hub, connect, serve

from bot.github.client import Client, TalkError
from bot.github.marker import merge, region
from bot.github.model import State

STATE = State(key="k1", cause="LAYOUT-002", toolchain="apr", first_sha="a" * 40, last_sha="a" * 40, runs=("1.1",))


def body(state: State = STATE) -> str:
    return merge("", region("text", state))


@pytest.mark.parametrize("fault", ["502-after", "drop-after"])
def test_a_lost_answer_to_a_creation_gives_one_issue_and_its_number(hub: Hub, client: Client, fault: str) -> None:
    hub.faults = [Fault(fault, "POST", "/issues")]
    assert client.create_issue("t", body(), ("requalify",), "k1") == 1
    assert len(hub.issues) == 1
    assert hub.writes() == [("POST", "/repos/o/r/issues")]


def test_a_server_that_never_answers_gives_one_issue_too(hub: Hub, sleeps: list[float]) -> None:
    hub.faults = [Fault("hang", "POST", "/issues")]
    with serve(hub) as url:
        assert connect(url, sleeps, timeout_s=1).create_issue("t", body(), ("requalify",), "k1") == 1
    assert len(hub.issues) == 1 and hub.writes() == [("POST", "/repos/o/r/issues")]


def test_a_lost_answer_and_a_lagging_list_still_give_one_issue(hub: Hub, client: Client, sleeps: list[float]) -> None:
    hub.faults = [Fault("502-after", "POST", "/issues")]
    hub.lag = 2
    assert client.create_issue("t", body(), ("requalify",), "k1") == 1
    assert len(hub.issues) == 1
    assert sleeps


def test_a_creation_that_did_not_happen_is_sent_again(hub: Hub, client: Client) -> None:
    hub.faults = [Fault("502-before", "POST", "/issues")]
    assert client.create_issue("t", body(), ("requalify",), "k1") == 1
    assert len(hub.issues) == 1


@pytest.mark.parametrize(
    ("fault", "waited"), [("403-secondary", 60.0), ("403-secondary-header", 8.0), ("429", 4.0), ("primary", 31.0)]
)
def test_a_refusal_for_rate_is_waited_out_as_github_says(
    hub: Hub, client: Client, sleeps: list[float], fault: str, waited: float
) -> None:
    hub.faults = [Fault(fault, "POST", "/issues")]
    assert client.create_issue("t", body(), ("requalify",), "k1") == 1
    assert sleeps == [waited]
    assert len(hub.issues) == 1


@pytest.mark.parametrize(
    ("header", "waited"), [("7", 8.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 61.0), ("-5", 61.0), ("", 61.0)]
)
def test_whatever_stands_in_retry_after_the_wait_is_sane(
    hub: Hub, client: Client, sleeps: list[float], monkeypatch: pytest.MonkeyPatch, header: str, waited: float
) -> None:
    monkeypatch.setattr(fake_github, "RETRY_AFTER", header)
    hub.faults = [Fault("403-secondary-header", "GET")]
    client.issues()
    assert sleeps == [waited]


def test_sleeping_has_a_ceiling(hub: Hub) -> None:
    sleeps: list[float] = []
    hub.faults = [Fault("403-secondary", "GET", times=9)]
    with serve(hub) as url, pytest.raises(TalkError, match="403"):
        connect(url, sleeps, ceiling=100).issues()
    assert sleeps == [60.0]


def test_a_primary_limit_far_away_is_not_waited_for(hub: Hub, sleeps: list[float]) -> None:
    hub.faults = [Fault("primary", "GET", times=9)]
    with serve(hub) as url, pytest.raises(TalkError, match="rate limit"):
        connect(url, sleeps, ceiling=20).issues()
    assert sleeps == []


def test_a_write_that_was_refused_for_rate_is_sent_again_and_done_once(hub: Hub, client: Client) -> None:
    number = hub.write_issue(BOT, "t", "b", ("requalify",))
    hub.faults = [Fault("429", "POST", "/comments"), Fault("403-secondary-header", "POST", "/reactions")]
    comment = client.ensure_comment(number, "<!-- requalify:comment x -->", "hello")
    client.react(comment, "eyes")
    assert len(hub.comments_on(number)) == 1 and len(hub.reactions[comment]) == 1


def test_a_refusal_for_good_is_not_repeated(hub: Hub, client: Client, sleeps: list[float]) -> None:
    hub.no_checks = True
    with pytest.raises(TalkError, match="not accessible"):
        client.ensure_check({"name": "n", "head_sha": "a" * 40, "external_id": "x"}, fresh=True)
    assert len(hub.log) == 1 and sleeps == []


def test_labels_that_are_added_keep_those_of_people(hub: Hub, client: Client) -> None:
    number = hub.write_issue(BOT, "t", "b", ("requalify", "theirs"))
    hub.faults = [Fault("502-after", "POST", "/labels")]
    client.label(number, ("flaky",))
    assert [label["name"] for label in hub.issues[number]["labels"]] == ["requalify", "theirs", "flaky"]


def test_reads_and_edits_survive_a_502(hub: Hub, client: Client) -> None:
    number = hub.write_issue(BOT, "t", "old", ("requalify",))
    hub.faults = [Fault("502-before", "GET"), Fault("502-after", "PATCH")]
    assert client.issue(number).title == "t"
    client.edit_issue(number, body="new")
    assert hub.issues[number]["body"] == "new"


def test_dropped_labels_are_an_error_and_not_an_orphan_without_a_word(hub: Hub, client: Client) -> None:
    hub.drop_labels = True
    with pytest.raises(TalkError, match="dropped the labels"):
        client.create_issue("t", body(), ("requalify",), "k1")


def test_issues_switched_off_is_said_at_once(hub: Hub, client: Client, sleeps: list[float]) -> None:
    hub.faults = [Fault("410", "POST")]
    with pytest.raises(TalkError, match="410"):
        client.create_issue("t", body(), ("requalify",), "k1")
    assert sleeps == []


def test_all_pages_and_all_states_of_ours_are_listed_and_nobody_elses(hub: Hub, client: Client) -> None:
    for index in range(230):
        number = hub.write_issue(BOT, f"t{index}", body(), ("requalify",))
        hub.set_open(number, index % 2 == 0)
    hub.write_issue("stranger", "forged", body(), ("requalify",))
    hub.write_issue(BOT, "another bot of this account", "no marker", ())
    found = client.issues()
    assert len(found) == 230
    assert {issue.open for issue in found} == {True, False}
    assert all(issue.state == STATE for issue in found)


def test_a_comment_is_written_once_whatever_happens(hub: Hub, client: Client) -> None:
    number = hub.write_issue(BOT, "t", "b", ("requalify",))
    hub.faults = [Fault("502-after", "POST", "/comments")]
    for _ in range(3):
        client.ensure_comment(number, "<!-- requalify:comment x -->", "hello")
    assert len(hub.comments_on(number)) == 1


def test_the_fake_refuses_what_github_does_not_know() -> None:
    hub = Hub()
    with serve(hub) as url:
        client = connect(url)
        for verb, path, data in [
            ("GET", "/repos/o/r/no-such-thing", None),
            ("PATCH", "/repos/o/r/issues/1", {"made_up": 1}),
            ("POST", "/repos/o/r/check-runs", {"name": "n", "head_sha": "a" * 40, "conclusion": "splendid"}),
            (
                "POST",
                "/repos/o/r/check-runs",
                {"name": "n", "head_sha": "a", "output": {"title": "t", "summary": "x" * 65_536}},
            ),
        ]:
            with pytest.raises(TalkError):
                client._call(verb, path, data=data)
        with pytest.raises(TalkError):
            client._call("GET", "/repos/o/r/issues", params={"made_up": 1})
    assert len({text.split("?")[0] for text in hub.violations}) >= 4
