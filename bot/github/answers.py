"""The bot's answer to a command: one reply a comment, found by its marker, edited until it is the result."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from bot.github.marker import comment_marker, hidden
from bot.github.model import Run
from bot.github.replies import result as result_words
from bot.report.render import Changes
from bot.report.view import View

_DATA = re.compile(r"<!-- requalify:request (\{.*\}) -->")
STARTED, DONE, REFUSED, ANSWERED = "started", "done", "refused", "answered"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reply of ours remembers of the command it answers. Written by us, so a cache at most."""

    request: int  # comment id
    user: int
    at: str  # ISO
    state: str  # started, done, refused, answered


class Replies(Protocol):
    """What answering needs of GitHub."""

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Return our comments on an issue."""

    def comment(self, comment: int) -> dict[str, Any] | None:
        """Return a comment."""

    def edit_comment(self, comment: int, body: str) -> None:
        """Replace the text of a comment."""


def marker(request: int) -> str:
    """Return the marker of the reply to a comment."""
    return comment_marker(f"request/{request}")


def written(text: str, answer: Answer) -> str:
    """Return a reply's body with what it remembers; the marker follows when it is written."""
    return f"{text}\n\n{hidden('request', dataclasses.asdict(answer))}"


def read(comment: Mapping[str, Any]) -> Answer | None:
    """Return what a comment of ours remembers; None when it answers no command."""
    found = _DATA.findall(comment.get("body") or "")
    try:
        data = json.loads(found[-1])
        answer = Answer(request=int(data["request"]), user=int(data["user"]), at=data["at"], state=str(data["state"]))
        datetime.fromisoformat(answer.at)
    except (IndexError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return answer


def result(github: Replies, run: Run, results: Sequence[tuple[str, str, View, Changes]]) -> bool:
    """Edit the reply to the command that asked for a run into its result; tell whether it was there."""
    comment = github.comment(run.request or 0)
    number = re.search(r"/issues/(\d+)$", str((comment or {}).get("issue_url")))
    if number is None:
        return False
    for reply in github.comments(int(number[1])):
        answer = read(reply)
        if answer and answer.request == run.request:
            done = dataclasses.replace(answer, state=DONE)
            text = f"{written(result_words(run, results), done)}\n\n{marker(answer.request)}"
            if text != reply["body"]:
                github.edit_comment(int(reply["id"]), text)
            return True
    return False
