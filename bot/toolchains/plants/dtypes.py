"""Plants of the element types: cut, flushed, mislabelled and twice rounded values."""

import dataclasses

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, each, revalued

SIXTEEN_BITS = {"F16": "BF16", "BF16": "F16"}
SMALLEST = {"F16": 2.0**-14, "BF16": 2.0**-126, "F32": 2.0**-126}
LARGEST_F16 = 65504.0
# what a tensor is quantized to before it gets its own type
BEFORE = {"Q8_0": "Q5_1", "Q5_1": "Q4_1", "Q5_0": "Q4_1", "Q4_1": "Q4_0", "Q4_0": "Q4_1"}


def through_f16(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-001: values pass through float16, in which the largest are infinite."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        # what is to be F16 anyway refuses such values by itself
        if tensor.dtype not in {"F32", "BF16"} or not np.abs(tensor.values()).max(initial=0) > LARGEST_F16:
            return None
        return revalued(tensor, _f16)

    return each(draft, chosen, change)


def _f16(values: F32) -> F32:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def truncated(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-002: low bits are cut off instead of rounded away."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if tensor.dtype not in SIXTEEN_BITS or tensor.packed is not None:
            return None
        mask = np.uint32(0xFFFF0000 if tensor.dtype == "BF16" else 0xFFFFE000)
        return revalued(tensor, lambda values: (values.view(np.uint32) & mask).view(np.float32))

    return each(draft, chosen, change)


def flushed(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-003: numbers below the smallest normal one of the type become zero."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        least = SMALLEST.get(tensor.dtype)
        if least is None:
            return None
        values = tensor.values()
        if not ((np.abs(values) < least) & (values != 0)).any():
            return None
        return revalued(tensor, lambda values: np.where(np.abs(values) < least, np.float32(0), values))

    return each(draft, chosen, change)


def relabelled(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-004: bytes of one 16-bit float type are labelled as the other."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        other = SIXTEEN_BITS.get(tensor.dtype)
        return dataclasses.replace(tensor, dtype=other, stored_as=tensor.dtype) if other else None

    return each(draft, chosen, change)


def blocks_as_floats(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-005: quantized blocks are written where F32 is stated, and zeros behind them."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if tensor.dtype not in blocks.QUANTIZED or not tensor.is_matrix:
            return None
        size = blocks.nbytes("F32", tensor.shape)
        encode = tensor.data

        def padded() -> Bytes:
            encoded = encode().reshape(-1)
            return np.concatenate([encoded, np.zeros(size - encoded.size, np.uint8)])

        return dataclasses.replace(tensor, dtype="F32", stored_as=None, packed=padded, recode=None)

    return each(draft, chosen, change)


def quantized_twice(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-006: values pass through another quantized type; quantized ones that could be copied get another type."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if tensor.dtype not in blocks.QUANTIZED or len(tensor.shape) < 2:
            return None
        if tensor.packed is not None:
            again = "Q4_1" if tensor.dtype == "Q4_0" else "Q4_0"
            return dataclasses.replace(tensor, dtype=again, packed=None) if draft.format == "gguf" else None
        before = BEFORE.get(tensor.dtype)
        return revalued(tensor, lambda values: _through(before, values)) if before else None

    return each(draft, chosen, change)


def _through(dtype: str, values: F32) -> F32:
    rows = values.reshape(-1, values.shape[-1])
    return blocks.decode(dtype, blocks.encode(dtype, rows)).reshape(values.shape)


def narrowed(draft: Draft, chosen: Chosen) -> Draft:
    """DTYPE-007: matrices are stored in a smaller type than was asked for, and nobody says so."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if tensor.dtype not in {"F32", "F16", "BF16"} or not tensor.is_matrix:
            return None
        smaller = "Q8_0" if draft.format == "gguf" and tensor.shape[-1] % 32 == 0 else _narrower(tensor.dtype)
        return dataclasses.replace(tensor, dtype=smaller, packed=None) if smaller else None

    return each(draft, chosen, change)


def _narrower(dtype: str) -> str | None:
    return {"F32": "F16", "F16": "BF16"}.get(dtype)


PLANTS = {
    "DTYPE-001": through_f16,
    "DTYPE-002": truncated,
    "DTYPE-003": flushed,
    "DTYPE-004": relabelled,
    "DTYPE-005": blocks_as_floats,
    "DTYPE-006": quantized_twice,
    "DTYPE-007": narrowed,
}
