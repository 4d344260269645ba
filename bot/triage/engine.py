"""Explains one suspect tensor: runs the experiments, cheapest first, and keeps those whose prediction came true.

A sample of the rows that are wrong ranks, all wrong rows confirm. Everything tried is kept, since a cause is
only as good as the rivals it left behind. What is tried in which order is `bot.triage.ladder`'s.
"""

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from bot.formats._base import F32
from bot.formats.view import Index
from bot.triage.case import SAMPLE, Case, residual
from bot.triage.experiments import FAMILIES
from bot.triage.moves import GAIN, Explanation, Fit, Move, Rows, Variant

FEW = 4  # rows on which another reading is tried before the sample is worth its decoding
UNRELATED = 0.7  # residual of a single row above which the others need not be looked at
ALIKE = 0.3  # cosine of two readings of which one can be the other after a change of values
Part = TypeVar("Part", Move, Variant, Fit)


@dataclasses.dataclass(slots=True)
class Tried:
    """What became of every cause tried on one tensor: its best residual."""

    best: dict[str, float] = dataclasses.field(default_factory=dict)

    def note(self, causes: Iterable[str], value: float) -> None:
        """Keep the best residual of each cause."""
        for cause in causes:
            self.best[cause] = min(value, self.best.get(cause, math.inf))


@dataclasses.dataclass(slots=True)
class Examined:
    """One tensor after its experiments."""

    name: str
    before: float  # infinite where the shapes differ
    flat_before: float  # the same, element by element in storage order
    accepted: list[Explanation]  # best first; alternatives of equal effect follow
    tried: Tried
    hinted: bool = False  # only what explained its neighbours was run: this tensor refutes no rival

    def after(self, earlier: "Examined") -> "Examined":
        """Return this with what was tried before it, and as far off as the tensor was then."""
        for cause, value in earlier.tried.best.items():
            self.tried.note((cause,), value)
        return dataclasses.replace(self, before=earlier.before, flat_before=earlier.flat_before)


class Bench:
    """The experiments of one case on a sample of its wrong rows, all of them or only those named in `only`."""

    def __init__(self, case: Case, only: frozenset[str] | None = None) -> None:
        self.case, self.only, self.tried = case, only, Tried()
        self.same_shape = case.x.shape == case.y.shape
        self.wrong = wrong_rows(case)
        self.sample = spread(self.wrong, SAMPLE)
        self.before = residual(case.x[self.sample], case.y[self.sample]) if self.same_shape else math.inf

    @property
    def rows(self) -> int:
        """Return how many rows the stored tensor has."""
        return self.case.y.shape[0] if self.case.y.ndim else 1

    def flat_before(self) -> float:
        """Return the residual as is, in storage order where the shapes differ; infinite for other sizes."""
        return self.before if self.same_shape else residual(self.case.x.ravel(), self.case.y.ravel())

    def moves(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Iterator[Move]:
        """Yield every family's moves for the two shapes."""
        return self.wanted(
            move for family in FAMILIES if family.moves for move in family.moves(self.case, x_shape, y_shape)
        )

    def variants(self) -> Iterator[Variant]:
        """Yield every family's other readings."""
        hinted = " ".join(self.only) if self.only is not None else None
        return self.wanted(
            item for family in FAMILIES if family.variants and (hinted is None or re.search(family.words, hinted))
            for item in family.variants(self.case) if item.side not in self.case.settled
        )  # fmt: skip

    def fits(self, least: int = 0, most: int = 1) -> Iterator[Fit]:
        """Yield every family's fits of that much freedom."""
        every = (item for family in FAMILIES if family.fits for item in family.fits(self.case))
        return self.wanted(item for item in every if least <= item.freedom <= most)

    def wanted(self, items: Iterable[Part]) -> Iterator[Part]:
        """Leave out what a hint does not name."""
        return (item for item in items if self.only is None or item.label in self.only)

    def limit(self, variant: Variant | None) -> float:
        """Return the residual up to which a prediction counts as right."""
        return variant.limit if variant and variant.limit is not None else self.case.loose

    def convincing(self, value: float, limit: float, gain: float = GAIN) -> bool:
        """Tell whether a residual is right, and right because of the experiment."""
        budget = max(self.case.budget.limit, 0.0)
        helped = value < self.before / gain or (value <= budget < self.before and value < 0.8 * self.before)
        return value <= limit and helped

    def test(
        self, move: Move, x: F32, y: F32, fit: Fit | None = None, variant: Variant | None = None
    ) -> Explanation | None:
        """Run one experiment on the sample; return the explanation if its prediction came true."""
        parts = [part for part in (variant, move, fit) if part and part.label]
        causes = tuple(dict.fromkeys(cause for part in parts for cause in part.causes))
        local = y.shape == self.case.y.shape
        limit = self.limit(variant)
        if variant and not self._promising(move, x, y, fit, variant, 2 * limit):
            return None

        def rerun(rows: Rows) -> tuple[float, Mapping[str, Any]]:
            return outcome(move, x, y, fit, rows if local else None)

        value, facts = outcome(move, x, y, fit, self.sample if local else None)
        self.tried.note(causes, value)
        if not self.convincing(value, limit, variant.gain if variant else GAIN):
            return None
        stated = {**(variant.facts if variant else {}), **move.facts, **facts}
        return Explanation(
            causes=causes, label=", then ".join(part.label for part in parts), before=self.before, after=value,
            rows_wrong=len(self.wrong), rows=self.rows, facts=stated, parts=tuple(part.label for part in parts),
            freedom=fit.freedom if fit else 0, limit=limit, whole=bool(variant and variant.whole), rerun=rerun,
        )  # fmt: skip

    def _promising(self, move: Move, x: F32, y: F32, fit: Fit | None, variant: Variant, limit: float) -> bool:
        """Tell whether another reading comes near on a few rows; most never do, and decoding is what costs.

        What a fit is to change besides need not be near, but it is no unrelated number either.
        """
        few = spread(self.sample, FEW)
        if fit:
            return alike(move, x, y, few)
        value, _ = outcome(move, x, y, None, few[len(few) // 2 :][:1])
        # a row without anything in it, or with what is no number, tells nothing
        if not max(limit, UNRELATED) < value < math.inf:
            value, _ = outcome(move, x, y, None, few)
        self.tried.note(dict.fromkeys((*variant.causes, *move.causes)), value)
        return value <= limit


def spread(rows: Index, size: int) -> Index:
    """Return at most `size` of the rows, evenly spread, first and last included."""
    if len(rows) <= size:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, size).astype(np.intp))]


