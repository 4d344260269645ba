"""Reads the event that started a job: the only thing a privileged job believes. Pure but for `load`.

Payloads are GitHub's (docs.github.com, webhook events and payloads). Everything else a run says of itself
comes from an artifact that a pull request could have written.
"""

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.errors import UserError
from bot.github.model import Run
from bot.jsonfile import read_json

WORKFLOW = ".github/workflows/qualify.yml"
_SHA = re.compile(r"[0-9a-f]{40}")
_TITLE = re.compile(r"requalify request=(\d{1,20}) target=(\S{1,80})")
_TARGET = re.compile(r"default|(?:sha|pr:(\d{1,9})):([0-9a-f]{40})")
_SIZE = 4 << 20
_DISPATCHED = frozenset({"workflow_dispatch"})
_OWN_EVENTS = frozenset({"push", "schedule", "workflow_dispatch", "repository_dispatch"})


def load(path: Path) -> dict[str, Any]:
    """Read an event file; UserError when it is not a JSON object of sane size."""
    hint = "GITHUB_EVENT_PATH names it"
    event = read_json(path, what="a readable event", largest=_SIZE, hint=hint)
    if not isinstance(event, dict):
        raise UserError("an event is a JSON object", where=str(path), hint=hint)
    return event


def run_name(request: int, target: str) -> str:
    """Return the run-name our workflow writes for a dispatched request; `run` reads it back."""
    return f"requalify request={request} target={target}"


def run(event: Mapping[str, Any], environment: Mapping[str, str]) -> Run:
    """Return the run an event speaks of: a finished workflow run, or the run this very job belongs to.

    Raises UserError for events that speak of no run.
    """
    try:
        if "workflow_run" in event:
            return _workflow_run(event)
        return _own_run(event, environment)
    except (KeyError, TypeError, ValueError) as error:
        hint = "publish answers workflow_run, push, pull_request, schedule and workflow_dispatch"
        raise UserError(f"the event speaks of no run: {error}", where="GITHUB_EVENT_PATH", hint=hint) from error


