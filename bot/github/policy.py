"""Who may ask for what, and how often. Pure: every answer comes with its reason."""

import dataclasses
import enum
from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.github.answers import DONE, STARTED, Answer
from bot.github.event import Comment

ROLES = frozenset({"admin", "maintain", "write"})  # custom roles are not known here, and so denied


class Allowed(enum.StrEnum):
    """Whether a person may."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # denied as well, and said to be temporary


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often."""

    cooldown: timedelta = timedelta(minutes=10)  # of an issue
    a_day: int = 20  # of a person on an issue
    stale: timedelta = timedelta(hours=6)  # a request without a result is given up after that


def ignored(comment: Comment, login: str) -> str | None:
    """Return why a comment is none of our business, or None."""
    if comment.action != "created":
        return f"the comment was {comment.action[:20]}: only new ones are read"
    if comment.user_type != "User" or comment.login == login or comment.login.endswith("[bot]"):
        return "written by a bot"
    if not comment.open or comment.locked:
        return "the issue is closed or locked"
    return None


def authorize(comment: Comment, told: tuple[int, str] | None) -> tuple[Allowed, str]:
    """Return whether the author may give commands: the numeric id must agree and the role be known to write.

    `told` is (id, role name) as the API has it for the login now; a login that changed hands has another id.
    """
    if told is None:
        return Allowed.UNKNOWN, "GitHub did not say which role the author has"
    number, role = told
    if number != comment.user_id:
        return Allowed.NO, "the login belongs to another account now"
    if role not in ROLES:
        return Allowed.NO, f"the role {role[:40]!r} may not write"
    return Allowed.YES, f"the role {role!r} may write"


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why not now."""

    kind: str  # "cooling", "busy" or "daily"
    until: datetime | None = None


def too_often(earlier: Iterable[Answer], user: int, now: datetime, limits: Limits) -> Refusal | None:
    """Return why a request must wait, or None."""
    asked = [(datetime.fromisoformat(item.at), item) for item in earlier if item.state in {STARTED, DONE}]
    if any(item.state == STARTED and now - at < limits.stale for at, item in asked):
        return Refusal("busy")
    last = max((at for at, _ in asked), default=None)
    if last is not None and now - last < limits.cooldown:
        return Refusal("cooling", last + limits.cooldown)
    mine = [at for at, item in asked if item.user == user and now - at < timedelta(days=1)]
    return Refusal("daily") if len(mine) >= limits.a_day else None
