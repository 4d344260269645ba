"""What is left when experiments are done: another checkpoint altogether, or tensors nobody can explain.

Two models that were never one are recognised on a sample, before hundreds of tensors are examined in vain.
"""

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

import numpy as np

from bot.compare.diff import Agreement, Matched, TensorDiff, compare_one, empty, match
from bot.compare.settings import differences
from bot.formats.view import View, kind_and_layer
from bot.records import CauseKind, Experiment
from bot.triage import records
from bot.triage.case import Case
from bot.triage.ladder import DEEP, STAGES, examine
from bot.triage.moves import Explanation
from bot.triage.pair import Pair
from bot.triage.tensors import Survey

SAMPLED = 12  # tensors of each sort, vectors and matrices
EXAMINED = 4  # sampled tensors on which every experiment is run
MOST = 0.8  # share of tensors that must differ
ALIKE = 5.0  # factor within which the sizes of two models' weights lie
RELATED = (0.3, 0.99999)  # cosine of tensors that were one before they were trained apart


def unrelated(pair: Pair, name: str) -> Experiment | None:
    """Return the record that B is another checkpoint, when a sample of tensors shows it; None in any doubt."""
    if pair.b is None:
        return None
    pairs = match(pair.a, pair.b)[0]
    sample = list(_sample(pairs))
    if not sample:
        return None
    off = _off(pair, sample)
    if not _apart(sample, off):
        return None
    shapes = [diff for _, diff in off if sorted(diff.shape) != sorted(diff.shape_b)]
    if len(shapes) < MOST * len(off):
        if not all(_like_weights(pair, item) for item, _ in off if len(item.a.shape) > 1):
            return None
        if any(_explained(pair, item) for item in _spread([item for item, _ in off], EXAMINED)):
            return None
    return _other(
        pair, name, [diff for _, diff in off], f"{len(off)} of {len(off)} tensors looked at differ", len(pairs)
    )


def _sample(pairs: Sequence[Matched]) -> Iterator[Matched]:
    """Yield small vectors and matrices, of as many kinds and layers as there are."""
    whole = [item for item in pairs if not empty(item.a) and not empty(item.b) and item.a.info.count]
    for rank in (1, 2):
        sort = [item for item in whole if min(len(item.a.shape), 2) == rank]
        sort.sort(key=lambda item: (_outer(item.name), item.a.info.count))
        yield from _spread(sort, SAMPLED)


def _off(pair: Pair, sample: Sequence[Matched]) -> list[tuple[Matched, TensorDiff]]:
    """Return those of the sample that differ, as far as the first matrix that does not."""
    off = []
    for item in sample:
        diff = compare_one(pair.a, cast(View, pair.b), item)
        if diff.verdict is Agreement.DIFFERS:
            off.append((item, diff))
        elif len(item.a.shape) > 1:  # that settles it, and matrices are what costs
            break
    return off


def _outer(name: str) -> bool:
    return kind_and_layer(name)[1] is None


def _spread(items: Sequence[Matched], size: int) -> list[Matched]:
    """Return at most `size` items, evenly spread."""
    step = max(1, math.ceil(len(items) / size))
    return list(items[::step])


def _apart(sample: Sequence[Matched], off: Sequence[tuple[Matched, TensorDiff]]) -> bool:
    """Tell whether everything differs that two trainings tell apart: converters copy vectors, fine-tuning may too."""
    differ = {item.name for item, _ in off}
    vectors, matrices = ([item for item in sample if (len(item.a.shape) < 2) is flat] for flat in (True, False))
    if not all(item.name in differ for item in matrices):
        return False
    if all(item.name in differ for item in vectors):
        return bool(vectors) or len(matrices) > 1
    return len(matrices) > 1 and all(_related(diff) for item, diff in off if len(item.a.shape) > 1)


def _like_weights(pair: Pair, item: Matched) -> bool:
    """Tell whether both sides hold numbers of one size, as two trainings of like models do."""
    if pair.b is None or item.a.shape != item.b.shape:
        return item.a.shape != item.b.shape
    case = Case(pair.a, pair.b, item)
    with np.errstate(all="ignore"):  # what is read wrongly may be of any size, or no number
        sizes = [float((values.astype("f8") ** 2).mean()) ** 0.5 for values in (case.x, case.y)]
    return all(math.isfinite(size) and size > 0 for size in sizes) and max(sizes) <= ALIKE * min(sizes)


