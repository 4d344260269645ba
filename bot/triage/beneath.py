"""What one change hides of another: damage, blocks without numbers, values changed before they were moved."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bot.formats._base import F32
from bot.formats.view import Index
from bot.triage import moves as vocabulary
from bot.triage.case import SAMPLE, Case, residual
from bot.triage.engine import Bench, spread
from bot.triage.experiments import dtypes
from bot.triage.experiments.damage import FEW, mended
from bot.triage.moves import Explanation, Fit, Move, Rows, Variant

DAMAGE, DAMAGED = "VALUE-010", "a few blocks overwritten"
Outcome = tuple[float, Mapping[str, Any]]


def damage(bench: Bench, move: Move, x: F32, variant: Variant | None = None) -> Explanation | None:
    """Look for damage on the whole tensor, all else right: a sample of rows could not tell few from many."""
    y = bench.case.y
    if (bench.only is not None and DAMAGED not in bench.only) or move.shape != y.shape:
        return None
    try:
        value, facts = mended(move.predict(x, slice(None)), y, bench.case.loose)
        if not value <= bench.case.loose and move.label and not move.group:
            value, facts = mended(x, moved_back(move, x, y), bench.case.loose)  # damaged first, then moved
    except (IndexError, ValueError):
        return None
    causes = (*(variant.causes if variant else ()), *move.causes, DAMAGE)
    bench.tried.note(causes, value)
    if not value <= bench.case.loose:
        return None
    parts = tuple(part for part in (variant.label if variant else "", move.label, DAMAGED) if part)
    stated = {**(variant.facts if variant else {}), **move.facts, **facts}
    return Explanation(
        causes=causes, label=", then ".join(parts), before=bench.before, after=value, rows_wrong=len(bench.wrong),
        rows=bench.rows, facts=stated, parts=parts, freedom=9, limit=bench.case.loose, rerun=lambda _: (value, facts),
    )  # fmt: skip


def changed_first(bench: Bench, move: Move) -> Iterator[Explanation]:
    """Look for scales and differences of low rank in values that were moved afterwards."""
    x = bench.case.x
    if move.shape != bench.case.y.shape or x.size != bench.case.y.size:
        return
    try:
        back = moved_back(move, x, bench.case.y)
    except (IndexError, ValueError):
        return
    for fit in bench.fits(2, 9):
        if found := bench.test(vocabulary.identity(x.shape), x, back, fit):
            yield dataclasses.replace(
                found, causes=(*move.causes, *found.causes), label=f"{fit.label}, then {move.label}",
                parts=(move.label, fit.label),
            )  # fmt: skip


def around_spoilt(bench: Bench) -> Iterator[Explanation]:
    """Look for changes of value in the rows that no spoilt block lies in; such a block hides what it held."""
    case = bench.case
    if not bench.same_shape or case.y.ndim < 2 or not (spoilt := _spoilt(case)):
        return
    kept = bench.wrong[np.isfinite(case.y[bench.wrong]).all(axis=tuple(range(1, case.y.ndim)))]
    if len(kept) * 2 < len(bench.wrong):
        return
    whole = _on(bench, kept)
    for fit in whole.fits(0, 9):
        found = whole.test(vocabulary.identity(case.y.shape), case.x, case.y, fit)
        if found and found.rerun and not set(found.causes) & set(spoilt.causes):
            yield dataclasses.replace(
                found, causes=(*spoilt.causes, *found.causes), label=f"{found.label}, then {spoilt.label}",
                parts=(*found.parts, spoilt.label), rerun=_elsewhere(found.rerun, kept),
            )  # fmt: skip


def around_damage(bench: Bench) -> Iterator[Explanation]:
    """Look for changes of value in the rows no damage lies in: what is fitted to all rows is fitted to it as well."""
    case = bench.case
    if not bench.same_shape or case.y.ndim < 2 or (bench.only is not None and DAMAGED not in bench.only):
        return
    for fit in bench.fits(2, 9):
        kept = _undamaged(case, fit, bench.wrong)
        if not (1 - FEW) * len(bench.wrong) <= len(kept) < len(bench.wrong):
            continue
        whole = _on(bench, kept)
        found = whole.test(vocabulary.identity(case.y.shape), case.x, case.y, fit)
        if found and found.rerun:
            rows = len(bench.wrong) - len(kept)
            yield dataclasses.replace(
                found, causes=(*found.causes, DAMAGE), label=f"{found.label}, then {DAMAGED}",
                parts=(*found.parts, DAMAGED), rerun=_elsewhere(found.rerun, kept), freedom=9,
                facts={**found.facts, "damaged_rows": rows},
            )  # fmt: skip


def _on(bench: Bench, rows: Index) -> Bench:
    """Return the same experiments on some of the wrong rows."""
    made, case = Bench(bench.case, bench.only), bench.case
    made.tried, made.wrong, made.sample = bench.tried, rows, spread(rows, SAMPLE)
    made.before = residual(case.x[made.sample], case.y[made.sample])
    return made


def _undamaged(case: Case, fit: Fit, rows: Index) -> Index:
    """Return the rows a fit to them restores, when it is fitted to nothing but them."""
    kept = rows
    with np.errstate(all="ignore"), contextlib.suppress(np.linalg.LinAlgError):
        for _ in range(3):
            fitted = fit.apply(case.x[kept], case.y[kept])
            if fitted is None:
                return kept[:0]
            off, size = (np.linalg.norm(side, axis=1) for side in (fitted[0] - case.y[kept], fitted[0]))
            right = off <= np.maximum(case.loose * size, 3 * np.median(off))
            if right.all():
                return kept
            kept = kept[right]
    return kept


def _elsewhere(run: Callable[[Rows], Outcome], rows: Index) -> Callable[[Rows], Outcome]:
    """Return the experiment on those rows, whatever rows are asked for."""
    return lambda _: run(rows)


def _spoilt(case: Case) -> Fit | None:
    """Return the fit of blocks that are no numbers, where the result has some and the source has none."""
    if np.isfinite(case.y).all() or not np.isfinite(case.x).all():
        return None
    with np.errstate(all="ignore"):
        fit = next((fit for fit in dtypes.fits(case) if "QUANT-006" in fit.causes), None)
        return fit if fit and fit.apply(case.x, case.y) else None


def moved_back(move: Move, x: F32, y: F32) -> F32:
    """Return Y's values where the move took them from. Raises ValueError for a move that loses or makes up values."""
    numbers: Any = np.arange(x.size, dtype=np.intp).reshape(x.shape)
    places: Any = move.predict(numbers, slice(None))
    if places.dtype.kind != "i":  # filled up from the values of Y
        raise ValueError("the move makes up values")
    if np.bincount(places.reshape(-1), minlength=x.size).max(initial=0) > 1:
        raise ValueError("the move loses values")
    back = np.empty(x.size, np.float32)
    back[places.reshape(-1)] = y.reshape(-1)
    return back.reshape(x.shape)
