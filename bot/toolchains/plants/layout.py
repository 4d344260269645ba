"""Plants of the layout and rotary families."""

import dataclasses
from collections.abc import Callable

import numpy as np

from bot.formats._base import F32
from bot.toolchains.draft import Draft, DraftTensor

Chosen = Callable[[DraftTensor], bool]


def each(draft: Draft, chosen: Chosen, change: Callable[[DraftTensor], DraftTensor | None]) -> Draft:
    """Replace every chosen tensor by what `change` makes of it; None leaves it."""
    tensors = tuple((change(tensor) if chosen(tensor) else None) or tensor for tensor in draft.tensors)
    return dataclasses.replace(draft, tensors=tensors)


def revalued(tensor: DraftTensor, change: Callable[[F32], F32], **more: object) -> DraftTensor:
    """Return the tensor with its values passed through `change`; copied bytes are decoded for it."""
    values = tensor.values
    return dataclasses.replace(tensor, values=lambda: np.ascontiguousarray(change(values())), packed=None, **more)  # type: ignore[arg-type]


def _layers(tensor: DraftTensor) -> bool:
    return len(tensor.shape) == 2 and (".layers." in tensor.hf or ".h." in tensor.hf) and min(tensor.shape) > 1


def transposed(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-002: matrices of the layers are transposed though the target's order is that of the source."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _layers(tensor):
            return None
        # the seed's own mistake: the bytes are believed column-major, and the shape stays
        height, width = tensor.shape
        return revalued(tensor, lambda values: values.reshape(width, height).T)

    return each(draft, chosen, change)


def reversed_shape(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-001: dimensions are listed in the wrong order, bytes untouched."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if len(tensor.shape) != 2 or tensor.shape[0] == tensor.shape[1]:
            return None
        return revalued(tensor, lambda values: values.reshape(tensor.shape[::-1]), shape=tensor.shape[::-1])

    return each(draft, chosen, change)


PLANTS = {"LAYOUT-001": reversed_shape, "LAYOUT-002": transposed}
