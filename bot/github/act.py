"""Carries out a plan, step by step, through whatever satisfies `Issues`. No decision is made here.

Comments go first and are found again by their marker, the body with its state goes last: a run that was
cut off and repeated says nothing twice.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from bot.github.marker import comment_marker, merge, read_state
from bot.github.model import QUIET, Act, Issue, Plan, Step


class Issues(Protocol):
    """What acting needs of GitHub."""

    def issue(self, number: int) -> Issue:
        """Return one issue as it is now."""

    def create_issue(self, title: str, body: str, labels: tuple[str, ...], key: str) -> int:
        """Create an issue exactly once."""

    def edit_issue(self, number: int, **changes: Any) -> None:
        """Change an issue."""

    def ensure_comment(self, number: int, marker: str, body: str, *, edit: bool = False) -> int:
        """Make sure one comment with this marker is there."""

    def label(self, number: int, labels: tuple[str, ...]) -> None:
        """Add labels."""


def carry_out(plan: Plan, github: Issues, run: str) -> tuple[int | None, ...]:
    """Do every step; returns the issue number of each (None for a skip without one)."""
    return tuple(_step(step, github, run) for step in plan.steps)


def _step(step: Step, github: Issues, run: str) -> int | None:
    if step.act is Act.SKIP:
        return step.number
    if step.number is None:
        return github.create_issue(step.title or step.cause, merge("", step.region or ""), step.labels, step.key)
    fresh = github.issue(step.number)
    if _hands_off(fresh) and step.state_reason != "duplicate":  # a twin is our own mistake, to be mended anyhow
        return step.number
    if step.labels:
        github.label(step.number, step.labels)
    if step.comment:
        github.ensure_comment(step.number, comment_marker(f"{step.key}/{step.number}/{run}/{step.act}"), step.comment)
    changes = _changes(step, fresh)
    if changes:
        github.edit_issue(step.number, **changes)
    return step.number


def _hands_off(fresh: Issue) -> bool:
    """Return whether people asked for silence after the issue was listed."""
    return fresh.locked or QUIET in fresh.labels or (not fresh.open and fresh.state_reason == "not_planned")


def _changes(step: Step, fresh: Issue) -> dict[str, Any]:
    """Return what differs from the issue as it is this moment: people may have written since it was listed."""
    changes: dict[str, Any] = {}
    body = merge(fresh.body, step.region) if step.region else fresh.body
    if step.region and read_state(body) is None:
        body = fresh.body  # people left no room: their text stays, and the marker that was there
    if body != fresh.body:
        changes["body"] = body
    if step.open is not None and step.open != fresh.open:
        changes["state"] = "open" if step.open else "closed"
        changes["state_reason"] = "reopened" if step.open else step.state_reason
    return changes


def listing(plan: Plan, numbers: Sequence[int | None] = ()) -> str:
    """Return the plan as text, a line a step: what `--dry-run` prints and the job log keeps."""
    if not plan.steps:
        return "nothing to do: no finding, and no open issue was touched\n"
    rows = zip(plan.steps, (*numbers, *[None] * len(plan.steps)), strict=False)
    return "".join(
        f"{step.act.value:8} {_where(step, number):8} {step.cause:14} {step.key}  {step.reason}\n"
        for step, number in rows
    )


def _where(step: Step, number: int | None) -> str:
    return f"#{number or step.number}" if number or step.number else "-"