def outcome(move: Move, x: F32, y: F32, fit: Fit | None, rows: Rows | None) -> tuple[float, dict[str, Any]]:
    """Return the residual of a prediction on those rows of Y (all when None), and what a fit fitted."""
    if move.shape != y.shape:
        return math.inf, {}
    chosen: Rows = slice(None) if rows is None else rows
    with np.errstate(all="ignore"), contextlib.suppress(IndexError, ValueError, np.linalg.LinAlgError):
        predicted, found = move.predict(x, chosen), y[chosen]
        if fit is None:
            return residual(predicted, found), {}
        fitted = fit.apply(predicted, found)
        return (residual(fitted[0], found), fitted[1]) if fitted else (math.inf, {})
    return math.inf, {}


def alike(move: Move, x: F32, y: F32, rows: Index) -> bool:
    """Tell whether a prediction and what is found point the same way, or the opposite one."""
    if move.shape != y.shape:
        return False
    with np.errstate(all="ignore"), contextlib.suppress(IndexError, ValueError):
        predicted, found = (
            np.nan_to_num(side, posinf=0, neginf=0).ravel() for side in (move.predict(x, rows), y[rows])
        )
        size = float(np.linalg.norm(predicted)) * float(np.linalg.norm(found))
        return size > 0 and abs(float(np.vdot(predicted, found))) >= ALIKE * size
    return False


def wrong_rows(case: Case) -> Index:
    """Return the numbers of Y's rows that are not what they should be; all of them when shapes differ."""
    count = case.y.shape[0] if case.y.ndim else 1
    if case.x.shape != case.y.shape or not case.y.ndim:
        return np.arange(count)
    if case.y.ndim < 2:
        return _wrong_heads(case)
    with np.errstate(all="ignore"):
        x, y = case.x.reshape(count, -1), case.y.reshape(count, -1)
        off = x - y
        if case.budget.exact:  # copies: one bit is enough
            wrong = np.flatnonzero(((off != 0) & ~(np.isnan(x) & np.isnan(y))).any(axis=1))
            return wrong if len(wrong) else np.arange(count)
        error = np.sqrt(np.einsum("ij,ij->i", off, off))
        norm = np.sqrt(np.einsum("ij,ij->i", x, x))
    scale = np.maximum(norm, np.median(norm) * 1e-3 + 1e-30)
    wrong = np.flatnonzero(~(error / scale <= 1.25 * case.limit))
    return wrong if len(wrong) else np.arange(count)


def _wrong_heads(case: Case) -> Index:
    """Return the numbers of a vector's values: those of the heads that differ, where it has heads, else all."""
    numbers = np.arange(case.y.shape[0])
    heads = case.a.heads.key if "v_proj" in case.kind else case.heads  # values have heads without an order
    if not heads or len(numbers) % heads:
        return numbers
    same = (case.x == case.y) | (np.isnan(case.x) & np.isnan(case.y))
    wrong: Index = numbers.reshape(heads, -1)[~same.reshape(heads, -1).all(axis=1)].ravel()
    return wrong if len(wrong) else numbers
