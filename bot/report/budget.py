"""How much a page may hold, and in which order detail goes when it does not fit."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

BODY = 65_536  # characters of an issue or comment body
CHECK = 65_535  # bytes of a check's summary or text
STEP = 1 << 20  # bytes of a job summary
TITLE = 256

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much of each thing is told."""

    rows: int  # of a gate table
    text: int  # characters of one foreign sentence or cell
    block: int  # characters of one quoted output
    items: int  # hypotheses, commands, criteria, reasons
    arguments: int  # sentences for and against one hypothesis
    heat: bool = True
    history: bool = True
    related: bool = True
    environment: int = 60


# the order detail goes in: history, related issues, heat map and excerpts, environment, commands and hypotheses, rows;
# never the marker, the verdict or the table
LADDER = (
    Detail(rows=200, text=600, block=6_000, items=24, arguments=12),
    Detail(rows=200, text=600, block=6_000, items=24, arguments=12, history=False),
    Detail(rows=200, text=600, block=6_000, items=24, arguments=12, history=False, related=False),
    Detail(rows=100, text=300, block=1_500, items=24, arguments=8, heat=False, history=False, related=False),
    Detail(
        rows=50, text=300, block=800, items=16, arguments=5, heat=False, history=False, related=False, environment=16
    ),
    Detail(rows=50, text=200, block=400, items=8, arguments=3, heat=False, history=False, related=False, environment=8),
    Detail(rows=20, text=120, block=200, items=4, arguments=2, heat=False, history=False, related=False, environment=5),
    Detail(rows=8, text=60, block=100, items=2, arguments=1, heat=False, history=False, related=False, environment=2),
    Detail(rows=3, text=30, block=60, items=1, arguments=1, heat=False, history=False, related=False, environment=1),
)


def fitted(write: Callable[[Detail], str], limit: int, size: Callable[[str], int] = len) -> str:
    """Return the fullest page within the limit; the last rung is small whatever it is fed."""
    page = ""
    for detail in LADDER:
        page = write(detail)
        if size(page) <= limit:
            return page
    raise ValueError(f"the smallest page has {size(page)} where {limit} is the limit")


def in_bytes(text: str) -> int:
    """Return the size of a text as it travels."""
    return len(text.encode())


def most(items: Sequence[T], limit: int) -> tuple[Sequence[T], int]:
    """Return the first `limit` items and how many are left out."""
    return items[:limit], max(len(items) - limit, 0)
