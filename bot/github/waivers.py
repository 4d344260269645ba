"""Waivers: a fenced TOML block in a labelled issue excuses a gate for a model until a date. Pure.

Only blocks of people with write access count; whether somebody has it is asked by the caller. What is
written wrongly excuses nothing and is said; what has expired is said loudest.
"""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

ISSUES = 20
BLOCK = 8_192
MOST = 100
_FENCE = re.compile(r"^ {0,3}(```+|~~~+) *toml *$", re.IGNORECASE)
_KEYS = {"gate", "model", "until", "reason"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One gate of one model, excused until the end of a day."""

    gate: str
    model: str
    until: date
    issue: int
    reason: str = ""

    def covers(self, gate: str, model: str) -> bool:
        """Return whether it speaks of this gate and model."""
        return gate == self.gate and self.model in {model, model.rsplit("/", 1)[-1]}

    def expired(self, today: date) -> bool:
        """Return whether its last day is over."""
        return today > self.until


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """All waivers of a repository, and what was wrong with others."""

    all: tuple[Waiver, ...] = ()
    problems: tuple[str, ...] = ()

    def find(self, gate: str, model: str) -> Waiver | None:
        """Return the waiver of a gate, one in force before an expired one."""
        found = [waiver for waiver in self.all if waiver.covers(gate, model)]
        return max(found, key=lambda waiver: waiver.until, default=None)


def read(issues: Iterable[Mapping[str, Any]], may_write: Callable[[str, int], bool]) -> Waivers:
    """Return the waivers of the labelled issues whose authors may write."""
    found: list[Waiver] = []
    problems: list[str] = []
    every = sorted(issues, key=lambda item: int(item["number"]))
    if len(every) > ISSUES:
        problems.append(f"only the first {ISSUES} issues with waivers are read, there are {len(every)}")
    for item in every[:ISSUES]:
        number, user = int(item["number"]), item.get("user") or {}
        blocks = _blocks(str(item.get("body") or ""))
        if blocks and not may_write(str(user.get("login")), int(user.get("id") or 0)):
            problems.append(f"#{number}: its author has no write access, so its waivers do not count")
            continue
        for block in blocks:
            _block(block, number, found, problems)
    return Waivers(all=tuple(found[:MOST]), problems=tuple(problems[:MOST]))


def _blocks(body: str) -> list[str]:
    """Return the TOML fences of a body, closed ones only."""
    blocks: list[str] = []
    fence, lines = "", list[str]()
    for line in body.replace("\r\n", "\n").split("\n"):
        if not fence:
            match = _FENCE.match(line)
            fence, lines = (match[1] if match else ""), []
        elif line.strip() and set(line.strip()) == {fence[0]} and len(line.strip()) >= len(fence):
            blocks.append("\n".join(lines))
            fence = ""
        else:
            lines.append(line)
    return blocks


def _block(text: str, number: int, found: list[Waiver], problems: list[str]) -> None:
    if len(text) > BLOCK:
        problems.append(f"#{number}: a block of more than {BLOCK} characters")
        return
    try:
        entries = tomllib.loads(text).get("waive")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problems.append(f"#{number}: not TOML: {str(error)[:120]}")
        return
    if not isinstance(entries, list):
        problems.append(f"#{number}: no [[waive]] in its block")
        return
    for place, entry in enumerate(entries[:MOST], 1):
        made = _waiver(entry, number)
        if isinstance(made, Waiver):
            found.append(made)
        else:
            problems.append(f"#{number}: waiver {place}: {made}")


def _waiver(entry: Any, number: int) -> Waiver | str:
    """Return a waiver, or what is wrong with it."""
    if not isinstance(entry, dict) or (unknown := set(entry) - _KEYS):
        names = ", ".join(sorted(map(str, unknown))) if isinstance(entry, dict) else "no table"
        return f"unknown keys: {names[:80]}"
    gate, model, until, reason = (entry.get(name) for name in ("gate", "model", "until", "reason"))
    if isinstance(until, datetime) or not isinstance(until, date):
        return "until is no date such as 2026-12-31"
    if not isinstance(gate, str) or not isinstance(model, str) or not gate or not model:
        return "gate and model are texts"
    return Waiver(gate=gate, model=model, until=until, issue=number, reason=str(reason or "")[:200])
