"""The workflow files at work: a pull request, two nights, and comments, from the event to what GitHub shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from act import Repository
from fake_github import BOT, MAINTAINER, STRANGER, Hub, serve

PAYLOADS = Path(__file__).parents[1] / "github" / "payloads"
pytestmark = pytest.mark.actions


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    assert made.violations == []


@pytest.fixture
def repository(hub: Hub, tmp_path: Path) -> Iterator[Repository]:
    with serve(hub) as url:
        yield Repository(tmp_path, hub, url)


def payload(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    told["repository"] |= {"full_name": "o/r", "default_branch": "main", "html_url": "https://github.com/o/r"}
    return told


def finished(
    event: str, sha: str, run: int, *, owner: str = "o", branch: str = "main", own: bool = True
) -> dict[str, Any]:
    told = payload("workflow_run.completed")
    identity = told["repository"]["id"] if own else 1
    told["workflow_run"] |= {
        "id": run, "event": event, "head_sha": sha, "head_branch": branch, "path": ".github/workflows/qualify.yml",
        "head_repository": {"id": identity, "owner": {"login": owner}}, "display_title": "qualify",
    }  # fmt: skip
    return told


def pull_request(sha: str, number: int, owner: str = "o") -> dict[str, Any]:
    told = payload("pull_request")
    told["number"] = told["pull_request"]["number"] = number
    told["pull_request"]["head"] |= {"sha": sha, "ref": "topic"}
    return told


def qualified(repository: Repository, event: str, told: dict[str, Any], run: int, **where: Any) -> list[str]:
    done = repository.act("qualify", event, told)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return repository.kept(run, **where)


def published(repository: Repository, told: dict[str, Any], run: int) -> str:
    done = repository.act("publish", "workflow_run", told)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    repository.kept(run)
    return done.stdout


def test_only_keys_that_act_does_not_know_were_left_out(repository: Repository) -> None:
    assert repository.changed == 2 + 5  # `queue` of publish and requalify, `cache-mode` of all five


def test_a_pull_request_from_a_fork_is_qualified_and_told_and_moves_nothing(repository: Repository, hub: Hub) -> None:
    sha = repository.broken()
    number = hub.pull(sha, owner="fork")
    names = qualified(repository, "pull_request", pull_request(sha, number), 11, branch="topic", fork=True)
    assert names == [f"requalify-evidence-{job}" for job in range(len(names))]
    assert len(names) > 2
    published(repository, finished("pull_request", sha, 11, owner="fork", branch="topic", own=False), 12)
    (check,) = hub.checks.values()
    assert (check["conclusion"], check["head_sha"]) == ("failure", sha)
    (comment,) = hub.comments_on(number)
    assert comment["user"]["login"] == BOT
    assert "F-CONV-G-A" in comment["body"] and "LAYOUT-002" in comment["body"]
    assert not hub.issues
    # the same again: the one comment is edited, nothing is added
    published(repository, finished("pull_request", sha, 11, owner="fork", branch="topic", own=False), 13)
    assert len(hub.comments_on(number)) == 1


def test_a_runner_without_the_gpu_it_promises_is_sick_and_the_product_is_not_blamed(hub: Hub, tmp_path: Path) -> None:
    with serve(hub) as url:
        repository = Repository(tmp_path, hub, url, gpu=True)
        sha = repository.broken()
        qualified(repository, "schedule", {"repository": payload("pull_request")["repository"]}, 41)
        published(repository, finished("schedule", sha, 41), 42)
    (check,) = hub.checks.values()
    assert check["conclusion"] == "neutral"
    assert not hub.issues


def test_a_night_that_fails_files_one_issue_and_a_better_night_is_remembered(repository: Repository, hub: Hub) -> None:
    sha = repository.broken()
    schedule = {"schedule": "17 3 * * *", "repository": payload("pull_request")["repository"]}
    qualified(repository, "schedule", schedule, 21)
    published(repository, finished("schedule", sha, 21), 22)
    (issue,) = hub.issues.values()
    assert issue["title"].startswith("LAYOUT-002: ")
    assert "requalify-state" in {item["name"] for item in hub.artifacts.values()}
    hub.tick(days=1)
    qualified(repository, "schedule", schedule, 23)
    published(repository, finished("schedule", sha, 23), 24)
    assert len(hub.issues) == 1
    for run in (25, 27):
        hub.tick(days=1)
        sha = repository.playbook("reference")
        qualified(repository, "schedule", schedule, run)
        published(repository, finished("schedule", sha, run), run + 1)
    (issue,) = hub.issues.values()
    assert issue["state"] == "open"  # another toolchain passed, which proves nothing about this one


def test_a_playbook_with_mistakes_asks_for_action(repository: Repository, hub: Hub) -> None:
    sha = repository.playbook("reference", "budgetz: {}\n")
    number = hub.pull(sha)
    assert repository.act("qualify", "pull_request", pull_request(sha, number)).returncode != 0
    assert repository.kept(31, branch="topic") == ["requalify-evidence-0"]
    published(repository, finished("pull_request", sha, 31, branch="topic"), 32)
    (check,) = hub.checks.values()
    assert check["conclusion"] == "action_required"
    places = [(note["path"], note["start_line"]) for note in check["annotations"]]
    assert places == [("playbooks/tiny.playbook.yaml", 12)]


def commented(hub: Hub, body: str, login: str = MAINTAINER, *, kind: str = "User", **issue: Any) -> dict[str, Any]:
    number = next(iter(hub.issues), None) or hub.write_issue(BOT, "LAYOUT-002", "", ("requalify",))
    identity = hub.write_comment(login, number, body)
    told = payload("issue_comment.created")
    told["comment"] |= {"id": identity, "body": body, "user": {**hub.user(login), "type": kind}}
    told["issue"] |= {
        "number": number, "labels": [{"name": "requalify"}], "user": hub.user(BOT), "state": "open",
        "locked": False, **issue,
    }  # fmt: skip
    told["issue"].pop("pull_request", None)
    return told


def handled(repository: Repository, told: dict[str, Any]) -> str:
    done = repository.act("requalify", "issue_comment", told)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_a_maintainer_is_obeyed_once(repository: Repository, hub: Hub) -> None:
    told = commented(hub, "/requalify --gate F-CONV-G-A")
    handled(repository, told)
    handled(repository, told)
    (dispatched,) = hub.dispatched
    assert dispatched["workflow"] == "qualify.yml"
    assert dispatched["inputs"]["gates"] == "F-CONV-G-A"
    assert [item["content"] for item in hub.reactions[told["comment"]["id"]]] == ["eyes", "rocket"]


@pytest.mark.parametrize(
    ("body", "login", "kind", "said"),
    [
        pytest.param("/requalify", STRANGER, "User", 0, id="a stranger"),
        pytest.param("/requalify", MAINTAINER, "Bot", 0, id="a bot"),
        pytest.param("```\n/requalify\n```", MAINTAINER, "User", 0, id="in a code fence"),
        pytest.param("> /requalify", MAINTAINER, "User", 0, id="a quote"),
        pytest.param(f"/requalify --sha {'ab' * 20}", MAINTAINER, "User", 1, id="a commit that is not here"),
    ],
)
def test_nobody_else_and_nothing_else_is_obeyed(
    repository: Repository, hub: Hub, body: str, login: str, kind: str, said: int
) -> None:
    told = commented(hub, body, login, kind=kind)
    handled(repository, told)
    assert hub.dispatched == []
    mine = [c for c in hub.comments.values() if c["user"]["login"] == BOT]
    assert len(mine) == said


def test_an_edited_comment_is_not_obeyed(repository: Repository, hub: Hub) -> None:
    told = commented(hub, "/requalify")
    handled(repository, {**told, "action": "edited"})
    assert hub.dispatched == []
    hub.comments[told["comment"]["id"]]["body"] = "/requalify --backend gpu"  # edited after the event
    handled(repository, told)
    assert hub.dispatched == []
