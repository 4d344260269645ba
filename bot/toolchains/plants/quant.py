"""Plants of the quantization family: the bytes of blocks are put together wrongly, under the right label or not."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, each

Recode = Callable[[Bytes], None]  # changes (blocks, bytes of one) in place

# where the nibbles of a block begin and how many bytes hold them
NIBBLES = {"Q4_0": (2, 16), "Q4_1": (4, 16), "Q5_0": (6, 16), "Q5_1": (8, 16), "Q4_K": (16, 128), "Q5_K": (48, 128)}
SCALE = {"Q4_0": 0, "Q4_1": 0, "Q5_0": 0, "Q5_1": 0, "Q8_0": 0, "Q4_K": 0, "Q5_K": 0, "Q6_K": 208, "Q2_K": 80}
# the type of the same size whose name is put on the bytes
OTHER_NAME = {"Q4_0": "IQ4_NL", "IQ4_NL": "Q4_0", "Q3_K": "IQ3_S", "IQ3_S": "Q3_K", "TQ2_0": "IQ2_XXS"}
EVERY = 61  # one block in so many gets a scale that is no number


def recoded(tensor: DraftTensor, change: Recode) -> DraftTensor:
    """Return the tensor with the bytes of its blocks changed after they were encoded."""
    size = blocks.TYPES[tensor.dtype].nbytes
    before = tensor.recode

    def recode(encoded: Bytes) -> Bytes:
        done = np.array(before(encoded) if before else encoded, np.uint8).reshape(-1, size)
        change(done)
        return done.reshape(-1)

    return dataclasses.replace(tensor, recode=recode)


def _by_type(changes: Callable[[str], Recode | None], draft: Draft, chosen: Chosen) -> Draft:
    def change(tensor: DraftTensor) -> DraftTensor | None:
        found = changes(tensor.dtype)
        return recoded(tensor, found) if found else None

    return each(draft, chosen, change)


def _nibbles_side_by_side(dtype: str) -> Recode | None:
    """QUANT-001: two neighbouring codes share a byte, instead of one of each half."""
    if dtype not in NIBBLES:
        return None
    start, count = NIBBLES[dtype]
    group = 32 if dtype.endswith("_K") else count

    def change(packed: Bytes) -> None:
        field = packed[:, start : start + count].reshape(len(packed), -1, group)
        codes = np.concatenate([field & 15, field >> 4], axis=-1)
        packed[:, start : start + count] = (codes[..., ::2] | codes[..., 1::2] << 4).reshape(len(packed), count)

    return change


def _fields_exchanged(dtype: str) -> Recode | None:
    """QUANT-002: scale and minimum of each block change places, or the scale is written as bfloat16."""
    if dtype in {"Q4_1", "Q5_1", "Q4_K", "Q5_K"}:

        def exchange(packed: Bytes) -> None:
            packed[:, :4] = packed[:, [2, 3, 0, 1]]

        return exchange
    if dtype not in SCALE:
        return None
    at = SCALE[dtype]

    def as_bfloat16(packed: Bytes) -> None:
        d = packed[:, at : at + 2].copy().view("<f2").astype(np.float32)
        packed[:, at : at + 2] = d.view(np.uint8).reshape(len(packed), 4)[:, 2:]

    return as_bfloat16


def _signed_codes(dtype: str) -> Recode | None:
    """QUANT-003: codes are stored signed where they are counted from zero, and the reverse."""
    first, mask = {"Q4_0": (2, 0x88), "Q8_0": (2, 0x80)}.get(dtype, (0, 0))
    if not mask:
        return None

    def change(packed: Bytes) -> None:
        packed[:, first:] ^= np.uint8(mask)

    return change


def _resized(draft: Draft, chosen: Chosen) -> Draft:
    """QUANT-004: blocks of 64 elements under the name of a type of 32; what is saved is filled with zeros."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if tensor.dtype not in {"Q4_0", "Q8_0"} or not tensor.shape or tensor.shape[-1] % 64:
            return None
        return dataclasses.replace(
            tensor, packed=functools.partial(_in_64, tensor.dtype, tensor.shape, tensor.values), recode=None
        )  # fmt: skip

    return each(draft, chosen, change)


