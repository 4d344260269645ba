"""Fits of the value family: offsets, factors, scales of rows, columns and blocks, low-rank differences."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.formats._base import F32
from bot.triage.case import EXACT, Case
from bot.triage.experiments import folding
from bot.triage.moves import Fit

Fitted = tuple[F32, dict[str, Any]] | None
F64 = npt.NDArray[np.float64]
GROUP = 32  # values that share a scale at least, in every format that has block scales
FEW = 8  # observations a fitted number must answer for, to be an argument
WITNESSES = 64  # rows whose differences must span what all rows differ by
TYPICAL = 0.6  # of the error a type may cause at most, what it causes
LOST = 1e-12


def fits(case: Case) -> Iterator[Fit]:
    """Yield the fits, those with least freedom first."""
    if len(case.pair.a.shape) == 1 and case.kind.endswith(".weight"):
        yield Fit(causes=("VALUE-001",), label="one added or taken away", apply=offset)
    if "a_log" in case.kind.lower() or "ssm_a" in case.kind:
        yield Fit(causes=("VALUE-002",), label="decay stored as its logarithm, or the reverse", apply=decay)
    if case.kind in folding.AFTER:
        yield Fit(causes=("VALUE-007",), label="divided by what its readers were multiplied with", apply=_norm(case))
    # rows of zeros are what is left of rows written without their padding
    late = 2 if case.pair.b.info.row_padding else 0
    yield Fit(causes=("VALUE-008",), label="one value everywhere", apply=constant, freedom=late)
    yield Fit(causes=("VALUE-003",), label="multiplied by a constant", apply=factor, freedom=1)
    yield Fit(causes=("VALUE-007",), label="each column multiplied by its own scale", apply=_folded(case), freedom=2)
    yield Fit(causes=("VALUE-007",), label="each row multiplied by its own scale", apply=rows, freedom=2)
    yield Fit(causes=("VALUE-005",), label="each block multiplied by its own scale", apply=blocks, freedom=3)
    yield Fit(causes=("VALUE-006",), label="a difference of low rank added", apply=_low_rank(case), freedom=4)


def offset(x: F32, y: F32) -> Fitted:
    """Y = X + 1 or X - 1: the constant is fitted, and no other constant is an argument."""
    found = float(np.median(y - x))
    if abs(abs(found) - 1) > 2e-2:
        return None
    return x + np.float32(round(found)), {"offset": round(found), "spread": float(np.abs(y - x - found).max())}


def decay(x: F32, y: F32) -> Fitted:
    """Y = -exp(X) or X = -exp(Y)."""
    if (y < 0).all():
        return -np.exp(x), {"stored": "-exp"}
    return (np.log(-x), {"stored": "log"}) if (x < 0).all() else None


def constant(x: F32, y: F32) -> Fitted:
    """Y is one value, X is not."""
    if y.size < 2 or y.min() != y.max() or x.min() == x.max():
        return None
    return y.copy(), {"value": float(y.flat[0])}


def factor(x: F32, y: F32) -> Fitted:
    """Y = c·X."""
    c = _ratio(np.vdot(x, y), np.vdot(x, x))
    if c is None or x.size < FEW:
        return None
    return x * np.float32(c), {"factor": float(f"{c:.6g}")}


def columns(x: F32, y: F32, noise: float = EXACT) -> Fitted:
    """Y = X·diag(s), where the scales are not those of blocks."""
    return _scaled(x, y, axis=0, noise=noise)


def _folded(case: Case) -> Callable[[F32, F32], Fitted]:
    def apply(x: F32, y: F32) -> Fitted:
        """Fit the columns' scales, and look for the norm they were taken out of."""
        fitted = columns(x, y, case.loose)
        if fitted is None:
            return None
        with np.errstate(all="ignore"):
            scale = (fitted[0].astype(np.float64) * x).sum(axis=0) / np.square(x, dtype=np.float64).sum(axis=0)
        norm = folding.compensated(case, scale)
        return (fitted[0], {**fitted[1], "kind": "clears", "taken_from": norm}) if norm else fitted

    return apply


def _norm(case: Case) -> Callable[[F32, F32], Fitted]:
    def apply(x: F32, _: F32) -> Fitted:
        """Predict the norm from its readers."""
        predicted = folding.undone_by_readers(case, x)
        return None if predicted is None else (predicted, {"kind": "clears"})

    return apply


def rows(x: F32, y: F32) -> Fitted:
    """Y = diag(s)·X."""
    return _scaled(x, y, axis=1)


