"""The order in which experiments are run on one tensor: what adapts least comes first.

Re-orderings and constants; other readings of the bytes, and other tensors in this one's place; what adapts
to more, scales and differences of low rank; then two of these together, and damage last of all, since a few
wrong rows of any reason look like it. What composes most costs most and waits until all tensors were seen.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bot.formats._base import F32
from bot.triage import moves as vocabulary
from bot.triage.beneath import around_damage, around_spoilt, changed_first, damage
from bot.triage.case import CONFIRM, EXACT, LARGE, Case
from bot.triage.engine import Bench, Examined, spread
from bot.triage.moves import Explanation, Move, Variant

Stage = Callable[[Bench], Iterator[Explanation]]
FUSED = ("qkv", "rotary, fused")  # groups of few moves, of which one can follow the other
COMPOSED = 1 << 24  # elements; above, fewer re-orderings are composed


def examine(case: Case, hint: frozenset[str] | None = None, stages: Sequence[Stage] = ()) -> Examined:
    """Run the ladder on one tensor.

    With a `hint`, the parts that explained its neighbours, only those are tried first. `stages` leave some out:
    BRIEF what composes, for a tensor whose neighbours nothing explained; STRAIGHT what moves besides being read
    otherwise, for one whose neighbours were scaled or the like.
    """
    bench = Bench(case, hint)
    accepted: list[Explanation] = []
    for stage in stages or STAGES:
        found = (confirm(case, bench, item) for item in stage(bench))
        accepted += [item for item in found if item.confirmed]
        # what is right only by the generous limit may be beaten by a better argument further up
        if any(item.after <= case.tight for item in accepted):
            break
    if hint is not None and not accepted:
        return examine(case, stages=stages)
    accepted.sort(key=lambda item: (item.freedom, len(item.causes), item.after > EXACT, item.after))
    return Examined(
        name=case.name,
        before=bench.before,
        flat_before=bench.flat_before(),
        accepted=accepted,
        tried=bench.tried,
        hinted=hint is not None,
    )


def plain(bench: Bench) -> Iterator[Explanation]:
    """One move, or one constant."""
    case = bench.case
    for move in bench.moves(case.x.shape, case.y.shape):
        if found := bench.test(move, case.x, case.y):
            yield found
    if bench.same_shape:
        yield from _fitted(bench, vocabulary.identity(case.y.shape), 0, 1)


def read_otherwise(bench: Bench) -> Iterator[Explanation]:
    """One other reading of the stored bytes, as it is or under a move."""
    for variant, x, y in _readings(bench):
        plainly = bench.test(vocabulary.identity(y.shape), x, y, variant=variant) if x.shape == y.shape else None
        if plainly:
            yield plainly
            continue
        for move in bench.moves(x.shape, y.shape):
            if variant.joined and move.group:
                continue
            if found := bench.test(move, x, y, variant=variant):
                yield found


def read_as_it_is(bench: Bench) -> Iterator[Explanation]:
    """One other reading of the stored bytes, nothing moved."""
    for variant, x, y in _readings(bench):
        if x.shape == y.shape and (found := bench.test(vocabulary.identity(y.shape), x, y, variant=variant)):
            yield found


def composed(bench: Bench) -> Iterator[Explanation]:
    """A move under a constant, a move under a move, another reading under a constant."""
    case = bench.case
    for move in bench.moves(case.x.shape, case.y.shape):
        yield from _fitted(bench, move, 0, 1)
    yield from _two_moves(bench)
    for variant, x, y in _readings(bench):
        if x.shape != y.shape:
            continue
        for fit in bench.fits(0, 1):
            if found := bench.test(vocabulary.identity(y.shape), x, y, fit, variant):
                yield found


def adaptive(bench: Bench) -> Iterator[Explanation]:
    """Scales of rows, columns and blocks, a difference of low rank."""
    if bench.same_shape:
        yield from _fitted(bench, vocabulary.identity(bench.case.y.shape), 2, 9)


def damaged(bench: Bench) -> Iterator[Explanation]:
    """All is right but a few blocks."""
    if bench.same_shape and (found := damage(bench, vocabulary.identity(bench.case.y.shape), bench.case.x)):
        yield found


def deep(bench: Bench) -> Iterator[Explanation]:
    """A move under what can adapt to much, or under damage; three parts together."""
    case = bench.case
    yield from around_spoilt(bench)
    yield from around_damage(bench)
    for move in bench.moves(case.x.shape, case.y.shape):
        yield from _fitted(bench, move, 2, 9)
        if not move.group and case.y.size <= COMPOSED:
            yield from changed_first(bench, move)
        if found := damage(bench, move, case.x):
            yield found
    for variant, x, y in _readings(bench):
        for move in bench.moves(x.shape, y.shape):
            for fit in bench.fits(0, 1):
                if found := bench.test(move, x, y, fit, variant):
                    yield found
        if x.shape == y.shape:
            # damage under another decoding is no argument: it could as well be the decoding's own
            if "source" in variant.facts and (found := damage(bench, vocabulary.identity(y.shape), x, variant)):
                yield found
            for fit in bench.fits(2, 9):
                if found := bench.test(vocabulary.identity(y.shape), x, y, fit, variant):
                    yield found


STAGES: tuple[Stage, ...] = (plain, read_otherwise, adaptive, composed, damaged)
DEEP: tuple[Stage, ...] = (deep,)
STRAIGHT: tuple[Stage, ...] = (plain, read_as_it_is, adaptive)
BRIEF: tuple[Stage, ...] = (plain, adaptive, damaged)
BENEATH: tuple[Stage, ...] = (plain, read_otherwise, adaptive, damaged)


def _readings(bench: Bench) -> Iterator[tuple[Variant, F32, F32]]:
    """Yield each other reading with both sides under it."""
    case = bench.case
    for variant in bench.variants():
        values = variant.values()
        if values is not None:
            yield (variant, values, case.y) if variant.side == "A" else (variant, case.x, values)


def _fitted(bench: Bench, move: Move, least: int, most: int) -> Iterator[Explanation]:
    for fit in bench.fits(least, most):
        if found := bench.test(move, bench.case.x, bench.case.y, fit):
            yield found


def _two_moves(bench: Bench) -> Iterator[Explanation]:
    """Rows re-ordered first, then the axes: the two orders converters compose them in."""
    case = bench.case
    inner = [move for move in bench.moves(case.x.shape, case.x.shape) if move.group]
    for first in inner if case.x.size <= COMPOSED else inner[:8]:
        x = first.predict(case.x, slice(None))
        for second in bench.moves(x.shape, case.y.shape):
            if second.group not in {"", *FUSED} or set(second.causes) & set(first.causes):
                continue
            combined = dataclasses.replace(
                second, causes=(*first.causes, *second.causes), label=f"{first.label}, then {second.label}",
                facts={**first.facts, **second.facts},
            )  # fmt: skip
            if found := bench.test(combined, x, case.y):
                yield dataclasses.replace(found, parts=(first.label, second.label))


def confirm(case: Case, bench: Bench, item: Explanation) -> Explanation:
    """Repeat an accepted experiment on every row it is about, or on CONFIRM of them for a very large tensor."""
    rows = np.arange(bench.rows, dtype=np.intp) if item.whole else bench.wrong
    rows = spread(rows, CONFIRM) if case.y.size > LARGE else rows
    value, facts = item.rerun(rows) if item.rerun else (math.inf, {})
    return dataclasses.replace(
        item, after=value, confirmed=value <= item.limit, facts={**item.facts, **facts}, rerun=None
    )
