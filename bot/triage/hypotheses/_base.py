"""What a module of this package states: an argument, not a threshold.

ID, SLUG, KIND, PLANES and the texts are plain constants, so a hosted job can conclude and explain without
numpy. What needs tensors lives in `bot.triage.experiments` and is imported inside the function that runs it.
A module may bring its own `conclude`; without one, the one below reads what its experiments recorded.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.records import CauseKind, Confidence, Experiment, Finding

Argv = tuple[str, ...]


class Hypothesis(Protocol):
    """A named class of defect, and how it could be refuted."""

    # stable id and slug of the catalogue: "LAYOUT-002", "data-transposed"
    ID: str
    SLUG: str
    KIND: CauseKind
    # what its experiment works on: T tensors, M metadata, K tokenizer, I inference, B bytes, L log text
    PLANES: str
    # one sentence each, for people
    CLAIM: str
    PREDICTS: str
    REFUTED_IF: str
    FIX_HINT: str
    # argv with {a}, {b} (the two checkpoints) and {tensor} (a suspect) to fill in; run as printed
    COMMANDS: tuple[Argv, ...]


# what most causes are looked into with
COMPARE: Argv = ("requalify", "diff", "{a}", "{b}")
EXPLAIN: Argv = ("requalify", "diagnose", "{a}", "{b}")
INSPECT_A: Argv = ("requalify", "inspect", "{a}")
INSPECT_B: Argv = ("requalify", "inspect", "{b}")


def filled(commands: tuple[Argv, ...], values: Mapping[str, str]) -> tuple[Argv, ...]:
    """Fill the placeholders of argv templates, word by word; a template lacking a value is left out."""
    done = []
    for argv in commands:
        try:
            done.append(tuple(word.format_map(values) for word in argv))
        except KeyError:
            continue
    return tuple(done)


def conclude(hypothesis: Hypothesis, experiments: Sequence[Experiment]) -> Finding | None:
    """Conclude one hypothesis from its experiments on every pair; None when it stands on none.

    A journal is data from anywhere, so every field is taken for what it should be and ignored when it is not.
    """
    standing = [item for item in experiments if item.data.get("stands") is True]
    if not standing:
        return None
    best = max(standing, key=lambda item: (count(item.data.get("explained")), -count(item.data.get("suspect"))))
    data = best.data
    tensors = tuple(dict.fromkeys(name for item in (best, *standing) for name in strings(item.data.get("tensors"))))
    refuted = set.intersection(*(set(strings(item.data.get("refuted"))) for item in standing))
    return Finding(
        id=hypothesis.ID, slug=hypothesis.SLUG, kind=_kind(hypothesis, standing), confidence=confidence(standing),
        explained=count(data.get("explained")), suspect=count(data.get("suspect")),
        residual_before=real(data.get("before")), residual_after=real(data.get("after")),
        noise_floor=real(data.get("floor")), tensors=tensors, side=_side(standing), pattern=word(data.get("pattern")),
        hop=_hop(standing), evidence_for=merged(standing, "for"), evidence_against=merged(standing, "against"),
        refuted=tuple(sorted(refuted)), commands=filled(hypothesis.COMMANDS, _values(data, tensors)),
        gates=tuple(dict.fromkeys(cell for item in standing for cell in item.cells)),
        first_layer=_layer(data.get("first_layer")), claim=hypothesis.CLAIM, falsified_if=hypothesis.REFUTED_IF,
        fix_hint=hypothesis.FIX_HINT,
    )  # fmt: skip


def confidence(standing: Sequence[Experiment]) -> Confidence:
    """Grade what the experiments of one cause have shown; the weakest pair decides."""
    grades = [_grade(item.data) for item in standing]
    return next(c for c in (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH) if c in grades)


def _grade(data: Mapping[str, Any]) -> Confidence:
    if data.get("confirmed") is not True:
        return Confidence.LOW
    restored = count(data.get("explained")) >= count(data.get("suspect")) > 0
    return Confidence.HIGH if restored and not strings(data.get("unrefuted")) else Confidence.MEDIUM


def _kind(hypothesis: Hypothesis, standing: Sequence[Experiment]) -> CauseKind:
    """Return the kind of a cause: its module's, unless every experiment found the one that clears."""
    stated = [item.data.get("kind", hypothesis.KIND) for item in standing]
    words = {kind.value: kind for kind in CauseKind}
    known = [words.get(str(kind), hypothesis.KIND) for kind in stated]
    order = (CauseKind.DEFECT, CauseKind.HARNESS, CauseKind.INFRA, CauseKind.CLEARS)
    return min(known, key=order.index)


def _side(standing: Sequence[Experiment]) -> str | None:
    sides = {word(item.data.get("side")) for item in standing}
    side = sides.pop() if len(sides) == 1 else None
    return side if side in {"A", "B"} else None


def _hop(standing: Sequence[Experiment]) -> str | None:
    """Return the hop that breaks it, when all pairs that were broken were broken by the same one."""
    hops = {word(item.data.get("hop")) for item in standing}
    hop = hops.pop() if len(hops) == 1 else None
    chained = any(item.pair.count("-") > 1 for item in standing)
    return hop if chained else None


def _values(data: Mapping[str, Any], tensors: Sequence[str]) -> dict[str, str]:
    values = {name: path for name in ("a", "b") if (path := word(data.get(name)))}
    return values | ({"tensor": tensors[0]} if tensors else {})


def merged(standing: Sequence[Experiment], field: str) -> tuple[str, ...]:
    """Return the words all experiments recorded in a field, each once; with its pair where several were compared."""
    pairs = len({item.pair for item in standing})
    found: dict[str, list[str]] = {}
    for item in standing:
        for words in strings(item.data.get(field)):
            found.setdefault(words, []).append(item.pair)
    return tuple(
        f"{words} ({', '.join(where)})" if len(where) < pairs and pairs > 1 else words for words, where in found.items()
    )


def count(value: Any) -> int:
    """Return a recorded whole number, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def real(value: Any) -> float | None:
    """Return a recorded finite number, None for anything else."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def word(value: Any) -> str | None:
    """Return recorded text, None for anything else."""
    return value if isinstance(value, str) and value else None


def strings(value: Any) -> tuple[str, ...]:
    """Return a recorded list of words, without what is no word."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _layer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