def _scaled(x: F32, y: F32, axis: int, noise: float = EXACT) -> Fitted:
    if x.ndim != 2 or x.shape[axis] < FEW or x.shape[1 - axis] < 2:
        return None
    scale = _ratios((x * y).sum(axis=axis, dtype=np.float64), (x * x).sum(axis=axis, dtype=np.float64))
    if scale is None or np.ptp(scale) <= 1e-3 * np.abs(scale).max() or (axis == 0 and _in_groups(scale, noise)):
        return None
    return x * np.expand_dims(scale, axis).astype(np.float32), {
        "axis": "rows" if axis else "columns", "least": float(scale.min()), "largest": float(scale.max()),
    }  # fmt: skip


def _in_groups(scale: F64, noise: float) -> bool:
    """Tell whether neighbouring columns share their scales in groups: then these are the scales of blocks."""
    if scale.size % GROUP or scale.size < 2 * GROUP:
        return False
    groups = np.abs(scale).reshape(-1, GROUP)
    return bool((np.ptp(groups, axis=1) <= max(1e-2, noise / 2) * groups.max(axis=1)).all())


def blocks(x: F32, y: F32) -> Fitted:
    """Y = X times one scale for every GROUP values of a row; scales that vary along rows only are no block scales."""
    if x.ndim != 2 or x.shape[1] % GROUP or x.shape[1] < 2 * GROUP:
        return None
    left, right = x.reshape(len(x), -1, GROUP), y.reshape(len(y), -1, GROUP)
    scale = _ratios((left * right).sum(axis=2, dtype=np.float64), (left * left).sum(axis=2, dtype=np.float64))
    if scale is None or (np.ptp(scale, axis=1) <= 1e-3 * np.abs(scale).max()).all():
        return None
    predicted = (left * scale[..., None].astype(np.float32)).reshape(x.shape)
    return predicted, {"least": float(scale.min()), "largest": float(scale.max()), "group": GROUP}


def _low_rank(case: Case) -> Callable[[F32, F32], Fitted]:
    return lambda x, y: low_rank(x, y, case.loose)


def low_rank(x: F32, y: F32, noise: float = EXACT) -> Fitted:
    """Y = X + U·V of a rank far below what the shape allows, spread over rows and columns.

    What B's type may cost, as a relative error, is not counted as rank.
    """
    if x.ndim != 2 or min(x.shape) < 2 * FEW:
        return None
    difference = (y - x).astype(np.float64)
    if not _spread(difference, noise * float(np.sqrt(np.square(x, dtype=np.float64).mean()))):
        return None
    basis = _row_space(difference[np.linspace(0, len(x) - 1, min(len(x), WITNESSES)).astype(np.intp)], x, noise)
    if basis is None or len(basis) > min(x.shape) // 4:
        return None
    return x + ((difference @ basis.T) @ basis).astype(np.float32), {"rank": len(basis)}


def _row_space(difference: F64, x: F32, noise: float) -> F64 | None:
    """Return an orthonormal basis of the rows of a difference; None when the rows are all independent."""
    weights, vectors = np.linalg.eigh(difference @ difference.T)
    strength = np.sqrt(np.maximum(weights[::-1], 0))
    tail = np.sqrt(np.cumsum(strength[::-1] ** 2))[::-1]
    # the witnesses are a share of all rows
    scale = float(np.linalg.norm(x)) * (len(difference) / len(x)) ** 0.5
    floor = max(TYPICAL * noise * scale, 0.02 * float(tail[0]))
    rank = int(np.count_nonzero(tail > floor))
    if not 0 < rank <= len(difference) // 2:
        return None
    basis: F64 = (vectors[:, ::-1][:, :rank].T @ difference) / strength[:rank, None]
    return basis


def _spread(difference: F64, noise: float) -> bool:
    """Tell whether a difference touches most rows and columns; a few wrong rows are of low rank as well.

    `noise` is what the result's type may change a weight by: it touches everything.
    """
    squares = np.square(difference)
    least = max(1e-3 * np.abs(difference).max(initial=0.0), noise) ** 2
    return all(float((squares.mean(axis=axis) > least).mean()) > 0.9 for axis in (0, 1))


def _ratio(over: Any, under: Any) -> float | None:
    value = float(over) / float(under) if float(under) > LOST else 0.0
    return value if np.isfinite(value) and abs(value) > 1e-9 and abs(value - 1) > 1e-4 else None


def _ratios(over: F64, under: F64) -> F64 | None:
    """Divide; None where nothing is to be divided by, or where a scale would be none at all."""
    if (under <= LOST).any():
        return None
    scale = over / under
    return scale if np.isfinite(scale).all() and (np.abs(scale) > 1e-9).all() else None
