"""Experiments on tensors, files and metadata. Everything here may import numpy; nothing here decides.

A family offers moves (re-orderings), variants (other readings of stored bytes) or fits (changes of value);
see `bot.triage.moves`. Families are tried in this order, cheapest argument first.
"""

import dataclasses
from collections.abc import Callable, Iterable

from bot.triage.case import Case
from bot.triage.experiments import dtypes, layout, names, placement, quant, rotary, values, vocabulary
from bot.triage.moves import Fit, Move, Variant

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What one module of this package offers."""

    moves: Callable[[Case, Shape, Shape], Iterable[Move]] | None = None
    variants: Callable[[Case], Iterable[Variant]] | None = None
    fits: Callable[[Case], Iterable[Fit]] | None = None
    words: str = ""  # pattern of its variants' labels, where even listing them costs: other hints skip the family


FAMILIES: tuple[Family, ...] = (
    Family(moves=rotary.moves),
    Family(moves=layout.moves),
    Family(variants=placement.variants, words="its offset"),
    Family(variants=quant.variants),
    Family(variants=dtypes.variants, fits=dtypes.fits),
    Family(moves=vocabulary.moves),
    Family(fits=values.fits),
    Family(variants=names.variants, words="the same tensor of|the values of"),
)
