"""Defects to order: each plant makes the embedded converter commit one cause of the catalogue, and only that one.

A plant changes a draft before it is written, or the file after. `where` narrows it (see `plants.where`): a
pattern on Hugging Face tensor names, `layer=3`, `layers=0-14`, `head=1`, joined by commas, or nothing for
all that the cause can touch.
"""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from bot.errors import UserError
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants import dtypes, files, layout, metadata, names, order, quant, rotary, tokenizer, values
from bot.toolchains.plants.where import Where


class NothingToPlantError(UserError):
    """A plant that finds nothing to change in this model."""


Change = Callable[[Draft, Callable[[DraftTensor], bool]], Draft]
After = Callable[[Path, str], None]

# cause -> what it does to a draft
DRAFT_PLANTS: dict[str, Change] = {
    **layout.PLANTS,
    **rotary.PLANTS,
    **order.PLANTS,
    **values.PLANTS,
    **dtypes.PLANTS,
    **quant.PLANTS,
    **names.PLANTS,
    **metadata.PLANTS,
    **tokenizer.PLANTS,
}
LABELS = frozenset({"DTYPE-004", "DTYPE-005"})  # what is said of bytes that are already there
WHOLE = frozenset({"DTYPE-005", "QUANT-007"})  # plants that decide how many bytes a matrix takes
# what a draft goes through before it is labelled
STAGES: tuple[Collection[str], ...] = (
    values.PLANTS, rotary.PLANTS, order.PLANTS, layout.PLANTS, names.PLANTS, dtypes.PLANTS.keys() - LABELS,
    quant.PLANTS, LABELS,
)  # fmt: skip
# cause -> what it does to the written file
FILE_PLANTS: dict[str, After] = {**files.PLANTS}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One ordered defect."""

    cause: str
    where: str
    change: Change | None
    after: After | None

    @property
    def label(self) -> str:
        """Return the plant as it was ordered."""
        return f"{self.cause}:{self.where}" if self.where else self.cause


def plantable() -> tuple[str, ...]:
    """Return the causes that can be planted, in the catalogue's spelling."""
    return tuple(sorted({*DRAFT_PLANTS, *FILE_PLANTS}))


def parse(text: str) -> Plant:
    """Read `CAUSE[:where]`; UserError for a cause that cannot be planted."""
    cause, _, where = text.partition(":")
    if cause not in DRAFT_PLANTS and cause not in FILE_PLANTS:
        raise UserError(f"{cause!r} cannot be planted", hint=f"can be: {', '.join(plantable())}")
    return Plant(cause=cause, where=where, change=DRAFT_PLANTS.get(cause), after=FILE_PLANTS.get(cause))


def parse_all(texts: Iterable[str]) -> list[Plant]:
    """Read plants that are to be committed in one conversion; UserError for two that shut each other out."""
    plants = [parse(text) for text in texts]
    for one, other in itertools.combinations(plants, 2):
        if {one.cause, other.cause} == WHOLE and one.where == other.where:
            raise UserError(
                f"{one.label} and {other.label} cannot be planted together: each writes a matrix's bytes its own way",
                hint="plant one at a time, or each in a layer of its own",
            )
    return plants


def in_order(plants: Iterable[Plant]) -> list[Plant]:
    """Return plants in the order in which a converter would commit them, whatever order they were asked for in.

    Values and rows are computed before they are encoded, and only what is encoded can be labelled wrongly.
    """
    return sorted(plants, key=lambda item: [item.cause in stage for stage in STAGES], reverse=True)


def plant(draft: Draft, item: Plant) -> Draft:
    """Apply a plant to a draft; a plant that finds nothing to change is the user's mistake."""
    if item.change is None:
        return draft
    changed = item.change(draft, Where(item.where))
    if changed == draft:
        raise NothingToPlantError(f"{item.label} finds nothing to change in this model")
    return changed
