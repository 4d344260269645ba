"""Explains one suspect tensor: runs the experiments, cheapest first, and keeps those whose prediction came true.

The ladder: which rows are wrong at all; single moves, fits and variants; then two of them together.
A sample of rows ranks, the whole tensor confirms. Everything tried is kept, since a cause is only as
good as the rivals it left behind.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from bot.formats._base import F32
from bot.formats.view import Index
from bot.triage import moves as vocabulary
from bot.triage.case import CONFIRM, EXACT, LARGE, SAMPLE, Case, residual
from bot.triage.experiments import FAMILIES
from bot.triage.moves import Explanation, Fit, Move, Rows, Variant

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


class Bench:
    """The experiments of one case on a sample of its wrong rows, all of them or only those named in `only`."""

    def __init__(self, case: Case, only: frozenset[str] | None = None) -> None:
        self.case, self.only, self.tried = case, only, Tried()
        self.same_shape = case.x.shape == case.y.shape
        self.wrong = wrong_rows(case)
        self.sample = spread(self.wrong, SAMPLE)
        self.before = residual(case.x[self.sample], case.y[self.sample]) if self.same_shape else math.inf

    def flat_before(self) -> float:
        """Return the residual as is, in storage order where the shapes differ; infinite for other sizes."""
        return self.before if self.same_shape else residual(self.case.x.ravel(), self.case.y.ravel())

    def moves(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Iterator[Move]:
        """Yield every family's moves for the two shapes."""
        return self._wanted(
            move for family in FAMILIES if family.moves for move in family.moves(self.case, x_shape, y_shape)
        )

    def variants(self) -> Iterator[Variant]:
        """Yield every family's other readings."""
        return self._wanted(item for family in FAMILIES if family.variants for item in family.variants(self.case))

    def fits(self) -> Iterator[Fit]:
        """Yield every family's fits of values."""
        return self._wanted(item for family in FAMILIES if family.fits for item in family.fits(self.case))

    def _wanted(self, items: Iterable[Part]) -> Iterator[Part]:
        return (item for item in items if self.only is None or item.label in self.only)

    def test(
        self, move: Move, x: F32, y: F32, fit: Fit | None = None, variant: Variant | None = None
    ) -> Explanation | None:
        """Run one experiment on the sample; return the explanation if its prediction came true."""
        parts = [part for part in (variant, move, fit) if part and part.label]
        causes = tuple(dict.fromkeys(cause for part in parts for cause in part.causes))
        limit = max(self.case.limit, (variant.limit or 0.0) if variant else 0.0)
        local = y.shape == self.case.y.shape

        def rerun(rows: Rows) -> float:
            return outcome(move, x, y, fit, rows if local else None)[0]

        value, facts = outcome(move, x, y, fit, self.sample if local else None)
        self.tried.note(causes, value)
        if not value <= limit or not value < self.before / 4:
            return None
        return Explanation(
            causes=causes, label=", then ".join(part.label for part in parts), before=self.before, after=value,
            rows_wrong=len(self.wrong), rows=self.case.y.shape[0] if self.case.y.ndim else 1, facts=dict(facts),
            parts=tuple(part.label for part in parts), rerun=rerun,
        )  # fmt: skip


def spread(rows: Index, size: int) -> Index:
    """Return at most `size` of the rows, evenly spread, first and last included."""
    if len(rows) <= size:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, size).astype(np.intp))]


def outcome(move: Move, x: F32, y: F32, fit: Fit | None, rows: Rows | None) -> tuple[float, dict[str, float]]:
    """Return the residual of a prediction on those rows of Y (all when None), and what a fit fitted."""
    if move.shape != y.shape:
        return math.inf, {}
    chosen: Rows = slice(None) if rows is None else rows
    with np.errstate(all="ignore"), contextlib.suppress(IndexError, ValueError):
        predicted, found = move.predict(x, chosen), y[chosen]
        if fit is None:
            return residual(predicted, found), {}
        fitted = fit.apply(predicted, found)
        return (residual(fitted[0], found), fitted[1]) if fitted else (math.inf, {})
    return math.inf, {}


