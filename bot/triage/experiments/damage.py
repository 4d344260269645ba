"""Local damage: a few blocks are wrong, all others are right, so no convention can be the reason."""

import math
from typing import Any

import numpy as np

from bot.formats._base import F32
from bot.triage.case import residual

BLOCK = 32
FEW = 0.2  # more wrong blocks than this are not a few
LEAST = 8  # blocks a tensor must have for "a few of them" to mean something
LISTED = 5


def mended(predicted: F32, found: F32, limit: float) -> tuple[float, dict[str, Any]]:
    """Return the residual of the blocks that are not damaged, and where the damaged ones are.

    Infinite when there are none, too many, or too few blocks to tell; damage must stand out from what
    rounding does to a block by more than any rounding could.
    """
    if predicted.shape != found.shape or predicted.size < LEAST * BLOCK:
        return math.inf, {}
    count = predicted.size // BLOCK
    x, y = (side.reshape(-1)[: count * BLOCK].reshape(count, BLOCK) for side in (predicted, found))
    with np.errstate(all="ignore"):
        error, size = np.abs(x - y).max(axis=1), np.maximum(np.abs(x), np.abs(y)).max(axis=1)
        typical = 0.0 if np.isnan(size).all() else float(np.nanmedian(size))
        bad = ~(error <= np.maximum(max(3 * limit, 1e-5) * np.maximum(size, typical * 0.05), 1e-30))
    wrong = np.flatnonzero(bad)
    if not 0 < wrong.size <= FEW * count:
        return math.inf, {}
    where = [_place(int(block) * BLOCK, predicted.shape) for block in wrong[:LISTED]]
    return residual(x[~bad], y[~bad]), {"blocks": int(wrong.size), "of": count, "where": where}


def _place(flat: int, shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in np.unravel_index(flat, shape)) + "]"
