# ruff: noqa: E501
"""The life of one defect, told by the real commands against the fake: what `docs/story.md` is made of.

REQUALIFY_BLESS=1 pytest tests/github/test_story.py writes it anew.
"""

import contextlib
import io
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import journals
from fake_github import BOT, MAINTAINER, STRANGER, Hub

from bot.cli import handle, main, publish
from bot.github import event

HEAD = """# The life of one defect

Everything below was printed or written by `requalify publish` and `requalify handle`, run against the stateful stand-in
for GitHub of the tests (`tests/fake_github.py`): real PyGithub, real HTTP on loopback, every request and answer checked
against GitHub's own OpenAPI description. It was not recorded on github.com. The journals are small ones made for this
story (`tests/github/journals.py`). A test makes this page again and compares.
"""


class Teller:
    """Runs the commands, moves the clock, keeps what was said."""

    def __init__(self, hub: Hub, url: str, folder: Path, setenv: Callable[[str, str], None]) -> None:
        self.hub, self.folder, self.setenv = hub, folder, setenv
        self.lines: list[str] = [HEAD]
        self.run = 100
        setenv("GITHUB_API_URL", url)
        setenv("GITHUB_TOKEN", "a-token")

    def now(self) -> datetime:
        return self.hub.now

    def chapter(self, title: str, *words: str) -> None:
        self.hub.tick(hours=7)
        self.lines += ["", f"## {title}", "", *words]

    def shell(self, shown: str, argv: list[str]) -> None:
        """Run a command and show what it printed."""
        out, err = io.StringIO(), io.StringIO()
        before = len(self.hub.log)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
            main(argv)
        calls = self.hub.log[before:]
        writes = sum(verb != "GET" for verb, _ in calls)
        printed = (out.getvalue() + err.getvalue()).rstrip()
        self.lines += ["", "```console", f"$ {shown}", *printed.split("\n"), "```", ""]
        self.lines.append(f"{len(calls)} calls to GitHub, {writes} of them writes.")

    # -- what happens in the repository ------------------------------------------

    def qualified(self, what: str, sha: str, tool: str = "apr 0.2.13", base: str = "", **run: Any) -> None:
        """A qualification of this commit finishes and is published."""
        self.run += 1
        out = journals.write(self.folder / f"run-{self.run}", what, sha, tool)
        path = self.folder / "event.json"
        path.write_text(json.dumps(self.finished(sha, **run)))
        self.setenv("GITHUB_EVENT_PATH", str(path))
        argv = ["publish", str(out), "--repo", "o/r", "--history", str(self.folder / "state")]
        shown = f"requalify publish run-{self.run} --repo o/r --history state"
        if base:
            argv += ["--base", str(self.folder / base)]
            shown += f" --base {base}"
        self.shell(shown, argv)

    def finished(self, sha: str, **changes: Any) -> dict[str, Any]:
        repository = {"id": 1, "full_name": "o/r", "default_branch": "main", "html_url": "https://github.com/o/r"}
        run = {
            "id": self.run, "run_attempt": 1, "event": "push", "head_sha": sha, "head_branch": "main", "path": event.WORKFLOW,
            "display_title": "a commit", "html_url": f"https://github.com/o/r/actions/runs/{self.run}",
            "created_at": self.hub.stamp(), "head_repository": {"id": 1, "owner": {"login": "o"}},
        }  # fmt: skip
        return {"action": "completed", "repository": repository, "workflow_run": {**run, **changes}}

    def commented(self, login: str, number: int, body: str) -> int:
        """Somebody comments, and the handler is started."""
        identity = self.hub.write_comment(login, number, body)
        issue = {key: self.hub.issues[number][key] for key in ("number", "user", "body", "labels", "state", "locked")}
        repository = {"full_name": "o/r", "default_branch": "main"}
        told = {"action": "created", "issue": issue, "comment": self.hub.comments[identity], "repository": repository}
        path = self.folder / "comment.json"
        path.write_text(json.dumps(told))
        self.lines += ["", f"**{login}** writes in #{number}: `{body}`"]
        self.shell("requalify handle comment.json", ["handle", str(path)])
        reactions = [item["content"] for item in self.hub.reactions.get(identity, [])]
        self.lines.append(f"Reactions of the bot: {', '.join(reactions)}.")
        return identity

    # -- what can be seen ------------------------------------------------------------

    def issue(self, number: int, *, sections: tuple[str, ...] = ()) -> None:
        issue = self.hub.issues[number]
        reason = f" ({issue['state_reason']})" if issue["state_reason"] else ""
        self.lines += ["", f"Issue #{number} is **{issue['state']}**{reason}: {issue['title']}"]
        body = re.sub(r"<!--.*?-->", "", issue["body"], flags=re.DOTALL)
        for section in sections:
            found = re.search(rf"^## {section}\n.*?(?=^## |\Z|^---$)", body, re.MULTILINE | re.DOTALL)
            assert found, section
            self.quote(found[0])

    def comments(self, number: int, since: int = 0) -> int:
        """Show the comments of the bot, of which `since` were shown before; returns how many there are."""
        found = [item["body"] for item in self.hub.comments_on(number) if item["user"]["login"] == BOT]
        for body in found[since:]:
            self.lines += ["", "The bot says:"]
            self.quote(re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL))
        if not found[since:]:
            self.lines += ["", "The bot says nothing."]
        return len(found)

    def check(self, sha: str) -> None:
        (made,) = [item for item in self.hub.checks.values() if item["head_sha"] == sha][-1:]
        self.lines += ["", f"The check `{made['name']}` concludes **{made['conclusion']}**: {made['output']['title']}"]

    def quote(self, text: str) -> None:
        lines = re.sub(r"\n{3,}", "\n\n", text.strip()).split("\n")
        self.lines += ["", *(f"> {line}".rstrip() for line in lines)]


