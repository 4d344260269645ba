"""The managed region of a body: hidden markers round it, the state in its last line. Pure.

People write above and below the region, never inside: what stands between the markers is ours and is
replaced. A region that is missing or doubled is never guessed at; a new one is appended.
"""

import dataclasses
import json
import re
from typing import Any, TypeVar

from bot.github.model import Row, State

VERSION = 1
BODY_LIMIT = 65_536  # characters; GitHub answers 422 "body is too long" beyond
BEGIN = "<!-- requalify:begin -->"
END = "<!-- requalify:end -->"
_STATE = re.compile(r"<!-- requalify:state (\{.*\}) -->")
_REGION = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
STATE_LIMIT = 26_000
_ROWS_KEPT = 80
_MEMBERS_KEPT = 200
Record = TypeVar("Record", State, Row)


def comment_marker(subject: str) -> str:
    """Return the hidden line by which a comment of ours is found again."""
    return f"<!-- requalify:comment {re.sub(r'[^A-Za-z0-9_.:/@#]', '_', subject)[:200]} -->"


def hidden(name: str, data: Any) -> str:
    """Return JSON in an HTML comment that no value can end: < > and - are written as escapes."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=True, allow_nan=False)
    for char in "<>-":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f"<!-- requalify:{name} {text} -->"


def region(text: str, state: State) -> str:
    """Return the managed region: the text between the markers and the state behind it."""
    line = _state_line(state)
    room = BODY_LIMIT - len(BEGIN) - len(END) - len(line) - 8
    return f"{BEGIN}\n{_cut(_dead(text), room)}\n\n{line}\n{END}"


def _state_line(state: State) -> str:
    """Return the hidden line of a state, with as many rows as there is room for."""
    rows = sorted(state.rows, key=lambda row: row.passes)  # what still fails is kept first
    kept, members = _ROWS_KEPT, state.members[:_MEMBERS_KEPT]
    while True:
        dropped = state.dropped + max(len(rows) - kept, 0)
        short = dataclasses.replace(state, rows=tuple(rows[:kept]), dropped=dropped, members=members)
        line = hidden("state", {"v": VERSION, **_fields(short), "rows": [_fields(row) for row in short.rows]})
        if len(line) <= STATE_LIMIT or not kept:
            return line
        kept //= 2


def _fields(record: State | Row) -> dict[str, Any]:
    """Return a record's fields; `asdict` would copy every value, which takes most of the time of a plan."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _dead(text: str) -> str:
    """Break markers of ours in foreign text, so that it can not end the region or forge a state."""
    return text.replace("<!-- requalify:", "<!-- requalify·")


def _cut(text: str, room: int) -> str:
    """Shorten at a line, closing a fence that was left open."""
    if len(text) <= room:
        return text
    lines: list[str] = []
    fence, used = "", 100
    for line in text.split("\n"):
        if used + len(line) + 1 > room:
            break
        lines.append(line)
        used += len(line) + 1
        fence = _fence_after(line, fence)
    return "\n".join([*lines, *([fence] if fence else []), "", "*(cut: longer than GitHub allows)*"])


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after this line, or nothing."""
    match = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
    if not match:
        return fence
    ticks, rest = match.groups()
    if not fence:
        return "" if "`" in rest and ticks[0] == "`" else ticks
    return "" if ticks[0] == fence[0] and len(ticks) >= len(fence) and not rest.strip() else fence


def merge(body: str, new_region: str) -> str:
    """Put the region into a body without touching what people wrote.

    Where people left less room than the region needs, the region gives way, never their text.
    """
    found = _REGION.findall(body)
    if len(found) == 1 and body.count(BEGIN) == body.count(END) == 1:
        outside = len(body) - len(found[0])
        return _REGION.sub(lambda _: shrink(new_region, BODY_LIMIT - outside), body)
    body = body.replace(BEGIN, "").replace(END, "")
    body = _STATE.sub("", body).rstrip()
    sep = "\n\n" if body else ""
    return body + sep + shrink(new_region, BODY_LIMIT - len(body) - len(sep))


def shrink(new_region: str, room: int) -> str:
    """Return the region cut to `room` characters with markers and state whole; the state alone if need be."""
    if len(new_region) <= room:
        return new_region
    states = _STATE.findall(new_region)
    line = f"<!-- requalify:state {states[-1]} -->" if states else ""
    frame = f"{BEGIN}\n\n\n{line}\n{END}"
    text = new_region.removeprefix(BEGIN + "\n").removesuffix(f"\n\n{line}\n{END}")
    if len(frame) > room:
        return ""  # not even the state fits beside what people wrote
    return f"{BEGIN}\n{_cut(text, room - len(frame))}\n\n{line}\n{END}" if len(frame) + 200 < room else frame


def whole(body: str) -> str | None:
    """Return the one managed region of a body, markers included."""
    found = _REGION.findall(body)
    return found[0] if len(found) == 1 else None


def managed(body: str) -> str | None:
    """Return the text inside the one region, without its state; None when there is not exactly one."""
    found = _REGION.findall(body)
    if len(found) != 1:
        return None
    return _STATE.sub("", found[0].removeprefix(BEGIN).removesuffix(END)).strip("\n")


def read_state(body: str) -> State | None:
    """Return the state in a body; None for anything but one well-formed state of this version."""
    found = _REGION.findall(body)
    states = _STATE.findall(found[0]) if len(found) == 1 else []
    if len(states) != 1 or len(states[0]) > BODY_LIMIT:
        return None
    try:
        data = json.loads(states[0])
        if data.pop("v") != VERSION:
            return None
        return _state(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _state(data: dict[str, Any]) -> State:
    """Build a State, refusing fields of the wrong type: the body is editable by people."""
    rows = tuple(_typed(Row(**row)) for row in data.pop("rows"))
    for name in {"members", "corrected", "since", "runs"} & set(data):
        if not isinstance(data[name], list):
            raise TypeError(name)
        data[name] = tuple(str(item) for item in data[name])
    return _typed(State(**data, rows=rows))


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("passes", "reopened", "dropped"), (int,)),
    **dict.fromkeys(("told", "flaky"), (bool,)),
    **dict.fromkeys(("rows", "members", "corrected", "since", "runs"), (tuple,)),
    **dict.fromkeys(("good_sha", "closed_sha", "passed_sha"), (str, type(None))),
}


def _typed(record: Record) -> Record:
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        wanted = _TYPES.get(field.name, (str,))
        if not isinstance(value, wanted) or (wanted == (int,) and isinstance(value, bool)):
            raise TypeError(field.name)
    return record
