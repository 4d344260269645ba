"""How plants change drafts: tensor by tensor, by value or by moving whole rows of stored bytes."""

import dataclasses
from collections.abc import Callable

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.view import Index
from bot.toolchains.draft import Draft, DraftTensor

Chosen = Callable[[DraftTensor], bool]


def each(draft: Draft, chosen: Chosen, change: Callable[[DraftTensor], DraftTensor | None]) -> Draft:
    """Replace every chosen tensor by what `change` makes of it; None leaves it."""
    tensors = tuple((change(tensor) if chosen(tensor) else None) or tensor for tensor in draft.tensors)
    return dataclasses.replace(draft, tensors=tensors)


def revalued(tensor: DraftTensor, change: Callable[[F32], F32], shape: tuple[int, ...] | None = None) -> DraftTensor:
    """Return the tensor with its values passed through `change`; what cannot be quantized again is widened."""
    values = tensor.values
    return dataclasses.replace(
        tensor,
        dtype=tensor.dtype if tensor.dtype in blocks.QUANTIZERS else "F32",
        shape=shape or tensor.shape,
        values=lambda: np.ascontiguousarray(change(values())),
        packed=None,
    )


def gathered(tensor: DraftTensor, order: Index) -> DraftTensor:
    """Return the tensor with its rows in another order; packed rows move as they are."""
    values, packed = tensor.values, tensor.packed

    def moved(promise: Callable[[], Bytes]) -> Callable[[], Bytes]:
        return lambda: np.ascontiguousarray(promise().reshape(order.size, -1)[order])

    return dataclasses.replace(
        tensor,
        values=lambda: np.ascontiguousarray(values()[order]),
        packed=moved(packed) if packed else None,
    )
