"""A board of issues in memory: what `carry_out` acts on when no wire is needed, with people who meddle."""

import dataclasses
import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.github import marker
from bot.github.model import Issue

read_state = functools.lru_cache(maxsize=4096)(marker.read_state)  # pure, and bodies repeat


class Board:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.held: dict[int, Issue] = {}
        self.said: dict[int, list[tuple[str, str]]] = {}  # marker, text
        self.writes = 0
        self.between: Callable[[int], None] = lambda number: None  # what people do between our read and our write

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)

    def listed(self) -> tuple[Issue, ...]:
        return tuple(dataclasses.replace(issue, state=read_state(issue.body)) for issue in self.held.values())

    # -- what acting needs ---------------------------------------------------

    def issue(self, number: int) -> Issue:
        self.between(number)
        return dataclasses.replace(self.held[number], state=read_state(self.held[number].body))

    def create_issue(self, title: str, body: str, labels: tuple[str, ...], key: str) -> int:
        number = len(self.held) + 1
        self.held[number] = Issue(
            number=number, title=title, body=body, open=True, created=self.now, labels=frozenset(labels)
        )
        self._wrote(number)
        return number

    def edit_issue(self, number: int, **changes: Any) -> None:
        if "state" in changes:
            changes["open"] = changes.pop("state") == "open"
            changes["closed"] = None if changes["open"] else self.now
        self.held[number] = dataclasses.replace(self.held[number], **changes)
        self._wrote(number)

    def ensure_comment(self, number: int, marker: str, body: str, *, edit: bool = False) -> int:
        if marker not in {held for held, _ in self.said.setdefault(number, [])}:
            self.said[number].append((marker, body))
            self._wrote(number)
        return 1

    def label(self, number: int, labels: tuple[str, ...]) -> None:
        issue = self.held[number]
        self.held[number] = dataclasses.replace(issue, labels=issue.labels | set(labels))
        self._wrote(number)

    def _wrote(self, number: int) -> None:
        self.writes += 1
        assert len(self.held[number].body) <= 65_536
        assert len(self.held[number].title) <= 256

    # -- people ----------------------------------------------------------------

    def person(self, number: int, **changes: Any) -> None:
        self.held[number] = dataclasses.replace(self.held[number], **changes)
