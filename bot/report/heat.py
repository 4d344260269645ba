"""The heat map: how far each kind of tensor is off in each layer, as a picture of characters. Pure."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

COLUMNS = 80  # of layers; a deeper model is binned, each column showing its worst
KINDS = 60
# log10(error / budget) up to which each mark stands
MARKS = ((0.0, "·"), (1.0, "░"), (3.0, "▒"), (5.0, "▓"), (math.inf, "█"))
LEGEND = "· within budget   ░ up to 10x over   ▒ up to 1,000x   ▓ up to 100,000x   █ more"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Worst error of each tensor kind (rows) in each layer (columns); None where there is no such tensor."""

    kinds: tuple[str, ...]
    layers: tuple[int, ...]
    off_layers: bool  # the first column stands for tensors outside the layers (embedding, head, norm)
    values: tuple[tuple[float | None, ...], ...]


def number(value: Any) -> float | None:
    """Return a number the journal holds, also the non-finite ones it spells as strings."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def merged(maps: Iterable[Sequence[Any]]) -> tuple[tuple[str, int | None, float], ...]:
    """Return (kind, layer, log10 error over budget) of several maps, keeping the worst of each place."""
    worst: dict[tuple[str, int | None], float] = {}
    for entry in maps:
        if len(entry) != 3:
            continue
        kind, layer, value = str(entry[0]), number(entry[1]), number(entry[2])
        if value is None:
            continue
        place = (kind, int(layer) if layer is not None and math.isfinite(layer) and layer >= 0 else None)
        worst[place] = max(worst.get(place, -math.inf), math.inf if math.isnan(value) else value)
    return tuple((kind, layer, value) for (kind, layer), value in worst.items())


def heat(entries: Iterable[Sequence[Any]]) -> Heat | None:
    """Arrange the entries of a map; None when there is nothing to show."""
    placed = {(kind, layer): value for kind, layer, value in merged(entries)}
    if not placed:
        return None
    kinds = tuple(dict.fromkeys(kind for kind, _ in placed))
    depth = max((layer for _, layer in placed if layer is not None), default=-1) + 1
    step = max(math.ceil(depth / COLUMNS), 1)
    layers = tuple(range(0, depth, step))
    off = any(layer is None for _, layer in placed)
    bins: dict[tuple[str, int | None], float] = {}
    for (kind, layer), value in placed.items():
        place = (kind, None if layer is None else layer // step)
        bins[place] = max(bins.get(place, -math.inf), value)
    columns: list[int | None] = ([None] if off else []) + list(range(len(layers)))
    values = tuple(tuple(bins.get((kind, column)) for column in columns) for kind in kinds)
    order = sorted(range(len(kinds)), key=lambda i: -max(v for v in values[i] if v is not None))[:KINDS]
    return Heat(
        kinds=tuple(kinds[i] for i in order), layers=layers, off_layers=off, values=tuple(values[i] for i in order)
    )


def mark(value: float | None) -> str:
    """Return the character of one place."""
    return " " if value is None else next(sign for limit, sign in MARKS if value <= limit)


def picture(heat_map: Heat) -> str:
    """Return the map as lines of text with its legend; the kinds are foreign, so it belongs in a fence."""
    width = min(max(len(kind) for kind in heat_map.kinds), 40)
    split = 1 if heat_map.off_layers else 0
    lines = []
    for kind, values in zip(heat_map.kinds, heat_map.values, strict=True):
        marks = "".join(mark(value) for value in values)
        lines.append(f"{kind[:40]:<{width}}  {marks[:split]} {marks[split:]}".rstrip())
    if heat_map.layers:
        step = heat_map.layers[1] if len(heat_map.layers) > 1 else 1
        note = f"layers {heat_map.layers[0]} to {heat_map.layers[-1] + step - 1}, left to right"
        note += f", {step} to a column" if step > 1 else ""
        lines.append(f"{'':<{width}}  {' ' * split} {note}")
    return "\n".join([*lines, "", LEGEND])
