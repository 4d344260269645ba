"""Turns what experiments found into records of the journal: one per cause that was tried, rivals included."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from bot.compare.diff import Agreement
from bot.formats.view import kind_and_layer
from bot.records import Experiment
from bot.triage.engine import Examined
from bot.triage.moves import Explanation
from bot.triage.tensors import Survey

LISTED = 400  # tensor names kept in one record


def pattern(names: Iterable[str], everything: Iterable[str]) -> str:
    """Say which tensors these are: "self_attn.k_proj.weight in layers 0-29, 30 of 30"."""
    total: dict[str, set[int | None]] = defaultdict(set)
    chosen: dict[str, set[int | None]] = defaultdict(set)
    for name in everything:
        kind, layer = kind_and_layer(name)
        total[kind].add(layer)
    for name in names:
        kind, layer = kind_and_layer(name)
        chosen[kind].add(layer)
    return "; ".join(_one_kind(kind, layers, len(total[kind] or layers)) for kind, layers in sorted(chosen.items()))


def _one_kind(kind: str, layers: set[int | None], of: int) -> str:
    numbers = sorted(layer for layer in layers if layer is not None)
    if not numbers:
        return kind
    return f"{kind} in layer{'s' if len(numbers) > 1 else ''} {_spans(numbers)}, {len(numbers)} of {of}"


def _spans(numbers: list[int]) -> str:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in spans)


def number(value: float | None) -> float | None:
    """Return a finite number with four digits, or None."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def of_tensors(survey: Survey, chosen: Mapping[str, Explanation], pair: str) -> list[Experiment]:
    """Return a record for every cause that stands on tensors, and one for every cause that only fell."""
    by_cause: dict[str, list[str]] = defaultdict(list)
    for name, explanation in chosen.items():
        for cause in explanation.causes:
            by_cause[cause].append(name)
    left = [name for name in survey.suspects if name not in chosen]
    floor = _floor(survey)
    records = [
        Experiment(pair=pair, cause=cause, data=_standing(cause, names, survey, chosen, len(left), floor))
        for cause, names in by_cause.items()
    ]
    fallen: dict[str, float] = {}
    for item in survey.examined.values():
        for cause, value in item.tried.best.items():
            if cause not in by_cause:
                fallen[cause] = min(value, fallen.get(cause, math.inf))
    records += [
        Experiment(
            pair=pair, cause=cause, data={"stands": False, "after": number(value), "suspect": len(survey.suspects)}
        )
        for cause, value in fallen.items()
    ]
    return records


def _floor(survey: Survey) -> float | None:
    quiet = [d.rel_rmse for d in survey.diffs.values() if d.verdict is not Agreement.DIFFERS and d.rel_rmse is not None]
    return statistics.median(quiet) if quiet else None


def _standing(
    cause: str, names: list[str], survey: Survey, chosen: Mapping[str, Explanation], left: int, floor: float | None
) -> dict[str, Any]:
    examined = [survey.examined[name] for name in names]
    refuted, standing = _rivals(cause, names, survey, chosen)
    labels: dict[str, int] = defaultdict(int)
    for name in names:
        labels[chosen[name].label] += 1
    after = max(chosen[name].after for name in names)
    return {
        "stands": True, "plane": "T", "side": "B", "confirmed": all(chosen[name].confirmed for name in names),
        "explained": len(names), "suspect": len(names) + left, "tensors": names[:LISTED],
        "pattern": pattern(names, survey.diffs), "before": number(statistics.median(item.flat_before for item in examined)),
        "after": number(after), "floor": number(floor), "refuted": sorted(refuted), "unrefuted": sorted(standing),
        "for": [f"{label}: {count} tensor{'s' if count > 1 else ''} restored" for label, count in labels.items()],
        "facts": dict(chosen[names[0]].facts),
        "partial": [f"{name}: {chosen[name].rows_wrong} of {chosen[name].rows} rows" for name in names
                    if chosen[name].rows_wrong < chosen[name].rows][:20],
    }  # fmt: skip


def _rivals(
    cause: str, names: list[str], survey: Survey, chosen: Mapping[str, Explanation]
) -> tuple[set[str], set[str]]:
    """Split the other causes into those that failed on some tensor this one restores, and those that never did."""
    refuted: set[str] = set()
    equal: set[str] | None = None
    for name in names:
        item: Examined = survey.examined[name]
        accepted = {other for explanation in item.accepted if explanation.confirmed for other in explanation.causes}
        own = set(chosen[name].causes)
        refuted |= {other for other in item.tried.best if other not in accepted and other not in own}
        alternatives = accepted - own
        equal = alternatives if equal is None else equal & alternatives
    return refuted - {cause}, (equal or set()) - refuted - {cause}
