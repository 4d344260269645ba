"""Talks to GitHub. The only module that acts, and the only home of PyGithub.

PyGithub repeats a POST that was answered 502 or not at all, though GitHub may have done it: two issues.
So its retries are off. Verbs that may be repeated are repeated here, with caps; a POST is sent once and
`ensure` reads again before anybody sends it a second time. A refusal for rate is not performed by GitHub,
so waiting and sending again is safe for every verb.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from github import Auth, Github, GithubException

from bot.github.marker import read_state
from bot.github.model import LABEL, Issue

API = "https://api.github.com"
LOGIN = "github-actions[bot]"  # who GITHUB_TOKEN writes as
API_VERSION = "2022-11-28"
_ATTEMPTS = 4
_REPEATABLE = frozenset({"GET", "PATCH", "PUT", "DELETE"})
_PAGES = 50
T = TypeVar("T")


class TalkError(Exception):
    """GitHub refused or did not answer: status 0 when there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(f"GitHub answered {status}: {message}" if status else f"GitHub did not answer: {message}")

    @property
    def maybe_done(self) -> bool:
        """Return whether the write may have happened all the same."""
        return self.status == 0 or self.status >= 500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait in all before giving up, and how to wait."""

    ceiling_s: float = 120.0  # of all sleeps of one process together
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


class Client:
    """One repository, called serially; `calls` and `writes` count what was sent."""

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        base_url: str = API,
        login: str = LOGIN,
        patience: Patience | None = None,
        pause_s: float = 1.0,
        timeout_s: int = 15,
    ) -> None:
        self.repository, self.login = repository, login
        self.calls = self.writes = 0
        self._patience = patience or Patience()
        self._slept = 0.0
        self._requester = Github(
            auth=Auth.Token(token),
            base_url=base_url.rstrip("/"),
            timeout=timeout_s,
            per_page=100,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=pause_s or None,
            api_version=API_VERSION,
        ).requester
        self._root = f"/repos/{repository}"

    # -- one request -----------------------------------------------------------

    def _call(
        self, verb: str, path: str, *, params: Mapping[str, Any] | None = None, data: Any = None
    ) -> tuple[dict[str, Any], Any]:
        """Send one request, repeating what may be repeated; raises TalkError."""
        for attempt in range(_ATTEMPTS):
            self.calls += 1
            self.writes += verb != "GET"
            try:
                query = dict(params) if params else None
                return self._requester.requestJsonAndCheck(verb, path, parameters=query, input=data)
            except GithubException as error:
                wait = self._wait(verb, error, attempt)
                failure = TalkError(error.status, str((error.data or {}).get("message", "")) or type(error).__name__)
            except requests.exceptions.RequestException as error:
                wait = 2.0**attempt if verb in _REPEATABLE else None
                failure = TalkError(0, type(error).__name__)
            if wait is None or attempt + 1 == _ATTEMPTS or not self._may_sleep(wait):
                raise failure
        raise AssertionError("unreachable")

    def _wait(self, verb: str, error: GithubException, attempt: int) -> float | None:
        """Return how long to wait before sending again, None when it is of no use.

        Retry-After, else the primary reset, else a minute and doubling (docs: rate limits for the REST API).
        """
        headers = {key.lower(): value for key, value in (error.headers or {}).items()}
        message = str((error.data or {}).get("message", "")).lower() if isinstance(error.data, dict) else ""
        if error.status in {403, 429}:
            if "retry-after" in headers:
                return _seconds(headers["retry-after"], 60.0) + 1
            if headers.get("x-ratelimit-remaining") == "0" and "x-ratelimit-reset" in headers:
                now = self._patience.clock()
                return max(_seconds(headers["x-ratelimit-reset"], now + 60) - now, 0) + 1
            if error.status == 429 or "rate limit" in message:
                return 60.0 * float(2**attempt)
        if error.status >= 500 and verb in _REPEATABLE:
            return float(2**attempt)
        return None

    def _may_sleep(self, seconds: float) -> bool:
        if self._slept + seconds > self._patience.ceiling_s:
            return False
        self._slept += seconds
        self._patience.sleep(seconds)
        return True

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for page in range(1, _PAGES + 1):
            headers, items = self._call("GET", path, params={**params, "per_page": 100, "page": page})
            yield from items
            if 'rel="next"' not in str(headers.get("link", "")):
                return
        raise TalkError(0, f"more than {_PAGES} pages of {path}")

    def _ensure(self, send: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Send a POST once; when nobody knows whether it was done, look before sending it again."""
        try:
            return send()
        except TalkError as error:
            if not error.maybe_done:
                raise
        for attempt in range(3):  # lists lag behind writes
            if (found := find()) is not None:
                return found
            if not self._may_sleep(2.0**attempt):
                break
        return send()

    # -- issues ------------------------------------------------------------------

    def issues(self) -> tuple[Issue, ...]:
        """Return every issue of ours: label and creator, all states, all pages; pull requests are left out."""
        return tuple(self._issue(item) for item in self._listed(LABEL) if "pull_request" not in item)

    def _listed(self, label: str, **more: Any) -> Iterator[dict[str, Any]]:
        params = {"state": "all", "labels": label, "creator": self.login, "sort": "created", "direction": "asc"}
        return self._pages(f"{self._root}/issues", {**params, **more})

    def _issue(self, item: Mapping[str, Any]) -> Issue:
        body = item.get("body") or ""
        mine = (item.get("user") or {}).get("login") == self.login
        return Issue(
            number=item["number"],
            title=item["title"],
            body=body,
            open=item["state"] == "open",
            created=_when(item["created_at"]),
            closed=_when(item["closed_at"]) if item.get("closed_at") else None,
            state_reason=item.get("state_reason"),
            labels=frozenset(_label(label) for label in item["labels"]),
            locked=bool(item.get("locked")),
            state=read_state(body) if mine else None,
        )

    def issue(self, number: int) -> Issue:
        """Return one issue as it is now."""
        return self._issue(self._call("GET", f"{self._root}/issues/{number}")[1])

    def create_issue(self, title: str, body: str, labels: tuple[str, ...], key: str) -> int:
        """Create an issue once, found again by its key if the answer was lost; dropped labels are an error."""

        def send() -> dict[str, Any]:
            data = {"title": title, "body": body, "labels": list(labels)}
            made: dict[str, Any] = self._post(f"{self._root}/issues", data)
            return made

        def find() -> dict[str, Any] | None:
            mine = (item for item in self._listed_recent() if (item.get("user") or {}).get("login") == self.login)
            states = ((item, read_state(item.get("body") or "")) for item in mine if item["state"] == "open")
            return next((item for item, state in states if state and state.key == key), None)

        made = self._ensure(send, find)
        missing = set(labels) - {_label(label) for label in made["labels"]}
        if missing:  # without push rights GitHub drops labels without a word
            self.label(made["number"], tuple(sorted(missing)))
        return int(made["number"])

    def _listed_recent(self) -> list[dict[str, Any]]:
        """Return the newest hundred issues of our account, labelled or not: labels may have been dropped."""
        params = {"state": "all", "creator": self.login, "sort": "created", "direction": "desc", "per_page": 100}
        listed: list[dict[str, Any]] = self._call("GET", f"{self._root}/issues", params=params)[1]
        return listed

    def _post(self, path: str, data: Any) -> Any:
        return self._call("POST", path, data=data)[1]

    def edit_issue(self, number: int, **changes: Any) -> None:
        """Change an issue; the same change twice is one change."""
        self._call("PATCH", f"{self._root}/issues/{number}", data=changes)

    def label(self, number: int, labels: tuple[str, ...]) -> None:
        """Add labels, keeping those that are there."""
        try:
            answer = self._post(f"{self._root}/issues/{number}/labels", {"labels": list(labels)})
        except TalkError as error:
            if not error.maybe_done:
                raise
            answer = self._post(
                f"{self._root}/issues/{number}/labels", {"labels": list(labels)}
            )  # adding twice is once
        if not set(labels) <= {_label(label) for label in answer}:
            raise TalkError(403, f"GitHub dropped the labels {', '.join(labels)}: the token may not set them")

    def labelled(self, label: str) -> list[dict[str, Any]]:
        """Return every open issue with a label, whoever wrote it."""
        return [
            i
            for i in self._pages(f"{self._root}/issues", {"state": "open", "labels": label})
            if "pull_request" not in i
        ]

    # -- comments ----------------------------------------------------------------

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Return all comments of ours on an issue or pull request."""
        every = self._pages(f"{self._root}/issues/{number}/comments", {})
        return [item for item in every if (item.get("user") or {}).get("login") == self.login]

    def ensure_comment(self, number: int, marker: str, body: str, *, edit: bool = False) -> int:
        """Make sure exactly one comment of ours with this marker is there; `edit` also brings its text up to date."""

        def find() -> dict[str, Any] | None:
            return next((item for item in self.comments(number) if marker in (item.get("body") or "")), None)

        text = f"{body}\n\n{marker}"
        found = find()
        if found is None:
            path = f"{self._root}/issues/{number}/comments"
            return int(self._ensure(lambda: self._post(path, {"body": text}), find)["id"])
        if edit and found["body"] != text:
            self.edit_comment(found["id"], text)
        return int(found["id"])

    def edit_comment(self, comment: int, body: str) -> None:
        """Replace the text of a comment."""
        self._call("PATCH", f"{self._root}/issues/comments/{comment}", data={"body": body})

    def comment(self, comment: int) -> dict[str, Any] | None:
        """Return a comment as it is now; None when it is gone."""
        try:
            found: dict[str, Any] = self._call("GET", f"{self._root}/issues/comments/{comment}")[1]
        except TalkError as error:
            if error.status == 404:
                return None
            raise
        return found

    def reactions(self, comment: int) -> set[str]:
        """Return our own reactions to a comment."""
        listed = self._pages(f"{self._root}/issues/comments/{comment}/reactions", {})
        return {item["content"] for item in listed if (item.get("user") or {}).get("login") == self.login}

    def react(self, comment: int, content: str) -> None:
        """React to a comment; GitHub takes the same reaction twice for one."""
        path = f"{self._root}/issues/comments/{comment}/reactions"
        self._ensure(lambda: self._post(path, {"content": content}), lambda: None)

    # -- commits, pull requests, people --------------------------------------------

    def contains(self, base: str, head: str) -> bool | None:
        """Return whether commit `head` contains `base`; None when GitHub can not tell."""
        try:
            told = self._call("GET", f"{self._root}/compare/{base}...{head}", params={"per_page": 1})[1]
        except TalkError as error:
            if error.status in {404, 422} or error.maybe_done:
                return None
            raise
        return told["status"] in {"ahead", "identical"}

    def head(self, branch: str) -> str | None:
        """Return the commit a branch of this repository stands at; None when GitHub can not tell."""
        name = quote(branch, safe="")
        try:
            told = self._call("GET", f"{self._root}/compare/{name}...{name}", params={"per_page": 1})[1]
            return str(told["base_commit"]["sha"])
        except (TalkError, KeyError, TypeError):
            return None

    def branches(self) -> list[str]:
        """Return the names of the branches of this repository, never of a fork."""
        return [item["name"] for item in self._pages(f"{self._root}/branches", {})]

    def on_a_branch(self, sha: str, default: str) -> bool:
        """Return whether a commit is reachable from a branch of this repository; the commits API also knows forks'."""
        if self.contains(sha, default):
            return True
        return any(self.contains(sha, name) for name in self.branches()[:30] if name != default)

    def pull(self, number: int) -> dict[str, Any] | None:
        """Return a pull request; None when there is none."""
        try:
            found: dict[str, Any] = self._call("GET", f"{self._root}/pulls/{number}")[1]
        except TalkError as error:
            if error.status == 404:
                return None
            raise
        return found

    def pull_of(self, head: str, sha: str) -> int | None:
        """Return the open pull request of `owner:branch` whose head is this commit."""
        listed = self._call("GET", f"{self._root}/pulls", params={"state": "open", "head": head, "per_page": 100})[1]
        return next((item["number"] for item in listed if item["head"]["sha"] == sha), None)

    def permission(self, login: str) -> tuple[int, str] | None:
        """Return (numeric id, role name) of a user; None when it could not be told."""
        try:
            told = self._call("GET", f"{self._root}/collaborators/{quote(login, safe='')}/permission")[1]
            return int(told["user"]["id"]), str(told["role_name"])
        except (TalkError, KeyError, TypeError):
            return None

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start a workflow on a branch of this repository. Sent once: a lost answer is the caller's to report."""
        self._post(f"{self._root}/actions/workflows/{workflow}/dispatches", {"ref": ref, "inputs": dict(inputs)})

    # -- checks ------------------------------------------------------------------

    def check(self, sha: str, name: str, external_id: str) -> int | None:
        """Return the id of the check run we made for this run, if there is one."""
        params = {"check_name": name, "per_page": 100, "filter": "all"}
        listed = self._call("GET", f"{self._root}/commits/{sha}/check-runs", params=params)[1]
        return next((item["id"] for item in listed["check_runs"] if item.get("external_id") == external_id), None)

    def ensure_check(self, data: Mapping[str, Any], *, fresh: bool = False) -> tuple[int, bool]:
        """Create a check run once per external id; returns (id, whether it was new).

        `fresh` says that it is known not to be there, which saves looking.
        """
        found = None if fresh else self.check(data["head_sha"], data["name"], data["external_id"])
        if found is not None:
            return found, False
        made = self._ensure(
            lambda: int(self._post(f"{self._root}/check-runs", dict(data))["id"]),
            lambda: self.check(data["head_sha"], data["name"], data["external_id"]),
        )
        return made, True

    def edit_check(self, check: int, data: Mapping[str, Any]) -> None:
        """Update a check run. Annotations are appended by GitHub, so this is not sent twice."""
        self.calls += 1
        self.writes += 1
        try:
            self._requester.requestJsonAndCheck("PATCH", f"{self._root}/check-runs/{check}", input=dict(data))
        except (GithubException, requests.exceptions.RequestException) as error:
            raise TalkError(getattr(error, "status", 0), type(error).__name__) from error

    def status(self, sha: str, data: Mapping[str, Any]) -> None:
        """Set a commit status; the latest of a context counts, so repeating it is harmless."""
        path = f"{self._root}/statuses/{sha}"
        self._ensure(lambda: self._post(path, dict(data)), lambda: None)


def _seconds(text: object, otherwise: float) -> float:
    """Return a header's seconds; a proxy may write a date there, or anything."""
    told = str(text).strip()
    return float(told) if told.isdecimal() and len(told) < 12 else otherwise


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _label(label: Any) -> str:
    return str(label["name"] if isinstance(label, dict) else label)
