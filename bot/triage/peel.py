"""A second look at what no experiment restored: a cause known from other tensors is undone, then the ladder runs again.

Two mistakes on one tensor hide each other. Where one of them stands on other tensors by itself, its inverse is no
guess any more, and what is left is an ordinary case. Labels are undone without such a witness as well, since every
other reading of the bytes depends on them, but on the first tensors only.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from bot.compare.diff import Matched
from bot.formats import blocks
from bot.formats._base import F32
from bot.triage import ladder
from bot.triage.beneath import moved_back
from bot.triage.case import EXACT, Case, residual
from bot.triage.engine import Bench, Examined
from bot.triage.experiments import dtypes
from bot.triage.experiments.layout import REVERSED
from bot.triage.experiments.reading import rounded
from bot.triage.moves import GAIN, Explanation, Move, Variant

KNOWN = 6  # explanations of other tensors that are undone, the most frequent ones first
HALVES = frozenset({"F16", "BF16"})
PLAUSIBLE = 30.0  # factor within which values read under another label are of the size of weights


class Peeled(Case):
    """A case in which one mistake is undone: other values on one side, or other bytes behind B's label."""

    def __init__(self, case: Case, *, pair: Matched | None = None, x: F32 | None = None, y: F32 | None = None,
                 settled: frozenset[str] = frozenset()) -> None:  # fmt: skip
        super().__init__(case.a, case.b, pair or case.pair, case.notes)
        self.settled = settled
        # values that are known need not be read: they take the place of the cached ones
        self.__dict__["x"] = case.x if x is None else x
        self.__dict__["y"] = case.y if y is None else y


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Peeling:
    """One mistake undone on one tensor."""

    case: Case
    causes: tuple[str, ...]
    label: str
    facts: dict[str, object]


def examine(
    case: Case, labels: Sequence[str], before: Examined, *, blind: bool, hints: Sequence[tuple[str, ...]] = ()
) -> Examined:
    """Undo each known mistake, then with `blind` each label; return what the ladder finds beneath the first that helps.

    `labels` are those of moves and variants that restored other tensors, `hints` the parts of what was found beneath
    one on others of this kind. `before` is returned when nothing helps.
    """
    beneath = {label: frozenset(rest) for label, *rest in reversed(hints)}
    order = [*beneath, *(label for label in labels if label not in beneath)]
    for peeling in peelings(case, order, blind=blind):
        found = ladder.examine(peeling.case, beneath.get(peeling.label), ladder.BENEATH)
        joined = [joint(peeling, item, before) for item in found.accepted if _argues(peeling, item, before)]
        if joined:
            return dataclasses.replace(found, accepted=joined).after(before)
    return before


def _argues(peeling: Peeling, item: Explanation, before: Examined) -> bool:
    """Tell whether both together restore what neither of them did; a label put back on a label restores nothing."""
    return item.after < before.before / GAIN and not ("dtype" in peeling.facts and "dtype" in item.facts)


def refined(case: Case, item: Examined) -> Examined:
    """Look behind a label that leaves more than nothing: a float that was rounded rightly leaves nothing at all."""
    best = item.accepted[0]
    dtype = str(best.facts.get("dtype"))
    if dtype not in HALVES or len(best.parts) > 1 or best.after <= EXACT:
        return item
    for peeling in peelings(case, best.parts, blind=False):
        x, y = peeling.case.x, peeling.case.y
        if x.shape == y.shape and residual(rounded(dtype, x), y) <= EXACT:
            return item
        found = ladder.examine(peeling.case, stages=(ladder.plain,))
        exactly = [
            joint(peeling, more, item)
            for more in found.accepted
            if more.after <= EXACT and _argues(peeling, more, item)
        ]
        if exactly:
            return dataclasses.replace(found, accepted=exactly).after(item)
    return item


def joint(peeling: Peeling, item: Explanation, before: Examined) -> Explanation:
    """Return what was found beneath a mistake as an explanation by both."""
    return dataclasses.replace(
        item, causes=tuple(dict.fromkeys((*peeling.causes, *item.causes))), label=f"{peeling.label}, and {item.label}",
        before=before.before, facts={**peeling.facts, **item.facts}, parts=(peeling.label, *item.parts),
    )  # fmt: skip


def peelings(case: Case, labels: Sequence[str], *, blind: bool) -> Iterator[Peeling]:
    """Yield the case with each mistake undone."""
    for label in labels[:KNOWN]:
        bench = Bench(case, frozenset({label}))
        for variant in bench.variants():
            yield from _reread(case, variant)
        for move in bench.moves(case.x.shape, case.y.shape):
            yield from _moved(case, move)
        if label == REVERSED and case.y.ndim == 2:  # it fits no move where the sizes differ as well
            turned = Peeled(case, y=case.y.reshape(case.y.shape[::-1]), settled=frozenset("B"))
            yield Peeling(case=turned, causes=("LAYOUT-001",), label=label, facts={})
    if blind:
        for variant in dtypes.variants(case):
            if "dtype" in variant.facts and variant.label not in labels:
                yield from (item for item in _reread(case, variant) if _like_weights(item.case.y, case.x))


def _reread(case: Case, variant: Variant) -> Iterator[Peeling]:
    """Yield the case with one side read another way; behind another label everything else is open again."""
    values = variant.values()
    if values is None:
        return
    whole = np.array(values, np.float32)
    if variant.side == "A":
        peeled = Peeled(case, x=whole, settled=frozenset("A"))
    elif dtype := variant.facts.get("dtype"):
        peeled = Peeled(case, pair=labelled(case.pair, str(dtype)), y=whole)
    else:
        peeled = Peeled(case, y=whole, settled=frozenset("B"))
    yield Peeling(case=peeled, causes=variant.causes, label=variant.label, facts=dict(variant.facts))


def _moved(case: Case, move: Move) -> Iterator[Peeling]:
    """Yield the case with a re-ordering undone on what is stored."""
    with contextlib.suppress(IndexError, ValueError):
        back = moved_back(move, case.x, case.y)
        peeled = Peeled(case, y=back, settled=frozenset("B"))
        yield Peeling(case=peeled, causes=move.causes, label=move.label, facts=dict(move.facts))


def labelled(pair: Matched, dtype: str) -> Matched:
    """Return a pair whose stored side has the same place in the file under another element type."""
    info = dataclasses.replace(pair.b.info, dtype=dtype, nbytes=blocks.nbytes(dtype, pair.b.info.shape))
    return dataclasses.replace(pair, b=dataclasses.replace(pair.b, dtype=dtype, info=info))


def _like_weights(read: F32, x: F32) -> bool:
    """Tell whether values are mostly numbers of the size of weights; what is read under a wrong label seldom is."""
    with np.errstate(all="ignore"):
        found, known = (float(np.median(np.abs(side))) for side in (read, x))
    return bool(np.isfinite(read).mean() > 0.5) and 0 < found <= PLAUSIBLE * known and known <= PLAUSIBLE * found