def _in_64(dtype: str, shape: tuple[int, ...], values: Callable[[], F32]) -> Bytes:
    wide = values().reshape(-1, 64)
    top = 7 if dtype == "Q4_0" else 127
    d = (np.abs(wide).max(axis=1, keepdims=True) / top).astype(np.float16)
    scale = np.where(d == 0, np.float16(1), d).astype(np.float32)
    codes = np.clip(np.rint(wide / scale), -top, top).astype(np.int8)
    if dtype == "Q4_0":
        nibble = (codes + 8).astype(np.uint8)
        data = nibble[:, :32] | nibble[:, 32:] << 4
    else:
        data = codes.view(np.uint8)
    done = np.concatenate([d.view(np.uint8).reshape(-1, 2), data], axis=1).reshape(-1)
    return np.concatenate([done, np.zeros(blocks.nbytes(dtype, shape) - done.size, np.uint8)])


def _renamed(draft: Draft, chosen: Chosen) -> Draft:
    """QUANT-005: the bytes are those of one type, the label is another's of the same size."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        other = OTHER_NAME.get(tensor.dtype)
        if other is None or draft.format != "gguf":
            return None
        return dataclasses.replace(tensor, dtype=other, stored_as=tensor.stored_as or tensor.dtype)

    return each(draft, chosen, change)


def _infinite_scales(dtype: str) -> Recode | None:
    """QUANT-006: some blocks have an infinite or undefined scale."""
    if dtype not in SCALE:
        return None
    at = SCALE[dtype]

    def change(packed: Bytes) -> None:
        packed[:: 2 * EVERY, at : at + 2] = [0x00, 0x7C]
        packed[EVERY :: 2 * EVERY, at : at + 2] = [0x00, 0x7E]

    return change


def _without_padding(draft: Draft, chosen: Chosen) -> Draft:
    """QUANT-007: rows are quantized as padded to 256, which APR does, and written one behind the other instead."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if draft.format != "apr" or len(tensor.shape) != 2 or not tensor.shape[1] % 256:
            return None
        size = tensor.shape[0] * -(-tensor.shape[1] // 256) * blocks.TYPES["Q4_K"].nbytes
        packed = functools.partial(_run_on, tensor.values, size)
        return dataclasses.replace(tensor, dtype="Q4_K", packed=packed, recode=None, size=size)

    return each(draft, chosen, change)


def _run_on(values: Callable[[], F32], size: int) -> Bytes:
    flat = values().reshape(-1)
    padded = np.concatenate([flat, np.zeros(-flat.size % 256, np.float32)])
    encoded = q4_k(padded.reshape(-1, 256)).reshape(-1)
    return np.concatenate([encoded, np.zeros(size - encoded.size, np.uint8)])


def q4_k(values: F32) -> Bytes:
    """Return super-blocks of Q4_K, (blocks, 144), of (blocks, 256) values, scales taken from the extremes."""
    parts = values.reshape(-1, 8, 32)
    low = np.minimum(parts.min(axis=2), 0)
    step = (parts.max(axis=2) - low) / 15
    d, d_min = (part.max(axis=1, keepdims=True).astype(np.float16) for part in (step / 63, -low / 63))
    scales, minima = (_six_bits(part, of) for part, of in ((step, d), (-low, d_min)))
    unit = np.maximum(d.astype(np.float32) * scales, 1e-30)[:, :, None]
    codes = np.clip(np.rint((parts + (d_min.astype(np.float32) * minima)[:, :, None]) / unit), 0, 15).astype(np.uint8)
    halves = codes.reshape(-1, 4, 2, 32)
    sc, mn = scales.astype(np.uint8), minima.astype(np.uint8)
    upper = [(sc[:, 4:] & 15) | (mn[:, 4:] & 15) << 4]
    lower = [sc[:, :4] | (sc[:, 4:] >> 4) << 6, mn[:, :4] | (mn[:, 4:] >> 4) << 6]
    fields = [d.view(np.uint8), d_min.view(np.uint8), *lower, *upper]
    return np.concatenate([*fields, (halves[:, :, 0] | halves[:, :, 1] << 4).reshape(-1, 128)], axis=1).astype(np.uint8)


def _six_bits(part: F32, of: Any) -> F32:
    unit = np.maximum(of.astype(np.float32), 1e-30)
    return np.asarray(np.clip(np.rint(part / unit), 0, 63), np.float32)


PLANTS: dict[str, Callable[[Draft, Chosen], Draft]] = {
    "QUANT-001": functools.partial(_by_type, _nibbles_side_by_side),
    "QUANT-002": functools.partial(_by_type, _fields_exchanged),
    "QUANT-003": functools.partial(_by_type, _signed_codes),
    "QUANT-004": _resized,
    "QUANT-005": _renamed,
    "QUANT-006": functools.partial(_by_type, _infinite_scales),
    "QUANT-007": _without_padding,
}
