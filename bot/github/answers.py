"""The bot's answer to a command: one reply a comment, found by its marker, edited until it is the result."""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.github.marker import comment_marker, hidden

_DATA = re.compile(r"<!-- requalify:request (\{.*\}) -->")
STARTED, DONE, REFUSED, ANSWERED = "started", "done", "refused", "answered"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reply of ours remembers of the command it answers. Written by us, so a cache at most."""

    request: int  # comment id
    user: int
    at: str  # ISO
    state: str  # started, done, refused, answered


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
