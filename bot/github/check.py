"""What a check run says, and where its verdict goes when checks can not be written. Pure.

Limits are GitHub's: 50 annotations a request (later ones are appended), 64 KB a message, 255 characters a
title, 140 of a status.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.github.model import Run
from bot.records import Finding
from bot.report import render
from bot.report.markdown import cut
from bot.report.redact import clean
from bot.report.render import Changes
from bot.report.rows import GateRow
from bot.report.view import View

BATCH = 50
ANNOTATIONS = 300
MESSAGE = 4_000
_PATH = re.compile(r"(?![./])[A-Za-z0-9_./+-]{1,200}")
_STATES = {"success": "success", "failure": "failure", "neutral": "error", "action_required": "error"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A verdict on a commit."""

    name: str
    conclusion: str
    title: str
    summary: str
    text: str
    annotations: tuple[Mapping[str, Any], ...] = ()

    def data(self, run: Run) -> dict[str, Any]:
        """Return the body of the request that makes the check, with the first annotations."""
        return {
            "name": self.name,
            "head_sha": run.sha,
            "external_id": f"requalify/{run.mark}",
            "status": "completed",
            "conclusion": self.conclusion,
            "details_url": run.url,
            "output": {**self._output(), "text": self.text, "annotations": list(self.annotations[:BATCH])},
        }

    def rest(self) -> list[dict[str, Any]]:
        """Return the bodies of the requests that append the other annotations."""
        batches = range(BATCH, len(self.annotations), BATCH)
        return [{"output": {**self._output(), "annotations": list(self.annotations[i : i + BATCH])}} for i in batches]

    def _output(self) -> dict[str, Any]:
        return {"title": self.title, "summary": self.summary}

    def status(self, run: Run) -> dict[str, Any]:
        """Return the commit status that stands in for the check."""
        return {
            "state": _STATES[self.conclusion],
            "context": self.name,
            "description": cut(self.title, 140),
            "target_url": run.url,
        }


def check(told: View, changes: Changes, conclusion: str, part: str) -> Check:
    """Return the check of a judged run."""
    title, summary, text = render.check_output(told, changes)
    return Check(
        name=f"requalify {part}",
        conclusion=conclusion,
        title=title,
        summary=summary,
        text=text,
        annotations=tuple(_annotations(told, changes, part))[:ANNOTATIONS],
    )


def _annotations(told: View, changes: Changes, part: str) -> Iterable[dict[str, Any]]:
    """Yield a note for each broken row: gates have no line in the code, so they are pinned to the playbook's first."""
    path = told.playbook if _PATH.fullmatch(told.playbook) and "." in told.playbook else ""
    path = path or f"playbooks/{part}.playbook.yaml"
    causes: dict[str, Finding] = {cell: finding for finding in told.findings for cell in finding.gates}
    levels: Sequence[tuple[str, Iterable[tuple[GateRow, str]]]] = (
        ("failure", [(row, "new") for row in changes.new]),
        ("failure", changes.expired),
        ("warning", [(row, f"known: {where}") for row, where in changes.known]),
        ("notice", [(row, f"waived by {where}") for row, where in changes.waived]),
    )
    for level, rows in levels:
        for row, words in rows:
            yield note(path, 1, level, f"{row.gate} {row.conversion}", _message(row, words, causes))


def _message(row: GateRow, words: str, causes: Mapping[str, Finding]) -> str:
    finding = next((causes[cell] for cell in row.cells if cell in causes), None)
    cause = f"\nCause: {finding.id} {finding.slug} ({finding.confidence.value})" if finding else ""
    return f"{row.worst.reason} ({words}){cause}"


def note(path: str, line: int, level: str, title: str, message: str) -> dict[str, Any]:
    """Return one annotation; its texts are shown as they are, so they are only cleaned and cut."""
    return {
        "path": path,
        "start_line": line,
        "end_line": line,
        "annotation_level": level,
        "title": cut(" ".join(clean(title).split()), 255) or "requalify",
        "message": cut(clean(message), MESSAGE) or "no reason was recorded",
    }
