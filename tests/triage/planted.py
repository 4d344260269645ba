"""Conversions with a defect ordered, and which tensors it really hit."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bot.compare.diff import slot_values
from bot.formats import open_checkpoint
from bot.formats.view import canonical
from bot.toolchains import conversion, plants
from bot.toolchains.plants import Plant
from bot.triage import tensors
from bot.triage.pair import open_pair

NAMES = {"gguf": "model.gguf", "apr": "model.apr", "safetensors": "model"}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the experiments said of one conversion."""

    causes: dict[str, tuple[str, ...]]  # of every tensor that differs; () where nothing explains it
    hit: frozenset[str]  # tensors whose values are not those of the same conversion without the defect
    labels: frozenset[str]

    @property
    def named(self) -> set[str]:
        return {cause for causes in self.causes.values() for cause in causes}


def convert(folder: Path, source: Path, fmt: str, dtype: str | None, ordered: Sequence[str | Plant] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / NAMES[fmt]
    chosen = [plants.parse(item) if isinstance(item, str) else item for item in ordered]
    conversion.convert(source, target, dtype=dtype, plants=chosen)
    return target


def explained(source: Path, result: Path, clean: Path | None = None) -> Outcome:
    pair = open_pair(source, result)
    try:
        survey = tensors.survey(pair)
    finally:
        pair.close()
    chosen = tensors.settle(survey.examined)
    return Outcome(
        causes={name: chosen[name].causes if name in chosen else () for name in survey.suspects},
        hit=changed(source, clean, result) if clean else frozenset(),
        labels=frozenset(item.label for item in chosen.values()),
    )


def planted(folder: Path, source: Path, fmt: str, dtype: str | None, *ordered: str | Plant) -> Outcome:
    """Convert with the defects and without, and explain the one with them."""
    result = convert(folder / "planted", source, fmt, dtype, ordered)
    return explained(source, result, convert(folder / "clean", source, fmt, dtype))


def changed(source: Path, clean: Path, result: Path) -> frozenset[str]:
    trusted = canonical(open_checkpoint(source))
    x, y = (canonical(open_checkpoint(path), trusted=trusted) for path in (clean, result))
    return frozenset(
        name
        for name, slot in x.tensors.items()
        if slot.shape != y.tensors[name].shape
        or not np.array_equal(slot_values(x, slot, None), slot_values(y, y.tensors[name], None), equal_nan=True)
    )