def tell(teller: Teller) -> str:
    """Tell the story; the asserts are its points."""
    hub = teller.hub
    seen = "Seen On", "Since When"
    teller.chapter(
        "It holds",
        "A nightly run on the default branch. Nothing is filed; what held, on which commit and with what, is kept.",
    )
    good = hub.commit("1a")
    teller.qualified("good", good, "apr 0.2.12")
    teller.check(good)

    teller.chapter(
        "Failure",
        "The next commit comes with a new converter, which transposes matrices. Silent wrong output is filed when first seen.",
    )
    bad = hub.commit("2b")
    teller.qualified("planted", bad)
    teller.check(bad)
    teller.issue(1, sections=("Summary", "Acceptance Criteria", *seen))
    base = f"run-{teller.run}"

    teller.chapter(
        "The same failure",
        "Another commit, the same defect: the description is brought up to date and nobody is notified.",
    )
    teller.qualified("planted", hub.commit("3c"))
    said = teller.comments(1)
    assert len(hub.issues) == 1 and not said

    teller.chapter("Somebody without rights", "A stranger tries to start a run: a reaction, no word, no run.")
    teller.commented(STRANGER, 1, "/requalify")
    assert not hub.dispatched

    teller.chapter(
        "Fix, in a pull request",
        "The run of the pull request is compared with the base branch's evidence. It may inform and fail the pull request; issues are out of its reach.",
    )
    fix = hub.commit("4d")
    pull = hub.pull(fix, branch="fix")
    teller.qualified("good", fix, "apr 0.2.14", base, event="pull_request", head_branch="fix")
    teller.check(fix)
    teller.comments(pull)
    teller.issue(1)

    teller.chapter(
        "Merged",
        "The first run on the default branch that contains the fix: one pass of two, the boxes are ticked, no word.",
    )
    merged = hub.commit("5e")
    teller.qualified("good", merged, "apr 0.2.14")
    teller.issue(1, sections=("Acceptance Criteria", "Seen On"))
    assert hub.issues[1]["state"] == "open"

    teller.chapter("`/requalify`", "Waiting for the night is not needed.")
    request = teller.commented(MAINTAINER, 1, "/requalify")
    said = teller.comments(1)
    inputs = json.dumps(hub.dispatched[-1], indent=1)
    teller.lines += ["", "What was dispatched:", "", "```json", *inputs.split("\n"), "```"]
    teller.commented(MAINTAINER, 1, "/requalify --gate F-CONV-G-B")
    said = teller.comments(1, said)

    teller.chapter(
        "Closed", "That run holds too. The acknowledgement becomes the result, and the second pass closes the issue."
    )
    title = event.run_name(request, "default")
    teller.qualified("good", merged, "apr 0.2.14", base, event="workflow_dispatch", display_title=title)
    teller.comments(1)
    teller.issue(1)
    assert hub.issues[1]["state"] == "closed"

    teller.chapter(
        "Regression", "A later commit, which contains the close, brings the defect back: the same issue is reopened."
    )
    teller.qualified("planted", hub.commit("6f"), "apr 0.2.15")
    teller.issue(1, sections=("Seen On",))
    teller.comments(1, 3)
    assert len(hub.issues) == 1 and hub.issues[1]["state"] == "open"
    return "\n".join(teller.lines) + "\n"


def patch(monkeypatch: Any, teller: Teller) -> None:
    """Give both commands the story's clock and no pause between writes."""
    for module in (publish, handle):
        monkeypatch.setattr(module, "now", teller.now)
        monkeypatch.setattr(module, "PAUSE_S", 0.0)