def wrong_rows(case: Case) -> Index:
    """Return the numbers of Y's rows that are not what they should be; all of them when shapes differ."""
    count = case.y.shape[0] if case.y.ndim else 1
    if case.x.shape != case.y.shape:
        return np.arange(count)
    if case.y.ndim < 2:
        return np.arange(count)
    with np.errstate(all="ignore"):
        x, y = case.x.reshape(count, -1), case.y.reshape(count, -1)
        error = np.sqrt(np.einsum("ij,ij->i", x - y, x - y, dtype=np.float64))
        norm = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    scale = np.maximum(norm, np.median(norm) * 1e-3 + 1e-30)
    wrong = np.flatnonzero(~(error / scale <= 2 * case.limit))
    return wrong if len(wrong) else np.arange(count)


def examine(case: Case, hint: frozenset[str] | None = None) -> Examined:
    """Run the ladder on one tensor; with a `hint` (parts that explained its neighbours) try only that first."""
    bench = Bench(case, hint)
    accepted: list[Explanation] = []
    for stage in (_singles, _with_variants, _pairs):
        accepted = [confirm(case, bench, item) for item in stage(bench)]
        if accepted:
            break
    if hint is not None and not accepted:
        return examine(case)
    accepted.sort(key=lambda item: (not item.confirmed, len(item.causes), item.after > EXACT, item.after))
    return Examined(
        name=case.name, before=bench.before, flat_before=bench.flat_before(), accepted=accepted, tried=bench.tried
    )


def _singles(bench: Bench) -> Iterator[Explanation]:
    """One move, or one fit."""
    case = bench.case
    for move in bench.moves(case.x.shape, case.y.shape):
        if found := bench.test(move, case.x, case.y):
            yield found
    if bench.same_shape:
        for fit in bench.fits():
            if found := bench.test(vocabulary.identity(case.y.shape), case.x, case.y, fit):
                yield found


def _with_variants(bench: Bench) -> Iterator[Explanation]:
    """One other reading of the stored bytes, as it is or under a move."""
    case = bench.case
    for variant in bench.variants():
        values = variant.values()
        if values is None:
            continue
        x, y = (values, case.y) if variant.side == "A" else (case.x, values)
        plain = bench.test(vocabulary.identity(y.shape), x, y, variant=variant) if x.shape == y.shape else None
        if plain:
            yield plain
            continue
        for move in bench.moves(x.shape, y.shape):
            if found := bench.test(move, x, y, variant=variant):
                yield found


def _pairs(bench: Bench) -> Iterator[Explanation]:
    """A move under a fit, or a move under a move."""
    case = bench.case
    singles = list(bench.moves(case.x.shape, case.y.shape))
    fits = list(bench.fits())
    for move in singles:
        for fit in fits:
            if found := bench.test(move, case.x, case.y, fit):
                yield found
    yield from _two_moves(bench)


def _two_moves(bench: Bench) -> Iterator[Explanation]:
    """Rows re-ordered first, then the axes: the two orders converters compose them in."""
    case = bench.case
    inner = [move for move in bench.moves(case.x.shape, case.x.shape) if move.group]
    for first in inner:
        x = first.predict(case.x, slice(None))
        for second in bench.moves(x.shape, case.y.shape):
            if second.group or set(second.causes) & set(first.causes):
                continue
            combined = dataclasses.replace(
                second, causes=(*first.causes, *second.causes), label=f"{first.label}, then {second.label}"
            )
            if found := bench.test(combined, x, case.y):
                yield found


def confirm(case: Case, bench: Bench, item: Explanation) -> Explanation:
    """Repeat an accepted experiment on every wrong row, or on CONFIRM of them for a very large tensor."""
    rows = spread(bench.wrong, CONFIRM) if case.y.size > LARGE else bench.wrong
    value = item.rerun(rows) if item.rerun else math.inf
    return dataclasses.replace(item, after=value, confirmed=value <= case.limit, rerun=None)
