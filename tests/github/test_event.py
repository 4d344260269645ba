"""What is believed of an event, with GitHub's own example payloads bent in one place each."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import UserError
from bot.github import event

PAYLOADS = Path(__file__).parent / "payloads"
SHA, OTHER = "a" * 40, "b" * 40


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


def finished(**changes: Any) -> dict[str, Any]:
    """A qualification that finished on the default branch, changed here and there."""
    told = payload("workflow_run.completed")
    run = told["workflow_run"]
    run |= {
        "event": "push",
        "path": event.WORKFLOW,
        "head_branch": told["repository"]["default_branch"],
        "head_sha": SHA,
        "display_title": "a title",
    }
    run["head_repository"] = {**run["head_repository"], "id": told["repository"]["id"]}
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = run
        for parent in parents:
            place = place[parent]
        place[last] = value
    return told


def test_a_push_to_the_default_branch_is_trusted() -> None:
    run = event.run(finished(), {})
    assert (run.trusted, run.sha, run.request, run.pull, run.partial) == (True, SHA, None, None, False)
    assert run.url.startswith("https://github.com/")


UNTRUSTED: list[tuple[dict[str, Any], str]] = [
    ({"head_repository__id": 1}, "fork"),
    ({"head_repository": None}, "fork"),
    ({"path": ".github/workflows/other.yml"}, "another workflow"),
    ({"path": ".github/workflows/qualify.yml.evil.yml@main"}, "another workflow"),
    ({"event": "pull_request"}, "pull_request"),
    ({"event": "pull_request_target"}, "pull_request_target"),
    ({"head_branch": "topic"}, "another branch"),
    ({"event": "workflow_dispatch", "display_title": f"requalify request=5 target=sha:{OTHER}"}, "another commit"),
]


@pytest.mark.parametrize(("changes", "why"), UNTRUSTED, ids=[why for _, why in UNTRUSTED])
def test_every_other_run_moves_no_issues_and_says_why(changes: dict[str, Any], why: str) -> None:
    run = event.run(finished(**changes), {})
    assert not run.trusted and why in run.why_untrusted


def test_a_path_with_its_ref_is_still_our_workflow() -> None:
    assert event.run(finished(path=f"{event.WORKFLOW}@refs/heads/main"), {}).trusted


@pytest.mark.parametrize(
    ("target", "expected"),
    [("default", (SHA, None, True)), (f"sha:{OTHER}", (OTHER, None, False)), (f"pr:12:{OTHER}", (OTHER, 12, False))],
)
def test_a_requested_run_is_of_the_commit_that_was_asked_for(target: str, expected: tuple[Any, ...]) -> None:
    title = event.run_name(77, target)
    run = event.run(finished(event="workflow_dispatch", display_title=title), {})
    assert (run.sha, run.pull, run.trusted) == expected and run.request == 77 and run.partial


@pytest.mark.parametrize("kind", ["push", "pull_request", "schedule"])
def test_a_title_that_a_stranger_wrote_is_no_request(kind: str) -> None:
    run = event.run(finished(event=kind, display_title=event.run_name(77, f"pr:12:{OTHER}")), {})
    assert (run.request, run.pull, run.sha) == (None, None, SHA)


def test_a_title_of_another_branch_is_no_request() -> None:
    title = event.run_name(77, f"pr:12:{OTHER}")
    run = event.run(finished(event="workflow_dispatch", display_title=title, head_branch="topic"), {})
    assert (run.request, run.pull, run.trusted) == (None, None, False)


@pytest.mark.parametrize("target", ["elsewhere", "sha:123", f"pr:0x:{OTHER}", f"pr:1:{OTHER}1"])
def test_a_request_for_nonsense_is_refused(target: str) -> None:
    with pytest.raises(UserError, match="speaks of no run"):
        event.run(finished(event="workflow_dispatch", display_title=event.run_name(1, target)), {})


def own(event_name: str, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
    told = {"repository": payload("workflow_run.completed")["repository"], **changes}
    environment = {
        "GITHUB_EVENT_NAME": event_name, "GITHUB_REF": f"refs/heads/{told['repository']['default_branch']}",
        "GITHUB_SHA": SHA, "GITHUB_RUN_ID": "9", "GITHUB_RUN_ATTEMPT": "2",
    }  # fmt: skip
    return told, environment


def test_the_runs_own_job_reads_the_same_from_its_own_event() -> None:
    run = event.run(*own("schedule"))
    assert (run.trusted, run.sha, run.mark) == (True, SHA, "9.2")
    told, environment = own("push", after=OTHER)
    assert event.run(told, environment).sha == OTHER
    assert not event.run(told, environment | {"GITHUB_REF": "refs/heads/topic"}).trusted
    assert not event.run(told, environment | {"GITHUB_EVENT_NAME": "issue_comment"}).trusted


def test_the_runs_own_dispatch_reads_its_inputs() -> None:
    run = event.run(*own("workflow_dispatch", inputs={"request": "77", "target": f"pr:12:{OTHER}"}))
    assert (run.request, run.pull, run.sha, run.trusted) == (77, 12, OTHER, False)
    by_hand = event.run(*own("workflow_dispatch", inputs={"sha": OTHER}))
    assert (by_hand.sha, by_hand.trusted) == (OTHER, False)
    assert event.run(*own("workflow_dispatch", inputs=None)).trusted


def test_a_pull_request_is_of_its_head_and_never_trusted() -> None:
    told = payload("pull_request")
    environment = own("pull_request")[1]
    run = event.run(told, environment)
    head = told["pull_request"]["head"]
    assert (run.sha, run.head, run.trusted) == (head["sha"], f"{head['repo']['owner']['login']}:{head['ref']}", False)
    told["pull_request"]["head"]["repo"] = None  # the fork was deleted
    assert event.run(told, environment).head is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"workflow_run": {}}', "{}", '{"repository": 3}'])
def test_an_event_that_is_none_is_one_clear_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text)
    with pytest.raises(UserError):
        event.run(event.load(path), {})
    with pytest.raises(UserError, match="GITHUB_EVENT_PATH names it"):
        event.load(tmp_path / "absent")


def test_a_comment_is_read_with_the_number_of_who_wrote_it() -> None:
    found = event.comment(payload("issue_comment.created"))
    assert (found.action, found.login, found.user_type, found.is_pull) == ("created", "Codertocat", "User", False)
    assert found.user_id == 21031067
    with pytest.raises(UserError, match="not an issue_comment event"):
        event.comment(payload("pull_request"))
