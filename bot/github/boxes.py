"""Ticks the acceptance criteria of an issue as its gates hold. Pure."""

import re
from collections.abc import Iterable

from bot.github.model import Row
from bot.records import Outcome

_HEADING = "## Acceptance Criteria"
_GATE = re.compile(r"- \[[ x]\] (`+ ?)(\S+?)( ?`+).* holds\b.*")
_SCORE = re.compile(r"- \[[ x]\] .* qualifies with MQS ≥ .*")


def ticked(text: str, rows: Iterable[Row], *, qualifies: bool) -> str:
    """Return the managed text with each box as this run found its gate; boxes of no known gate stay as they are."""
    holds: dict[str, bool] = {}
    for row in rows:
        gate = row.cell.split("/", 1)[0]
        holds[gate] = holds.get(gate, True) and row.outcome == Outcome.CORROBORATED.value
    lines, inside = [], False
    for line in text.split("\n"):
        if line.startswith("## "):
            inside = line == _HEADING
        lines.append(_line(line, holds, qualifies) if inside else line)
    return "\n".join(lines)


def _line(line: str, holds: dict[str, bool], qualifies: bool) -> str:
    if match := _GATE.fullmatch(line):
        return _box(line, holds[match[2]]) if match[2] in holds else line
    return _box(line, qualifies) if _SCORE.fullmatch(line) else line


def _box(line: str, done: bool) -> str:
    return f"- [{'x' if done else ' '}]{line[5:]}"
