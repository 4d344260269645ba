"""Defects to order: each plant makes the embedded converter commit one cause of the catalogue, and only that one.

A plant changes a draft before it is written, or the file after. `where` narrows it: an fnmatch pattern on
Hugging Face tensor names, `layer=3`, `layers=0-14`, or nothing for all that the cause can touch.
"""

import dataclasses
import fnmatch
import re
from collections.abc import Callable
from pathlib import Path

from bot.errors import UserError
from bot.formats.view import kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants import layout, metadata

class NothingToPlantError(UserError):
    """A plant that finds nothing to change in this model."""


Change = Callable[[Draft, Callable[[DraftTensor], bool]], Draft]
After = Callable[[Path, str], None]

# cause -> what it does to a draft
DRAFT_PLANTS: dict[str, Change] = {**layout.PLANTS, **metadata.PLANTS}
# cause -> what it does to the written file
FILE_PLANTS: dict[str, After] = {}


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


def plant(draft: Draft, item: Plant) -> Draft:
    """Apply a plant to a draft; a plant that finds nothing to change is the user's mistake."""
    if item.change is None:
        return draft
    changed = item.change(draft, lambda tensor: chosen(tensor.hf, item.where))
    if changed == draft:
        raise NothingToPlantError(f"{item.label} finds nothing to change in this model")
    return changed


def chosen(name: str, where: str) -> bool:
    """Tell whether a tensor is among those a plant was narrowed to."""
    if not where:
        return True
    if found := re.fullmatch(r"layers?=(\d+)(?:-(\d+))?", where):
        layer = kind_and_layer(name)[1]
        return layer is not None and int(found[1]) <= layer <= int(found[2] or found[1])
    return fnmatch.fnmatchcase(name, where) or fnmatch.fnmatchcase(name, f"*{where}*")
