"""The result of a requested run, into which the acknowledgement of the command is edited."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Protocol

from bot.github import answers
from bot.github.messages import run_link, span
from bot.github.model import Run
from bot.records import Outcome
from bot.report.budget import LADDER
from bot.report.pieces import names
from bot.report.render import Changes
from bot.report.rows import BROKEN, GateRow
from bot.report.view import View

_WORDS = {
    "success": "everything that was asked for held",
    "failure": "failed",
    "neutral": "could not be judged as a whole, which is no pass",
    "action_required": "could not begin",
}


class Replies(Protocol):
    """What answering needs of GitHub."""

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Return our comments on an issue."""

    def comment(self, comment: int) -> dict[str, Any] | None:
        """Return a comment."""

    def edit_comment(self, comment: int, body: str) -> None:
        """Replace the text of a comment."""


def edit(github: Replies, run: Run, results: Sequence[tuple[str, str, View, Changes]]) -> bool:
    """Edit the reply to the command that asked for a run into its result; tell whether it was there."""
    comment = github.comment(run.request or 0)
    number = re.search(r"/issues/(\d+)$", str((comment or {}).get("issue_url")))
    if number is None:
        return False
    for reply in github.comments(int(number[1])):
        answer = answers.read(reply)
        if answer and answer.request == run.request:
            done = dataclasses.replace(answer, state=answers.DONE)
            text = f"{answers.written(told(run, results), done)}\n\n{answers.marker(answer.request)}"
            if text != reply["body"]:
                github.edit_comment(int(reply["id"]), text)
            return True
    return False


def told(run: Run, results: Sequence[tuple[str, str, View, Changes]]) -> str:
    """Return the result of a request: verdict, counts and the difference from the run before."""
    parts = [f"Result of {run_link(run)}:"]
    for part, conclusion, view, changes in results:
        failed = sum(view.count(outcome) for outcome in BROKEN)
        counts = f"{view.count(Outcome.CORROBORATED)} of {view.planned} cells held, {failed} failed"
        parts.append(f"**{span(part)}** {_WORDS[conclusion]}: {counts}.")
        parts += _delta(changes)
    if not results:
        parts.append("There was no evidence to judge: the run failed before it measured anything.")
    return "\n\n".join(parts)


def _delta(changes: Changes) -> list[str]:
    """Say what is different from the base branch's last evidence."""
    if changes.base is None:
        return ["There was no earlier run to compare with."]
    lines = [_rows("Fixed since the last run", changes.fixed), _rows("New since the last run", changes.new)]
    lines.append(_rows("Still failing", [row for row, _ in changes.known]))
    return [line for line in lines if line] or ["No different from the last run."]


def _rows(words: str, rows: Sequence[GateRow]) -> str:
    return f"{words}: {names(rows[:20], LADDER[3])}." if rows else ""
