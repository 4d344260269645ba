"""How far two arrays are apart: streamed sums in float64 for tensors, and the measures of logits.

D is what a conversion made and S what it was made from. A NaN or an infinity never counts as agreement
unless both sides hold the very same bits.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]


class Accumulator:
    """Compares two tensors chunk by chunk: feed `add(source, result)` equal shapes, then read the measures.

    Memory is bounded by the chunks that are fed; every sum is float64. Measures of unequal values that
    hold a NaN or an infinity are NaN, which is within no limit.
    """

    def __init__(self) -> None:
        self.count = 0  # elements seen
        self.unequal = 0  # elements whose bits differ
        self.unequal_nonfinite = 0  # of those, where either side is NaN or infinite
        self.excess = 0.0  # largest |D - S| / max(1, |S|): what an absolute tolerance is held against
        self._max_abs = 0.0
        self._error = self._source = self._result = self._dot = 0.0

    def add(self, source: F32, result: F32) -> None:
        """Take in two float32 chunks of one shape; ValueError when the shapes differ."""
        if source.shape != result.shape:
            raise ValueError(f"chunks of different shape: {source.shape} and {result.shape}")
        s, d = _flat(source), _flat(result)
        self.count += s.size
        if not _same_bits(s, d):
            different = s.view(np.uint32) != d.view(np.uint32)
            self.unequal += int(np.count_nonzero(different))
            self._add_unequal(s, d, different)
        else:
            squares = _squares(s)
            self._source, self._result, self._dot = self._source + squares, self._result + squares, self._dot + squares

    def _add_unequal(self, s: F32, d: F32, different: npt.NDArray[np.bool_]) -> None:
        finite = np.isfinite(s) & np.isfinite(d)
        self.unequal_nonfinite += int(np.count_nonzero(different & ~finite))
        if not finite.all():
            s, d = s[finite], d[finite]
        error = np.abs(d.astype(np.float64) - s)
        self._error += float(np.dot(error, error))
        self._max_abs = max(self._max_abs, float(error.max(initial=0.0)))
        self.excess = max(self.excess, float((error / np.maximum(1.0, np.abs(s))).max(initial=0.0)))
        self._source, self._result = self._source + _dot(s, s), self._result + _dot(d, d)
        self._dot += _dot(s, d)

    @property
    def bit_equal(self) -> bool:
        """Tell whether something was compared and every bit agreed."""
        return self.count > 0 and self.unequal == 0

    @property
    def rel_rmse(self) -> float:
        """Return ||D - S|| / ||S||: 0 for equal bits, infinity when S is all zero and D is not, NaN for none."""
        return self._honest(lambda: _ratio(math.sqrt(self._error), math.sqrt(self._source)))

    @property
    def max_abs(self) -> float:
        """Return the largest |D - S|."""
        return self._honest(lambda: self._max_abs)

    @property
    def cosine(self) -> float:
        """Return the cosine of the angle between S and D; 0 when only one of them is all zero."""
        return self._honest(self._cosine)

    def _cosine(self) -> float:
        norms = math.sqrt(self._source) * math.sqrt(self._result)
        if norms == 0:
            return 1.0 if self._source == self._result else 0.0
        return 1.0 if self.unequal == 0 else max(-1.0, min(1.0, self._dot / norms))

    def _honest(self, measure: Any) -> float:
        return math.nan if self.unequal_nonfinite or not self.count else float(measure())


def _flat(values: F32) -> F32:
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def _dot(a: F32, b: F32) -> float:
    """Return the float64 dot product of what is finite (equal bits may be NaN on both sides)."""
    value = float(np.dot(a.astype(np.float64), b.astype(np.float64)))
    if math.isfinite(value):
        return value
    keep = np.isfinite(a) & np.isfinite(b)
    return float(np.dot(a[keep].astype(np.float64), b[keep].astype(np.float64)))


def _same_bits(s: F32, d: F32) -> bool:
    wide = np.uint64 if s.size % 2 == 0 else np.uint32
    return bool(np.array_equal(s.view(wide), d.view(wide)))


def _squares(a: F32) -> float:
    """Return the sum of squares of values that only serve as a denominator: float32 within short runs."""
    with np.errstate(over="ignore"):
        value = math.fsum(float(np.dot(part, part)) for part in (a[i : i + 65536] for i in range(0, a.size, 65536)))
    return value if math.isfinite(value) else _dot(a, a)


def _ratio(part: float, whole: float) -> float:
    if whole == 0:
        return 0.0 if part == 0 else math.inf
    return part / whole


def _compared(source: F32, result: F32) -> Accumulator:
    total = Accumulator()
    total.add(source, result)
    return total


def rel_rmse(source: F32, result: F32) -> float:
    """Return ||D - S|| / ||S|| of two whole arrays."""
    return _compared(source, result).rel_rmse


def max_abs(source: F32, result: F32) -> float:
    """Return the largest |D - S| of two whole arrays."""
    return _compared(source, result).max_abs


def cosine(source: F32, result: F32) -> float:
    """Return the cosine of the angle between two whole arrays."""
    return _compared(source, result).cosine


def bit_equal(source: F32, result: F32) -> bool:
    """Tell whether two whole arrays have one shape and the same bits."""
    return source.shape == result.shape and _compared(source, result).bit_equal


def ulps(source: F32, result: F32) -> int:
    """Return the largest distance in float32 steps; the two zeros are one step apart. ValueError for a NaN."""
    s, d = _flat(source), _flat(result)
    if np.isnan(s).any() or np.isnan(d).any():
        raise ValueError("a NaN is no number of steps from anything")
    return int(np.abs(_ordinal(s) - _ordinal(d)).max(initial=0))


def _ordinal(values: F32) -> npt.NDArray[np.int64]:
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF) - 1, bits)


# logits: lists of (positions, vocabulary), one per prompt


def nmse(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """Return sum((a-b)^2) / sum(a^2) over all prompts: the square of `rel_l2`."""
    error = power = 0.0
    for x, y in _prompts(a, b):
        error += float(np.square(x - y).sum())
        power += float(np.square(x).sum())
    return _ratio(error, power) if math.isfinite(error) and math.isfinite(power) else math.nan


def rel_l2(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """Return sqrt(sum((a-b)^2) / sum(a^2)) over all positions of all prompts; NaN when either side has one."""
    return math.sqrt(value) if not math.isnan(value := nmse(a, b)) else math.nan


def nmse_by_position(a: Sequence[Floats], b: Sequence[Floats]) -> list[float]:
    """Return the NMSE at position 0, 1, ... over the prompts that are that long."""
    pairs = list(_prompts(a, b))
    longest = max(len(x) for x, _ in pairs)
    rows = ([(x[p : p + 1], y[p : p + 1]) for x, y in pairs if len(x) > p] for p in range(longest))
    return [nmse([x for x, _ in row], [y for _, y in row]) for row in rows]


def kl(a: Sequence[Floats], b: Sequence[Floats]) -> F64:
    """Return KL(softmax(a) || softmax(b)) in nats at every position of every prompt, (positions,)."""
    return np.concatenate([_kl(x, y) for x, y in _prompts(a, b)])


def kl_summary(a: Sequence[Floats], b: Sequence[Floats]) -> tuple[float, float]:
    """Return the mean and the 99th percentile of `kl`; NaN when any position is not a number."""
    values = kl(a, b)
    if not np.isfinite(values).all():
        return math.nan, math.nan
    return float(values.mean()), float(np.percentile(values, 99))


def _kl(x: F64, y: F64) -> F64:
    with np.errstate(invalid="ignore"):
        p, q = _log_softmax(x), _log_softmax(y)
        return np.asarray(np.maximum((np.exp(p) * (p - q)).sum(axis=-1), 0.0), dtype=np.float64)


def _log_softmax(x: F64) -> F64:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def top1(a: Sequence[Floats], b: Sequence[Floats]) -> float:
    """Return the share of positions whose likeliest token is the same; a position with a NaN never agrees."""
    agree = total = 0
    for x, y in _prompts(a, b):
        sound = ~(np.isnan(x).any(axis=-1) | np.isnan(y).any(axis=-1))
        agree += int(np.count_nonzero((x.argmax(axis=-1) == y.argmax(axis=-1)) & sound))
        total += len(x)
    return agree / total


def logits_bit_equal(a: Sequence[Floats], b: Sequence[Floats]) -> bool:
    """Tell whether all logits of all prompts are finite and equal bit for bit."""
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True)) and bool(a)


def _prompts(a: Sequence[Floats], b: Sequence[Floats]) -> Iterator[tuple[F64, F64]]:
    """Pair the prompts of two sides in float64, one at a time; ValueError for none or for different shapes."""
    if len(a) != len(b) or not any(x.size for x in a):
        raise ValueError(f"nothing to compare: {len(a)} and {len(b)} prompts")
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape:
            raise ValueError(f"logits of different shape: {x.shape} and {y.shape}")
        yield x.astype(np.float64), y.astype(np.float64)
