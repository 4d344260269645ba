"""What was known before and is kept in no issue: observed once, last good commit, recent writes.

Pure but for `load` and `save`.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.errors import UserError

NAME = "history.json"
_KEPT = 500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Small facts of earlier runs on the default branch."""

    runs: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  # key -> marks of runs that showed it
    writes: tuple[str, ...] = ()  # times of write calls, ISO
    good: dict[str, str] = dataclasses.field(default_factory=dict)  # model + toolchain -> last commit all gates held on

    def seen(self, key: str, *, besides: str) -> int:
        """Return in how many other runs a key was seen."""
        return len({run for run in self.runs.get(key, ()) if run != besides})

    def writes_since(self, then: datetime) -> int:
        """Return how many writes were made after a moment."""
        return sum(1 for at in self.writes if datetime.fromisoformat(at) > then)

    def after(self, keys: Iterable[str], run: str, writes: int, now: datetime, good: dict[str, str]) -> "History":
        """Return the history with one more run in it, old entries dropped. Keys the run did not show start anew."""
        runs = dict(self.runs)
        for key in keys:
            runs[key] = tuple(sorted({*runs.get(key, ()), run}))[-5:]
        recent = [at for at in self.writes if (now - datetime.fromisoformat(at)).total_seconds() < 7200]
        return History(
            runs=dict(list(runs.items())[-_KEPT:]),
            writes=(*recent, *[now.isoformat()] * writes),
            good=dict(list({**self.good, **good}.items())[-_KEPT:]),
        )


def load(folder: Path | None) -> History:
    """Read the history of a folder; a missing file is an empty history, a damaged one is an error.

    Raises UserError naming the file.
    """
    path = folder / NAME if folder else None
    if path is None or not path.exists():
        return History()
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        history = History(
            runs={str(k): tuple(str(i) for i in v) for k, v in data["runs"].items()},
            writes=tuple(datetime.fromisoformat(at).isoformat() for at in data["writes"]),
            good={str(k): str(v) for k, v in data["good"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError("not a history", where=str(path), hint="delete it to start anew") from error
    return history


def save(folder: Path, history: History) -> None:
    """Write the history, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{NAME}.{os.getpid()}"
    temporary.write_text(json.dumps(dataclasses.asdict(history), indent=1, sort_keys=True))
    temporary.replace(folder / NAME)
