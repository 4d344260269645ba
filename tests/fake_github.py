"""A GitHub that keeps state, on loopback, and checks every request and answer against GitHub's own description.

What the description can not know (length of a body, dropped labels, who may do what, rates, lag) are rules
of `Hub`, each with the page of docs.github.com it follows. A request the description does not know, an
unknown query parameter or an unknown field is answered 599 and recorded in `hub.violations`.
"""

import contextlib
import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema
import referencing
from referencing.jsonschema import DRAFT202012

from bot.github.client import Client, Patience

SUBSET = Path(__file__).parent / "github" / "openapi" / "subset.json"
BOT = "github-actions[bot]"
RETRY_AFTER = "7"
MAINTAINER, STRANGER = "maintainer", "stranger"


def _nullable(value: Any) -> Any:
    """Turn OpenAPI 3.0's nullable into JSON Schema, and forget formats Python would have to guess."""
    if isinstance(value, list):
        return [_nullable(item) for item in value]
    if not isinstance(value, dict):
        return value
    done = {key: _nullable(item) for key, item in value.items() if key not in {"nullable", "format", "discriminator"}}
    return {"anyOf": [done, {"type": "null"}]} if value.get("nullable") is True else done


@cache
def description() -> dict[str, Any]:
    return _nullable(json.loads(SUBSET.read_text()))


@cache
def _registry() -> referencing.Registry:
    resource = referencing.Resource(contents=description(), specification=DRAFT202012)
    return referencing.Registry().with_resource("urn:github", resource)


@cache
def _validator(pointer: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"urn:github#{pointer}"}, registry=_registry())


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _errors(pointer: str, value: Any) -> list[str]:
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in _validator(pointer).iter_errors(value)]


