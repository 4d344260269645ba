"""Moves of vocabulary rows: shifted against their tokens, padded, trimmed."""

from collections.abc import Iterator

import numpy as np

from bot.formats._base import F32
from bot.formats.tokenizer import read_tokenizer
from bot.formats.view import Index
from bot.triage.case import Case, residual
from bot.triage.moves import Move, Rows

Shape = tuple[int, ...]
KINDS = ("embed_tokens.weight", "lm_head.weight", "wte.weight")
PROBES = 8  # rows looked for in the whole vocabulary
LARGEST = 1 << 27  # elements; a larger vocabulary is searched in its neighbourhood only


def moves(case: Case, x_shape: Shape, y_shape: Shape) -> Iterator[Move]:
    """Yield what can have happened to the rows of an embedding or a head."""
    if not case.name.endswith(KINDS) or len(x_shape) != 2 or x_shape[1:] != y_shape[1:]:
        return
    if x_shape[0] != y_shape[0]:
        yield _resized(case, x_shape, y_shape)
    if case.x.shape != x_shape or case.y.shape != y_shape:
        return
    if "shifts" not in case.memo:  # every reading asks, and the largest tensor is searched through
        case.memo["shifts"] = {(_earliest(case, start, by), by) for start, by in shifts(case.x, case.y)}
    for start, by in case.memo["shifts"]:
        yield _shifted(case, start, by)


def _resized(case: Case, x_shape: Shape, y_shape: Shape) -> Move:
    """Common rows are equal; what was appended is padding, what was cut off is padding or tokens."""
    common, whole = min(x_shape[0], y_shape[0]), y_shape[0]
    trimmed = x_shape[0] - common
    real = _tokens(case)
    clears = not trimmed or (real is not None and real <= common)

    def predict(x: F32, rows: Rows) -> F32:
        chosen = np.arange(whole, dtype=np.intp)[rows]
        out = case.y[chosen].copy()
        out[chosen < common] = x[chosen[chosen < common]]
        return out

    label = f"{trimmed} rows trimmed off the vocabulary" if trimmed else f"{whole - common} rows of padding appended"
    facts = {"kind": "clears" if clears else "defect", "rows": common, "tokens": real}
    return Move(causes=("LAYOUT-007",), label=label, predict=predict, shape=y_shape, facts=facts)


def _tokens(case: Case) -> int | None:
    """Return how many tokens A's tokenizer knows."""
    if "tokens" not in case.notes:
        tokenizer = read_tokenizer(case.a.checkpoint)
        case.notes["tokens"] = len(tokenizer.tokens) if tokenizer else None
    found: int | None = case.notes["tokens"]
    return found


def shifts(x: F32, y: F32) -> set[tuple[int, int]]:
    """Return (first row, by how much) such that later rows of Y look like rows of X that far away."""
    rows = min(len(x), len(y))
    first = _first_wrong(x[:rows], y[:rows])
    if first is None or rows - first < 4 * PROBES:
        return set()
    probes = np.unique(np.linspace(first + 2 * PROBES, len(y) - 2 * PROBES, PROBES).astype(np.intp))
    found: dict[int, int] = {}
    for probe in probes:
        by = int(_nearest(x, y[probe], int(probe))) - int(probe)
        found[by] = found.get(by, 0) + 1
    return {(first, by) for by, votes in found.items() if by and votes > len(probes) // 2}


def _earliest(case: Case, start: int, by: int) -> int:
    """Return the row from which on all rows are moved: alike ones before the first plainly wrong one may be as well."""
    while start > max(0, -by) and not np.array_equal(case.x[start - 1], case.y[start - 1]):
        own, moved = (residual(case.x[row], case.y[start - 1]) for row in (start - 1, start - 1 + by))
        if own <= moved:
            break
        start -= 1
    return start


def _first_wrong(x: F32, y: F32) -> int | None:
    """Return the row from which on more rows differ than agree."""
    with np.errstate(all="ignore"):
        error = np.square(x - y).sum(axis=1, dtype=np.float64)
        scale = np.square(x).sum(axis=1, dtype=np.float64) + np.square(y).sum(axis=1, dtype=np.float64)
    wrong = ~(error <= 0.25 * scale)
    return int(wrong.argmax()) if wrong.any() else None


def _nearest(x: F32, row: F32, near: int) -> int:
    """Return the row of X that points most like `row`."""
    low, high = (0, len(x)) if x.size <= LARGEST else (max(0, near - 4096), near + 4096)
    part = x[low:high]
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.square(part).sum(axis=1, dtype=np.float64)) + 1e-30
        return low + int(np.argmax(np.nan_to_num((part @ row) / norms)))


def _shifted(case: Case, start: int, by: int) -> Move:
    count = len(case.y)
    order = np.arange(count, dtype=np.intp)
    order[start:] += by

    def predict(x: F32, rows: Rows) -> F32:
        chosen: Index = order[rows]
        out = case.y[rows].copy()  # rows that fell off an end are nobody's: no claim about them
        inside = (chosen >= 0) & (chosen < x.shape[0])
        # where rows were put in, the first of them are new
        inside &= ~((np.arange(count, dtype=np.intp)[rows] >= start) & (chosen < start)) if by < 0 else True
        out[inside] = x[chosen[inside]]
        return out

    facts = {"from_row": start, "by": by}
    return Move(
        causes=("LAYOUT-006",), label=f"rows from {start} on shifted by {by}", predict=predict, shape=case.y.shape,
        facts=facts,
    )  # fmt: skip