def run_id(event: Mapping[str, Any], environment: Mapping[str, str]) -> int:
    """Return the run whose artifacts an event is about: the finished one, or the one this job belongs to."""
    try:
        told = event.get("workflow_run")
        return int(told["id"] if told else environment["GITHUB_RUN_ID"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the event speaks of no run: {error}", where="GITHUB_EVENT_PATH") from None


def default_branch(event: Mapping[str, Any]) -> str:
    """Return the default branch of the repository an event is of."""
    try:
        return str(event["repository"]["default_branch"])
    except (KeyError, TypeError) as error:
        raise UserError(f"the event names no {error}", where="GITHUB_EVENT_PATH") from None


def _sha(text: object) -> str:
    if not isinstance(text, str) or not _SHA.fullmatch(text):
        raise ValueError("no 40-hex commit")
    return text


def _when(text: object) -> datetime:
    at = datetime.fromisoformat(str(text))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _workflow_run(event: Mapping[str, Any]) -> Run:
    told = event["workflow_run"]
    repository = event["repository"]
    why = _distrust(told, repository)
    # only our own workflow on the default branch writes a title that can be believed
    title = _TITLE.fullmatch(str(told.get("display_title") or "")) if told["event"] in _DISPATCHED and not why else None
    head = told.get("head_repository") or {}
    owner = str((head.get("owner") or {}).get("login") or "")
    pull = told["event"] == "pull_request"
    made = Run(
        id=int(told["id"]),
        attempt=int(told.get("run_attempt") or 1),
        sha=_sha(told["head_sha"]),
        repository=str(repository["full_name"]),
        url=str(told["html_url"]),
        at=_when((told.get("head_commit") or {}).get("timestamp") or told["created_at"]),
        trusted=why is None,
        why_untrusted=why or "",
        head=f"{owner}:{told['head_branch']}" if pull and owner else None,
        partial=told["event"] in _DISPATCHED,
    )
    return _requested(made, title[1], title[2]) if title else made


def _requested(run: Run, request: str, target: str) -> Run:
    """Return the run as the comment that asked for it meant it: of another commit it moves no issues."""
    found = _TARGET.fullmatch(target)
    if found is None:
        raise ValueError(f"a request for {target[:80]!r}")
    run = dataclasses.replace(run, request=int(request))
    if not found[2]:
        return run
    pull = int(found[1]) if found[1] else None
    why = "a request for another commit"
    return dataclasses.replace(run, sha=found[2], pull=pull, trusted=False, why_untrusted=why)


def _distrust(told: Mapping[str, Any], repository: Mapping[str, Any]) -> str | None:
    """Return why a run may not move issues, or None."""
    if (told.get("head_repository") or {}).get("id") != repository["id"]:
        return "a run of a fork"
    if str(told.get("path", "")).split("@")[0] != WORKFLOW:
        return "another workflow"  # a pull request may add one of the same name
    if told["event"] not in _OWN_EVENTS:
        return f"a run of {str(told['event'])[:40]}"
    if told["head_branch"] != repository["default_branch"]:
        return "a run of another branch"
    return None


def _own_run(event: Mapping[str, Any], environment: Mapping[str, str]) -> Run:
    repository, pull = event["repository"], event.get("pull_request")
    head = pull["head"] if pull else None
    branch = environment.get("GITHUB_REF", event.get("ref", ""))
    name = environment.get("GITHUB_EVENT_NAME", "")
    own = name in _OWN_EVENTS and branch == f"refs/heads/{repository['default_branch']}" and not pull
    number = int(environment["GITHUB_RUN_ID"])
    at = (event.get("head_commit") or {}).get("timestamp")
    made = Run(
        id=number,
        attempt=int(environment.get("GITHUB_RUN_ATTEMPT", "1")),
        sha=_sha(head["sha"] if head else event.get("after") or environment["GITHUB_SHA"]),
        repository=str(repository["full_name"]),
        url=f"{repository['html_url']}/actions/runs/{number}",
        at=_when(at) if at else datetime.now(UTC),
        trusted=own,
        why_untrusted="" if own else "a run of a pull request or another branch",
        head=f"{head['repo']['owner']['login']}:{head['ref']}" if head and head["repo"] else None,
        partial=name in _DISPATCHED,
    )
    inputs = event.get("inputs") or {}
    if name in _DISPATCHED and own and inputs.get("request"):
        return _requested(made, inputs["request"], inputs.get("target") or "default")
    sha = inputs.get("sha")
    if sha and sha != made.sha:  # dispatched by hand for another commit
        return dataclasses.replace(made, sha=_sha(sha), trusted=False, why_untrusted="a run of another commit")
    return made


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment somebody wrote on an issue or pull request."""

    id: int
    body: str
    action: str
    user_id: int
    login: str
    user_type: str
    repository: str
    default_branch: str
    issue: int
    issue_author: str
    issue_body: str
    labels: frozenset[str]
    is_pull: bool
    open: bool
    locked: bool
    url: str


def comment(event: Mapping[str, Any]) -> Comment:
    """Return the comment of an issue_comment event; UserError for any other event."""
    try:
        issue, told, repository = event["issue"], event["comment"], event["repository"]
        return Comment(
            id=int(told["id"]),
            body=str(told["body"] or ""),
            action=str(event["action"]),
            user_id=int(told["user"]["id"]),
            login=str(told["user"]["login"]),
            user_type=str(told["user"]["type"]),
            repository=str(repository["full_name"]),
            default_branch=str(repository["default_branch"]),
            issue=int(issue["number"]),
            issue_author=str(issue["user"]["login"]),
            issue_body=str(issue["body"] or ""),
            labels=frozenset(str(label["name"]) for label in issue["labels"]),
            is_pull="pull_request" in issue,
            open=issue["state"] == "open",
            locked=bool(issue.get("locked")),
            url=str(told["html_url"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"not an issue_comment event: {error}", where="EVENT_JSON") from error


def may_hold_command(comment: Comment) -> bool:
    """Return whether it is worth looking closer; cheap, and never the decision."""
    return comment.action == "created" and "/requalify" in comment.body
