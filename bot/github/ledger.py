"""Keeps the rows of an issue: which model on which gate fails, and for how many runs each has held. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.github.model import Held, Row, Seen, State
from bot.records import Outcome


def failing(state: State | None, seen: Seen, day: str) -> tuple[Row, ...]:
    """Return the rows after a failing run: the cause is still there, so every streak starts anew."""
    old = {(row.model, row.cell): row for row in anew(state.rows)} if state else {}
    for cell, definition in seen.cells.items():
        before = old.get((seen.model, cell))
        old[seen.model, cell] = Row(
            model=seen.model,
            cell=cell,
            definition=definition,
            first=before.first if before else day,
            last=day,
            outcome=seen.outcomes[cell].value,
        )
    return tuple(old.values())


def anew(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return the rows with every streak at its start."""
    return tuple(dataclasses.replace(row, passes=0) for row in rows)


def watched(rows: Iterable[Row], model: str, held: Mapping[str, Held]) -> tuple[Row, ...]:
    """Return the rows after a run in which the cause was not seen.

    A pass counts only under the definition by which the gate failed; a gate that did not run, was
    skipped or was rewritten says so and counts for nothing.
    """
    return tuple(_watch(row, held.get(row.cell)) if row.model == model else row for row in rows)


def _watch(row: Row, now: Held | None) -> Row:
    if now is None:
        return row
    if now.definition != row.definition:
        return dataclasses.replace(row, outcome="changed")
    if now.outcome is Outcome.CORROBORATED:
        return dataclasses.replace(row, outcome=now.outcome.value, passes=row.passes + 1)
    if now.outcome in {Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT}:
        return dataclasses.replace(row, outcome=now.outcome.value, passes=0)
    return dataclasses.replace(row, outcome=now.outcome.value)


def merged(one: Iterable[Row], other: Iterable[Row]) -> tuple[Row, ...]:
    """Join the rows of twins: of two rows of one model and cell the later counts, with the smaller streak."""
    rows: dict[tuple[str, str], Row] = {}
    for row in (*one, *other):
        held = rows.get((row.model, row.cell))
        if held is None:
            rows[row.model, row.cell] = row
            continue
        late = max(held, row, key=lambda item: item.last)
        rows[row.model, row.cell] = dataclasses.replace(
            late, first=min(held.first, row.first), passes=min(held.passes, row.passes)
        )
    return tuple(rows.values())


def proven(rows: Iterable[Row], needed: int) -> bool:
    """Return whether every row held for as many runs as it takes; no rows prove nothing."""
    passes = [row.passes for row in rows]
    return bool(passes) and min(passes) >= needed


def day(now: datetime) -> str:
    """Return a date as rows keep it."""
    return now.strftime("%Y-%m-%d")
