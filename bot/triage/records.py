"""Turns what experiments found into records of the journal: one per cause that was tried, rivals included."""

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bot.compare.diff import Agreement
from bot.formats.view import kind_and_layer
from bot.records import Experiment
from bot.triage.engine import Examined
from bot.triage.moves import Explanation
from bot.triage.tensors import Survey

LISTED = 400  # tensor names kept in one record
TOLD = 12  # sentences kept in one record


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
    alike: dict[str, list[str]] = defaultdict(list)  # where -> the kinds that are there
    for kind, layers in sorted(chosen.items()):
        alike[_layers(layers, len(total[kind] or layers))].append(kind)
    return "; ".join(f"{', '.join(kinds)}{where}" for where, kinds in alike.items())


def _layers(layers: set[int | None], of: int) -> str:
    numbers = sorted(layer for layer in layers if layer is not None)
    if not numbers:
        return ""
    return f" in layer{'s' if len(numbers) > 1 else ''} {spans(numbers)}, {len(numbers)} of {of}"


def spans(numbers: Sequence[int]) -> str:
    """Return numbers as spans: 0-3, 5."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in found)


def standing(
    cause: str, pair: str, *, plane: str, explained: int, suspect: int, told: Sequence[str], **more: Any
) -> Experiment:
    """Return the record of a cause that stands; `told` is what was seen, in sentences."""
    data = {
        "stands": True, "plane": plane, "side": "B", "confirmed": True, "explained": explained, "suspect": suspect,
        "tensors": [], "pattern": None, "before": None, "after": None, "floor": None, "refuted": [], "unrefuted": [],
        "for": capped(told), "against": [], "facts": {}, "partial": [],
    }  # fmt: skip
    return Experiment(pair=pair, cause=cause, data=data | more)


def fallen(cause: str, pair: str, told: str) -> Experiment:
    """Return the record of a cause that was tried and refuted."""
    return Experiment(pair=pair, cause=cause, data={"stands": False, "after": None, "suspect": 0, "against": [told]})


def capped(told: Sequence[str]) -> list[str]:
    """Return the first sentences, and how many more there are."""
    return [*told[:TOLD], f"and {len(told) - TOLD} more"] if len(told) > TOLD + 1 else list(told)


def number(value: float | None) -> float | None:
    """Return a finite number with four digits, or None."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def of_tensors(
    survey: Survey, chosen: Mapping[str, Explanation], pair: str, accounted: Collection[str] = ()
) -> list[Experiment]:
    """Return a record for every cause that stands on tensors, and one for every cause that only fell.

    `accounted`: suspects that another plane explains, an empty range or a head that is not tied.
    """
    by_cause: dict[str, list[str]] = defaultdict(list)
    for name, explanation in chosen.items():
        for cause in explanation.causes:
            by_cause[cause].append(name)
    left = [name for name in survey.suspects if name not in chosen and name not in accounted]
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
        "pattern": pattern(names, survey.diffs),
        "before": number(statistics.median(item.flat_before for item in examined)),
        "after": number(after), "floor": number(floor), "refuted": sorted(refuted), "unrefuted": sorted(standing),
        "for": capped([f"{what}: {n} tensor{'s' if n > 1 else ''} restored" for what, n in labels.items()]),
        "facts": dict(chosen[names[0]].facts),
        "kind": _kind(chosen[name] for name in names),
        "partial": [f"{name}: {chosen[name].rows_wrong} of {chosen[name].rows} rows" for name in names
                    if chosen[name].rows_wrong < chosen[name].rows][:20],
    }  # fmt: skip


def _kind(chosen: Iterable[Explanation]) -> str | None:
    """Return the kind all experiments agree on, None when they say nothing: then it is the hypothesis' own."""
    kinds = {explanation.facts.get("kind") for explanation in chosen}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if isinstance(kind, str) else None


def _equal(item: Examined, chosen: Explanation) -> list[Explanation]:
    """Return the explanations as good as the chosen one: what adapts more explains less."""
    return [e for e in item.accepted if (e.freedom, len(e.causes)) <= (chosen.freedom, len(chosen.causes))]


def _rivals(
    cause: str, names: list[str], survey: Survey, chosen: Mapping[str, Explanation]
) -> tuple[set[str], set[str]]:
    """Split the other causes into those that failed on some tensor this one restores, and those that never did."""
    refuted: set[str] = set()
    equal: set[str] | None = None
    for name in names:
        item: Examined = survey.examined[name]
        accepted = {other for explanation in _equal(item, chosen[name]) for other in explanation.causes}
        own = set(chosen[name].causes)
        refuted |= {other for other in item.tried.best if other not in accepted and other not in own}
        alternatives = accepted - own
        if not item.hinted:
            equal = alternatives if equal is None else equal & alternatives
    return refuted - {cause}, (equal or set()) - refuted - {cause}