def _resolve(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = description()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


@cache
def _routes() -> list[tuple[re.Pattern[str], str]]:
    routes = []
    for path in description()["paths"]:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        routes.append((re.compile(pattern), path))
    return sorted(routes, key=lambda route: route[1].count("{"))


def known_fields(schema: Any) -> set[str] | None:
    """The field names a request body may have; None when anything goes."""
    schema = _resolve(schema)
    fields: set[str] = set(schema.get("properties", {}))
    for kind in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(kind, ()):
            fields |= known_fields(part) or set()
    return fields or None


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next requests that match."""

    kind: str  # 502-after, 502-before, drop-after, hang, 403-secondary, 403-secondary-header, 429, primary, 410, 404
    verb: str = "*"
    path: str = ""  # substring
    times: int = 1


class Hub:
    """The state of one repository, o/r."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.reactions: dict[int, list[dict[str, Any]]] = {}
        self.checks: dict[int, dict[str, Any]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.dispatched: list[dict[str, Any]] = []
        self.commits: dict[str, int] = {}  # sha -> position on the default branch
        self.branches: dict[str, str] = {"main": ""}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.roles: dict[str, tuple[int, str]] = {MAINTAINER: (100, "maintain"), STRANGER: (200, "read")}
        self.users = {BOT: 41898282, MAINTAINER: 100, STRANGER: 200}
        self.artifacts: dict[int, dict[str, Any]] = {}  # as GitHub lists them, with the zip under "data"
        self.faults: list[Fault] = []
        self.drop_labels = self.no_checks = self.no_statuses = False
        self.port = 0  # set when it is served
        self.hang_s = 1.2  # longer than the impatient client of the tests waits
        self.lag = 0  # list requests that do not show the newest issue yet
        self.on_request: Any = None  # called before every request, to play somebody else
        self.log: list[tuple[str, str]] = []
        self.violations: list[str] = []
        self._next = 0
        self.lock = threading.RLock()

    def tick(self, **span: float) -> None:
        self.now += timedelta(**(span or {"minutes": 1}))

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_id(self) -> int:
        self._next += 1
        return self._next

    def writes(self) -> list[tuple[str, str]]:
        return [entry for entry in self.log if entry[0] != "GET"]

    # -- people -----------------------------------------------------------------

    def user(self, login: str) -> dict[str, Any]:
        here = f"https://api.github.com/users/{login}"
        links = {
            "followers_url": f"{here}/followers", "following_url": f"{here}/following{{/other_user}}",
            "gists_url": f"{here}/gists{{/gist_id}}", "starred_url": f"{here}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{here}/subscriptions", "organizations_url": f"{here}/orgs",
            "repos_url": f"{here}/repos", "events_url": f"{here}/events{{/privacy}}",
            "received_events_url": f"{here}/received_events",
        }  # fmt: skip
        number = self.users.setdefault(login, 1000 + len(self.users))
        kind = "Bot" if login.endswith("[bot]") else "User"
        return {
            "login": login, "id": number, "node_id": f"U{number}", "avatar_url": f"https://a.example/{number}",
            "gravatar_id": "", "url": here, "html_url": f"https://github.com/{login}", **links, "type": kind,
            "site_admin": False,
        }  # fmt: skip

    def write_issue(self, login: str, title: str, body: str, labels: tuple[str, ...] = ()) -> int:
        number = len(self.issues) + len(self.pulls) + 1
        here = f"https://api.github.com/repos/o/r/issues/{number}"
        self.issues[number] = {
            "id": self.next_id(), "node_id": f"I{number}", "number": number, "title": title, "body": body,
            "url": here, "repository_url": "https://api.github.com/repos/o/r", "labels_url": f"{here}/labels{{/name}}",
            "comments_url": f"{here}/comments", "events_url": f"{here}/events",
            "html_url": f"https://github.com/o/r/issues/{number}", "user": self.user(login),
            "labels": [self.label(name) for name in labels], "state": "open", "state_reason": None, "locked": False,
            "assignee": None, "assignees": [], "milestone": None, "comments": 0, "created_at": self.stamp(),
            "updated_at": self.stamp(), "closed_at": None, "author_association": "NONE",
        }  # fmt: skip
        return number

    def label(self, name: str) -> dict[str, Any]:
        return {
            "id": 1 + sum(name.encode()), "node_id": f"L{name}", "url": f"https://api.github.com/repos/o/r/labels/{name}",
            "name": name, "color": "ededed", "default": False, "description": None,
        }  # fmt: skip

    def write_comment(self, login: str, number: int, body: str) -> int:
        identity = self.next_id()
        self.comments[identity] = {
            "id": identity, "node_id": f"C{identity}", "url": f"https://api.github.com/repos/o/r/issues/comments/{identity}",
            "html_url": f"https://github.com/o/r/issues/{number}#issuecomment-{identity}", "body": body,
            "issue_url": f"https://api.github.com/repos/o/r/issues/{number}", "user": self.user(login),
            "created_at": self.stamp(), "updated_at": self.stamp(), "author_association": "NONE",
        }  # fmt: skip
        if number in self.issues:
            self.issues[number]["comments"] += 1
        return identity

    def comments_on(self, number: int) -> list[dict[str, Any]]:
        return [c for c in self.comments.values() if c["issue_url"].endswith(f"/issues/{number}")]

    def set_open(self, number: int, is_open: bool, reason: str | None = None) -> None:
        issue = self.issues[number]
        if (issue["state"] == "open") == is_open:
            return
        issue["state"] = "open" if is_open else "closed"
        issue["state_reason"] = "reopened" if is_open else reason or "completed"
        issue["closed_at"] = None if is_open else self.stamp()

    # -- commits and pull requests -----------------------------------------------

    def commit(self, name: str = "") -> str:
        position = len(self.commits) + 1
        sha = f"{position:040x}" if not name else (name * 40)[:40]
        self.commits[sha] = position
        self.branches["main"] = sha
        return sha

    def pull(self, sha: str, owner: str = "o", branch: str = "topic") -> int:
        number = len(self.issues) + len(self.pulls) + 1
        self.pulls[number] = {"number": number, "sha": sha, "owner": owner, "branch": branch}
        return number

    # -- artifacts -----------------------------------------------------------------

    def keep(self, run: int, name: str, data: bytes, *, branch: str = "main", fork: bool = False) -> int:
        """Keep an artifact of a run, as upload-artifact does; returns its id."""
        identity = self.next_id()
        here = f"https://api.github.com/repos/o/r/actions/artifacts/{identity}"
        self.artifacts[identity] = {
            "id": identity, "node_id": f"A{identity}", "name": name, "size_in_bytes": len(data), "url": here,
            "archive_download_url": f"{here}/zip", "expired": False, "created_at": self.stamp(),
            "updated_at": self.stamp(), "expires_at": self.stamp(), "data": data,
            "workflow_run": {"id": run, "repository_id": 1, "head_repository_id": 2 if fork else 1,
                             "head_branch": branch,
                             "head_sha": self.branches["main"] or "0" * 40},
        }  # fmt: skip
        return identity


class Refusal(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status, self.message, self.headers = status, message, headers


class Routes:
    """What each operation does to the state; one method per operation id."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def issues_list_for_repo(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        wanted = query.get("state", "open")
        found = [i for i in self.hub.issues.values() if wanted == "all" or i["state"] == wanted]
        if "creator" in query:
            found = [i for i in found if i["user"]["login"] == query["creator"]]
        for label in filter(None, query.get("labels", "").split(",")):
            found = [i for i in found if label in {item["name"] for item in i["labels"]}]
        if self.hub.lag and found:
            self.hub.lag -= 1
            found = found[:-1]
        found.sort(key=lambda i: i["number"], reverse=query.get("direction", "desc") == "desc")
        return 200, found

    def issues_create(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        _body(data.get("body"))
        _title(data["title"])
        # docs: "Only users with push access can set labels for new issues. Labels are silently dropped otherwise."
        labels = () if self.hub.drop_labels else tuple(data.get("labels", ()))
        number = self.hub.write_issue(BOT, data["title"], data.get("body") or "", labels)
        return 201, self.hub.issues[number]

    def issues_get(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        return 200, _of(self.hub.issues, at["issue_number"])

    def issues_update(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        issue = _of(self.hub.issues, at["issue_number"])
        if "body" in data:
            _body(data["body"])
            issue["body"] = data["body"]
        if "title" in data:
            issue["title"] = data["title"]
        if "state" in data:
            self.hub.set_open(issue["number"], data["state"] == "open", data.get("state_reason"))
        issue["updated_at"] = self.hub.stamp()
        return 200, issue

    def issues_add_labels(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        issue = _of(self.hub.issues, at["issue_number"])
        if not self.hub.drop_labels:
            names = {item["name"] for item in issue["labels"]}
            issue["labels"] += [self.hub.label(name) for name in data["labels"] if name not in names]
        return 200, issue["labels"]

    def issues_list_comments(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        return 200, self.hub.comments_on(int(at["issue_number"]))

    def issues_create_comment(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        number = int(at["issue_number"])
        if number not in self.hub.issues and number not in self.hub.pulls:
            raise Refusal(404, "Not Found")
        _body(data["body"])
        return 201, self.hub.comments[self.hub.write_comment(BOT, number, data["body"])]

    def issues_get_comment(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        return 200, _of(self.hub.comments, at["comment_id"])

    def issues_update_comment(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        comment = _of(self.hub.comments, at["comment_id"])
        _body(data["body"])
        comment["body"] = data["body"]
        return 200, comment

    def reactions_list_for_issue_comment(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        _of(self.hub.comments, at["comment_id"])
        return 200, self.hub.reactions.get(int(at["comment_id"]), [])

    def reactions_create_for_issue_comment(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        _of(self.hub.comments, at["comment_id"])
        held = self.hub.reactions.setdefault(int(at["comment_id"]), [])
        for reaction in held:  # docs: 200 when the reaction was there already
            if reaction["content"] == data["content"] and reaction["user"]["login"] == BOT:
                return 200, reaction
        identity = self.hub.next_id()
        held.append(
            {
                "id": identity,
                "node_id": f"R{identity}",
                "user": self.hub.user(BOT),
                "content": data["content"],
                "created_at": self.hub.stamp(),
            }
        )
        return 201, held[-1]

    def checks_create(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        if self.hub.no_checks:
            raise Refusal(403, "Resource not accessible by integration")
        identity = self.hub.next_id()
        self.hub.checks[identity] = {**data, "id": identity, "annotations": []}
        return 201, self._check(identity, data)

    def checks_update(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        identity = int(at["check_run_id"])
        return 200, self._check(identity, {**_of(self.hub.checks, at["check_run_id"]), **data})

    def _check(self, identity: int, data: dict[str, Any]) -> dict[str, Any]:
        held = self.hub.checks[identity]
        output = data.get("output") or {}
        # docs: "If your app's annotations exceed 50, make several requests to Update a check run; they are appended"
        held["annotations"] += output.get("annotations", [])
        held.update({key: value for key, value in data.items() if key not in {"annotations", "id"}})
        here = f"https://api.github.com/repos/o/r/check-runs/{identity}"
        return {
            "id": identity, "node_id": f"K{identity}", "head_sha": held["head_sha"],
            "external_id": held.get("external_id"), "url": here,
            "html_url": f"https://github.com/o/r/runs/{identity}", "details_url": held.get("details_url"),
            "status": held.get("status", "queued"),
            "conclusion": held.get("conclusion"), "started_at": None, "completed_at": held.get("completed_at"),
            "name": held["name"],
            "output": {"title": output.get("title"), "summary": output.get("summary"), "text": output.get("text"),
                       "annotations_count": len(held["annotations"]), "annotations_url": f"{here}/annotations"},
            "check_suite": None, "app": None, "pull_requests": [],
        }  # fmt: skip

    def checks_list_for_ref(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        found = [
            i
            for i, c in self.hub.checks.items()
            if c["head_sha"] == at["ref"] and c["name"] == query.get("check_name", c["name"])
        ]
        if self.hub.no_checks:
            raise Refusal(403, "Resource not accessible by integration")
        runs = [self._check(i, {k: v for k, v in self.hub.checks[i].items() if k != "output"}) for i in found]
        return 200, {"total_count": len(runs), "check_runs": runs}

    def repos_create_commit_status(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        if self.hub.no_statuses:
            raise Refusal(403, "Resource not accessible by integration")
        self.hub.statuses.append({"sha": at["sha"], **data})
        return 201, {
            "url": "https://api.github.com/x", "avatar_url": None, "id": self.hub.next_id(), "node_id": "S",
            "state": data["state"],
            "description": data.get("description"), "target_url": data.get("target_url"),
            "context": data.get("context", "default"),
            "created_at": self.hub.stamp(), "updated_at": self.hub.stamp(), "creator": self.hub.user(BOT),
        }  # fmt: skip

    def repos_compare_commits_with_basehead(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        base, head = at["basehead"].split("...")
        base, head = self.hub.branches.get(base, base), self.hub.branches.get(head, head)
        if base not in self.hub.commits or head not in self.hub.commits:
            raise Refusal(404, "Not Found")
        one, two = self.hub.commits[base], self.hub.commits[head]
        status = "identical" if one == two else "ahead" if two > one else "behind"
        if one < 0 or two < 0:
            status = "diverged"
        return 200, {
            "status": status,
            "base_commit": {"sha": base},
            "ahead_by": max(two - one, 0),
            "behind_by": max(one - two, 0),
        }

    def repos_list_branches(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        url = "https://api.github.com/x"
        return 200, [
            {"name": n, "commit": {"sha": s, "url": url}, "protected": False} for n, s in self.hub.branches.items()
        ]

    def repos_get_collaborator_permission_level(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        login = unquote(at["username"])
        if login not in self.hub.roles:
            raise Refusal(404, "Not Found")
        number, role = self.hub.roles[login]
        folded = {"maintain": "write", "triage": "read"}.get(
            role, role
        )  # docs: maintain is mapped to write, triage to read
        user = {**self.hub.user(login), "id": number, "role_name": role}
        return 200, {
            "permission": folded if folded in {"admin", "write", "read", "none"} else "read",
            "role_name": role,
            "user": user,
        }

    def actions_create_workflow_dispatch(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        self.hub.dispatched.append({"workflow": at["workflow_id"], **data})
        return 204, None

    def _artifacts(self, found: list[dict[str, Any]]) -> Any:
        shown = [{key: value for key, value in item.items() if key != "data"} for item in found]
        return 200, {"total_count": len(shown), "artifacts": shown}

    def actions_list_workflow_run_artifacts(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        run = int(at["run_id"])
        return self._artifacts([a for a in self.hub.artifacts.values() if a["workflow_run"]["id"] == run])

    def actions_list_artifacts_for_repo(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        name = query.get("name")
        return self._artifacts([a for a in self.hub.artifacts.values() if name in {None, a["name"]}])

    def actions_download_artifact(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        # docs: "Look for Location: in the response header to find the URL for the download"
        _of(self.hub.artifacts, at["artifact_id"])
        raise Refusal(302, "Found", Location=f"http://localhost:{self.hub.port}/blobs/{at['artifact_id']}")

    def _pull(self, pull: dict[str, Any]) -> dict[str, Any]:
        return {
            "__pull__": True,
            "number": pull["number"],
            "state": "open",
            "head": {"sha": pull["sha"], "label": f"{pull['owner']}:{pull['branch']}"},
        }

    def pulls_get(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        return 200, self._pull(_of(self.hub.pulls, at["pull_number"]))

    def pulls_list(self, at: dict[str, str], query: dict[str, str], data: Any) -> Any:
        found = [p for p in self.hub.pulls.values() if query.get("head") in {None, f"{p['owner']}:{p['branch']}"}]
        return 200, [self._pull(pull) for pull in found]


# of these answers GitHub's schema asks for the whole of a repository; the fake gives what the bot may read
_PARTIAL = {"repos/compare-commits-with-basehead", "pulls/get", "pulls/list"}


def _of(table: dict[int, Any], number: str) -> Any:
    if int(number) not in table:
        raise Refusal(404, "Not Found")
    return table[int(number)]


def _body(text: str | None) -> None:
    # github.com answers this to longer bodies; the description has no maxLength
    if text is not None and len(text) > 65_536:
        raise Refusal(422, "Validation Failed: body is too long (maximum is 65536 characters)")


def _title(text: str) -> None:
    if len(text) > 256:
        raise Refusal(422, "Validation Failed: title is too long (maximum is 256 characters)")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    hanging = False

    def log_message(self, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path.startswith("/blobs/"):
            return self._blob(int(parts.path.removeprefix("/blobs/")))
        with self.hub.lock:
            if self.hub.on_request:
                self.hub.on_request(self.command, parts.path)
            self.hub.log.append((self.command, parts.path))
            try:
                answer = self._answer(parts.path, query, json.loads(raw) if raw else None)
            except Refusal as error:
                answer = error.status, {"message": error.message}, error.headers
        if answer is not None:
            self._send(*answer)
        elif self.hanging:
            time.sleep(self.hub.hang_s)
        return None

    def _blob(self, identity: int) -> None:
        """Serve an archive as the storage behind the redirect does: another host, to which no token may come."""
        if "Authorization" in self.headers:
            self.hub.violations.append("a token was sent to the storage of artifacts")
        data = self.hub.artifacts[identity]["data"]
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _violation(self, text: str) -> tuple[int, Any, dict[str, str]]:
        self.hub.violations.append(f"{self.command} {self.path}: {text}")
        return 599, {"message": text}, {}

    def _answer(self, path: str, query: dict[str, str], data: Any) -> tuple[int, Any, dict[str, str]] | None:
        found = [(m.groupdict(), p) for route, p in _routes() if (m := route.fullmatch(path))]
        at, template = next(((a, p) for a, p in found if self.command.lower() in description()["paths"][p]), ({}, ""))
        if not template:
            return self._violation("no such operation")
        operation = description()["paths"][template][self.command.lower()]
        if wrong := self._wrong(template, operation, query, data):
            return self._violation(wrong)
        fault = self._fault(path)
        if fault in {"502-before", "410", "404", "403-secondary", "403-secondary-header", "429", "primary"}:
            _refuse(fault)
        status, answer = getattr(Routes(self.hub), re.sub(r"\W", "_", operation["operationId"]))(at, query, data)
        if wrong := self._wrong_answer(template, operation, status, answer):
            return self._violation(f"our own answer: {wrong}")
        if fault == "502-after":
            raise Refusal(502, "Bad Gateway")
        if fault in {"drop-after", "hang"}:
            self.close_connection = True
            self.hanging = fault == "hang"
            return None
        return (status, *self._page(answer, query))

    def _fault(self, path: str) -> str:
        for fault in self.hub.faults:
            if fault.times > 0 and fault.verb in {"*", self.command} and fault.path in path:
                fault.times -= 1
                return fault.kind
        return ""

    def _wrong(self, template: str, operation: dict[str, Any], query: dict[str, str], data: Any) -> str:
        parameters = {p["name"]: p for p in map(_resolve, operation.get("parameters", [])) if p["in"] == "query"}
        if unknown := set(query) - set(parameters):
            return f"unknown query parameters {sorted(unknown)}"
        for name, value in query.items():
            kind = _resolve(parameters[name]["schema"])
            typed: Any = int(value) if kind.get("type") == "integer" and value.isdigit() else value
            if "enum" in kind and typed not in kind["enum"]:
                return f"{name}={value!r} is not one of {kind['enum']}"
        body = operation.get("requestBody")
        if data is None or body is None:
            return "a body where none belongs" if data is not None else ""
        schema = body["content"]["application/json"]["schema"]
        fields = known_fields(schema)
        if fields is not None and isinstance(data, dict) and (unknown := set(data) - fields):
            return f"unknown fields {sorted(unknown)}"
        pointer = _pointer(
            "paths", template, self.command.lower(), "requestBody", "content", "application/json", "schema"
        )
        return "; ".join(_errors(pointer, data)[:3])

    def _wrong_answer(self, template: str, operation: dict[str, Any], status: int, answer: Any) -> str:
        if str(status) not in operation["responses"]:
            return f"status {status} is not documented"
        if operation["operationId"] in _PARTIAL or status == 204:
            return ""
        pointer = _pointer(
            "paths", template, self.command.lower(), "responses", str(status), "content", "application/json", "schema"
        )
        return "; ".join(_errors(pointer, answer)[:3])

    def _page(self, answer: Any, query: dict[str, str]) -> tuple[Any, dict[str, str]]:
        if not isinstance(answer, list):
            return answer, {}
        size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
        more = len(answer) > size * page
        link = f'<http://{self.headers["Host"]}{urlsplit(self.path).path}?page={page + 1}>; rel="next"'
        return answer[size * (page - 1) : size * page], {"Link": link} if more else {}

    def _send(self, status: int, data: Any, headers: dict[str, str]) -> None:
        body = b"" if status == 204 else json.dumps(data).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _refuse(kind: str) -> None:
    # docs: rate limits for the REST API; both limits answer 403 or 429, with or without Retry-After
    secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    refusals = {
        "502-before": Refusal(502, "Bad Gateway"),
        "410": Refusal(410, "Issues are disabled for this repo"),
        "404": Refusal(404, "Not Found"),
        "403-secondary": Refusal(403, secondary),
        "403-secondary-header": Refusal(403, secondary, Retry_After=RETRY_AFTER),
        "429": Refusal(429, "Too Many Requests", Retry_After="3"),
        "primary": Refusal(
            403, "API rate limit exceeded for installation", X_RateLimit_Remaining="0", X_RateLimit_Reset="1030"
        ),
    }
    raise refusals[kind]


@contextlib.contextmanager
def serve(hub: Hub) -> Iterator[str]:
    """Serve the hub on loopback; gives the base URL."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def connect(url: str, sleeps: list[float] | None = None, ceiling: float = 120.0, timeout_s: int = 15) -> Client:
    """A client of the fake that notes its sleeps instead of sleeping; the clock stands at 1000."""
    patience = Patience(ceiling_s=ceiling, sleep=(sleeps if sleeps is not None else []).append, clock=lambda: 1000.0)
    return Client("o/r", "t0ken", base_url=url, login=BOT, patience=patience, pause_s=0, timeout_s=timeout_s)
