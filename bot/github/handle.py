"""Obeys a command in a comment: eyes, parse, permission, commit, acknowledgement, dispatch, rocket.

Idempotent by comment id: the reply with its marker is written before the run is started, so a repeated
event starts nothing twice, and a run of which nobody knows whether it was started is never sent again.
"""

import dataclasses
from collections.abc import Collection
from datetime import datetime

from bot.github import answers, command, policy, replies
from bot.github.client import Client, TalkError
from bot.github.command import Help, Mistake, Requalify
from bot.github.event import Comment
from bot.github.marker import read_state
from bot.github.messages import span
from bot.github.model import State
from bot.github.policy import Allowed, Limits

WORKFLOW = "qualify.yml"
YES, NO = "rocket", "-1"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be tested: where, and the commit it was when it was looked at."""

    name: str  # "default", "sha:HEX" or "pr:N:HEX", as the run's name carries it
    sha: str
    words: str


class RefusedError(Exception):
    """A command that is not carried out; the text is the reply."""


class Handler:
    """One comment, answered once."""

    def __init__(
        self, github: Client, comment: Comment, gates: Collection[str], models: Collection[str], now: datetime,
        *, limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.github, self.comment, self.now = github, comment, now
        self.gates, self.limits = gates, limits or Limits()
        self.state = self._state()
        rows = {row.model for row in self.state.rows} if self.state else set()
        self.models = {*models, *rows}

    def handle(self) -> str:
        """Do what the comment asks; returns what was done, for the log."""
        if why := policy.ignored(self.comment, self.github.login):
            return f"ignored: {why}"
        asked = command.parse(self.comment.body, self.gates, self.models)
        if asked is None:
            return "ignored: no command"
        allowed, why = policy.authorize(self.comment, self.github.permission(self.comment.login))
        if allowed is Allowed.NO:
            self.github.react(self.comment.id, NO)
            return f"denied: {why}"
        self.github.react(self.comment.id, "eyes")
        earlier = [found for reply in self.github.comments(self.comment.issue) if (found := answers.read(reply))]
        if any(item.request == self.comment.id for item in earlier):
            return "ignored: answered already"
        try:
            if allowed is Allowed.UNKNOWN:
                raise RefusedError(replies.unknown_rights())
            return self._obey(asked, earlier)
        except RefusedError as error:
            self._reply(str(error), answers.REFUSED)
            self.github.react(self.comment.id, NO)
            return f"refused: {str(error).splitlines()[0]}"

    def _state(self) -> State | None:
        """Return what the issue remembers, if it is one of ours."""
        ours = self.comment.issue_author == self.github.login and not self.comment.is_pull
        return read_state(self.comment.issue_body) if ours else None

    def _obey(self, asked: command.Command, earlier: list[answers.Answer]) -> str:
        if isinstance(asked, Mistake):
            raise RefusedError(replies.mistake(_words(asked)))
        if isinstance(asked, Help):
            self._reply(replies.help_text(), answers.ANSWERED)
            self.github.react(self.comment.id, YES)
            return "answered: help"
        asked = self._filled(asked)
        target = self._target(asked)
        chosen = replies.chosen(asked.gates, asked.models, asked.backend)
        if asked.plan:
            self._reply(replies.planned(chosen, target.words), answers.ANSWERED)
            self.github.react(self.comment.id, YES)
            return "answered: plan"
        if wait := policy.too_often(earlier, self.comment.user_id, self.now, self.limits):
            raise RefusedError(self._wait(wait))
        return self._start(asked, target, chosen)

    def _filled(self, asked: Requalify) -> Requalify:
        """Return the command with the gates of the issue where none are named."""
        if asked.gates or (self.comment.is_pull and asked.sha):
            return asked
        if self.comment.is_pull:
            raise RefusedError(self._say_which())
        rows = self.state.rows if self.state else ()
        gates = tuple(dict.fromkeys(gate for row in rows if (gate := row.cell.split("/")[0]) in self.gates))
        if not gates:
            raise RefusedError(replies.mistake("This is no issue of the bot, so say which gates: `--gate ID`."))
        return dataclasses.replace(asked, gates=gates[: command.REPEATS])

    def _say_which(self) -> str:
        """Tell the author of a bare command on a pull request how to name the commit that was looked at."""
        pull = self.github.pull(self.comment.issue)
        sha = str(pull["head"]["sha"]) if pull else ""
        example = f" {span(f'{command.WORD} --pr {self.comment.issue}@{sha}')}" if sha else ""
        return f"On a pull request, name the commit you looked at:{example}"

    def _target(self, asked: Requalify) -> Target:
        """Bind the command to a commit of this repository."""
        if asked.pull is not None and asked.sha:
            self._check_head(asked.pull, asked.sha)
            name = f"pr:{asked.pull}:{asked.sha}"
            return Target(name=name, sha=asked.sha, words=f"{span(asked.sha)}, the head of #{asked.pull}")
        if asked.sha:
            if not self.github.on_a_branch(asked.sha, self.comment.default_branch):
                raise RefusedError(f"{span(asked.sha)} is on no branch of this repository. Nothing was started.")
            return Target(name=f"sha:{asked.sha}", sha=asked.sha, words=span(asked.sha))
        head = self.github.head(self.comment.default_branch)
        if head is None:
            raise RefusedError("GitHub did not say what the default branch's head is. Please ask again.")
        return Target(name="default", sha=head, words=f"{span(self.comment.default_branch)}, now at {span(head)}")

    def _check_head(self, number: int, sha: str) -> None:
        pull = self.github.pull(number)
        if pull is None or pull["state"] != "open":
            raise RefusedError(f"#{number} is no open pull request. Nothing was started.")
        if pull["head"]["sha"] != sha:
            raise RefusedError(replies.moved(str(pull["head"]["sha"])))

    def _wait(self, refusal: policy.Refusal) -> str:
        if refusal.kind == "busy":
            return replies.busy()
        if refusal.until is not None:
            return replies.cooling(refusal.until)
        return replies.daily(self.limits.a_day)

    def _start(self, asked: Requalify, target: Target, chosen: list[str]) -> str:
        """Acknowledge, look once more, dispatch."""
        self._same()
        reply = self._reply(replies.started(chosen, target.words), answers.STARTED)
        try:
            if asked.pull is not None and asked.sha:
                self._check_head(asked.pull, asked.sha)
            self.github.dispatch(WORKFLOW, self.comment.default_branch, self._inputs(asked, target))
        except RefusedError as error:
            return self._take_back(reply, str(error))
        except TalkError as error:
            why = replies.uncertain() if error.maybe_done else replies.unstarted(str(error))
            return self._take_back(reply, why)
        self.github.react(self.comment.id, YES)
        return f"started: {target.name}"

    def _same(self) -> None:
        """Refuse a comment that is not what the event said it was."""
        now = self.github.comment(self.comment.id)
        if now is None or now["body"] != self.comment.body:
            raise RefusedError(replies.edited())

    def _inputs(self, asked: Requalify, target: Target) -> dict[str, str]:
        return {
            "gates": " ".join(asked.gates),
            "models": " ".join(asked.models),
            "backend": asked.backend,
            "sha": "" if target.name == "default" else target.sha,
            "request": str(self.comment.id),
            "target": target.name,
        }

    def _reply(self, text: str, state: str) -> int:
        body = self._body(text, state)
        return self.github.ensure_comment(self.comment.issue, answers.marker(self.comment.id), body)

    def _body(self, text: str, state: str) -> str:
        made = answers.Answer(request=self.comment.id, user=self.comment.user_id, at=self.now.isoformat(), state=state)
        return answers.written(text, made)

    def _take_back(self, reply: int, why: str) -> str:
        text = f"{self._body(why, answers.REFUSED)}\n\n{answers.marker(self.comment.id)}"
        self.github.edit_comment(reply, text)
        self.github.react(self.comment.id, NO)
        return f"refused: {why.splitlines()[0]}"


def _words(mistake: Mistake) -> str:
    near = f" Did you mean {span(mistake.nearest)}?" if mistake.nearest else ""
    return f"{mistake.what} {span(mistake.word)}.{near}" if mistake.word else mistake.what
