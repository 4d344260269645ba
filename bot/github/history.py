"""What was known before and is kept in no issue: observed once, last good commits, recent writes.

Pure but for `load` and `save`.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.errors import UserError

NAME = "history.json"
BASE = "base"  # folder of the last evidence of each playbook on the default branch
BASES = 24
_KEYS = 500
_GOOD = 4_000
_SIZE = 16 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A run in which something held: when, on what, with what."""

    sha: str
    at: str
    environment: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Small facts of earlier runs on the default branch."""

    runs: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  # key -> marks of runs that showed it
    writes: tuple[str, ...] = ()  # times of write calls, ISO
    good: dict[str, str] = dataclasses.field(
        default_factory=dict
    )  # model, toolchain, cell -> mark of its last good run
    facts: dict[str, Good] = dataclasses.field(default_factory=dict)  # mark -> that run

    def seen(self, key: str, *, besides: str) -> int:
        """Return in how many other runs a key was seen."""
        return len({run for run in self.runs.get(key, ()) if run != besides})

    def writes_since(self, then: datetime) -> int:
        """Return how many writes were made after a moment."""
        return sum(1 for at in self.writes if datetime.fromisoformat(at) > then)

    def last_good(self, model: str, toolchain: str, cells: Iterable[str]) -> Good | None:
        """Return the last run in which all those cells had held; None when one of them never did."""
        marks = [self.good.get(place(model, toolchain, cell)) for cell in cells]
        found = [self.facts.get(mark) for mark in marks if mark]
        known = [good for good in found if good]
        return min(known, key=lambda good: good.at) if known and len(known) == len(marks) else None

    def after(self, keys: Iterable[str], run: str, writes: int, now: datetime) -> "History":
        """Return the history with one more run in it, old entries dropped."""
        runs = dict(self.runs)
        for key in keys:
            runs[key] = tuple(dict.fromkeys((*runs.pop(key, ()), run)))[-5:]
        recent = [at for at in self.writes if (now - datetime.fromisoformat(at)).total_seconds() < 7200]
        return dataclasses.replace(
            self, runs=dict(list(runs.items())[-_KEYS:]), writes=(*recent, *[now.isoformat()] * writes)
        )

    def with_good(self, run: str, told: Good, places: Iterable[str]) -> "History":
        """Return the history in which this run is the last good one of those places."""
        good = dict(self.good)
        for name in places:
            good.pop(name, None)
            good[name] = run
        good = dict(list(good.items())[-_GOOD:])
        facts = {mark: kept for mark, kept in {**self.facts, run: told}.items() if mark in set(good.values())}
        return dataclasses.replace(self, good=good, facts=facts)


def place(model: str, toolchain: str, cell: str) -> str:
    """Return the name under which the history keeps one cell of one model."""
    return "\n".join((model, toolchain, cell))


def changed(good: Good, now: Mapping[str, str]) -> tuple[str, ...]:
    """Return what differs between the environment of a good run and this one, a line each."""
    names = sorted({*good.environment, *now})
    pairs = ((name, good.environment.get(name, "not there"), now.get(name, "not there")) for name in names)
    lines = tuple(f"{name}: {before} → {after}" for name, before, after in pairs if before != after)
    return lines or ("nothing of the environment: only the code under test",)


def load(folder: Path | None) -> History:
    """Read the history of a folder; a missing file is an empty history, a damaged one is an error.

    Raises UserError naming the file.
    """
    path = folder / NAME if folder else None
    if path is None or not path.exists():
        return History()
    try:
        if path.stat().st_size > _SIZE:
            raise ValueError("too large")
        return _read(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError("not a history", where=str(path), hint="delete it to start anew") from error


def _read(data: dict[str, Any]) -> History:
    return History(
        runs={str(key): tuple(str(mark) for mark in marks) for key, marks in data["runs"].items()},
        writes=tuple(datetime.fromisoformat(at).isoformat() for at in data["writes"]),
        good={str(key): str(mark) for key, mark in data["good"].items()},
        facts={str(mark): _good(told) for mark, told in data["facts"].items()},
    )


def _good(told: dict[str, Any]) -> Good:
    environment = {str(key): str(value) for key, value in told["environment"].items()}
    return Good(sha=str(told["sha"]), at=datetime.fromisoformat(told["at"]).isoformat(), environment=environment)


def save(folder: Path, history: History) -> None:
    """Write the history, whole or not at all."""
    temporary = folder / f".{NAME}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dataclasses.asdict(history), indent=1, sort_keys=True))
        temporary.replace(folder / NAME)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"the history can not be kept: {error.strerror}", where=str(folder)) from None


def keep_base(folder: Path, part: str, journal: Path) -> bool:
    """Keep a journal as the last evidence of a playbook: what pull requests are compared with; tell whether it was."""
    place = folder / BASE / part
    try:
        if not place.exists() and len(list((folder / BASE).glob("*"))) >= BASES:
            return False
        place.mkdir(parents=True, exist_ok=True)
        temporary = place / f".{os.getpid()}"
        shutil.copyfile(journal, temporary)
        temporary.replace(place / "evidence.jsonl")
    except OSError as error:
        raise UserError(f"the evidence can not be kept: {error.strerror}", where=str(place)) from None
    return True