def _explained(pair: Pair, item: Matched) -> bool:
    return pair.b is not None and bool(examine(Case(pair.a, pair.b, item), stages=(*STAGES, *DEEP)).accepted)


def _other(pair: Pair, name: str, diffs: Sequence[TensorDiff], told: str, total: int) -> Experiment:
    cosines = [diff.cosine for diff in diffs if diff.cosine is not None and math.isfinite(diff.cosine)]
    residuals = [diff.rel_rmse for diff in diffs if diff.rel_rmse is not None and math.isfinite(diff.rel_rmse)]
    seen = [told]
    if cosines:
        seen.append(f"their cosine is {statistics.median(cosines):.3g} in the median, and no experiment restores any")
    if shapes := sum(diff.shape != diff.shape_b for diff in diffs):
        seen.append(f"{shapes} have other shapes")
    if pair.config_b:
        seen += [found.words for found in differences(pair.config_a, pair.config_b)][:3]
    return records.standing(
        "VALUE-009", name, plane="T", explained=total, suspect=total, told=seen, side=None,
        before=records.number(statistics.median(residuals)) if residuals else None,
        pattern=f"{total} tensors of both", kind=CauseKind.HARNESS.value,
    )  # fmt: skip


def nothing_in_common(pair: Pair, survey: Survey, name: str) -> Experiment | None:
    """Return the record of a B in which no tensor of A was found, by name or by value."""
    if survey.diffs or pair.b is None:
        return None
    told = f"none of {len(pair.a.checkpoint.tensors)} tensors of A is among {len(pair.b.checkpoint.tensors)} of B"
    return _other(pair, name, [], told, max(1, len(pair.a.checkpoint.tensors)))


def left(
    pair: Pair, survey: Survey, chosen: Mapping[str, Explanation], accounted: Collection[str], name: str
) -> Experiment | None:
    """Return the record of what no experiment restored: another training of the model, or unknown."""
    rest = [item for item in survey.suspects if item not in chosen and item not in accounted]
    if not rest:
        return None
    diffs = [survey.diffs[item] for item in rest]
    matrices = [item for item in survey.diffs.values() if len(item.shape) > 1]
    off = [diff for diff in diffs if len(diff.shape) > 1]
    if not chosen and len(off) >= MOST * max(1, len(matrices)) and len(off) > 1 and all(map(_related, off)):
        return _other(pair, name, diffs, f"{len(rest)} of {len(survey.diffs)} tensors differ", len(rest))
    told = [_best_attempt(survey, item) for item in rest]
    return records.standing(
        "UNKNOWN-001", name, plane="T", explained=0, suspect=len(rest), told=told, confirmed=False,
        tensors=rest[: records.LISTED], pattern=records.pattern(rest, survey.diffs),
        before=records.number(statistics.median([diff.rel_rmse or math.inf for diff in diffs])),
    )  # fmt: skip


def _related(diff: TensorDiff) -> bool:
    return diff.cosine is not None and RELATED[0] < diff.cosine < RELATED[1]


def _best_attempt(survey: Survey, name: str) -> str:
    """Say how far the best experiment came on a tensor that stays."""
    diff = survey.diffs[name]
    if diff.shape != diff.shape_b and name not in survey.examined:
        return f"{name}: shape {list(diff.shape)} became {list(diff.shape_b)}"
    if diff.rel_rmse is not None and not math.isfinite(diff.rel_rmse):
        return f"{name}: B holds numbers that are not finite where A's are"
    tried = survey.examined[name].tried.best if name in survey.examined else {}
    finite = {cause: value for cause, value in tried.items() if math.isfinite(value)}
    if not finite:
        return f"{name}: {len(tried)} causes tried, none applies"
    best = min(finite, key=lambda cause: finite[cause])
    return f"{name}: {len(tried)} causes tried, {best} comes nearest and leaves {finite[best]:.3g}"
