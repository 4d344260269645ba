"""Stored element types: their block sizes, and values out of bytes and back.

The types most models are made of have decoders of their own (`decoders`); the rest, and the quantizers, are those
of gguf-py, the format's reference in Python (https://github.com/ggml-org/llama.cpp/tree/master/gguf-py).
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import gguf
import numpy as np
from gguf import quants

from bot.errors import UserError
from bot.formats._base import F32, Bytes
from bot.formats.decoders import DECODERS

SMALLEST_F16 = 2.0**-14  # that is normal
GROUP = 1 << 16  # elements decoded at a time: they stay in the processor's cache


@dataclasses.dataclass(frozen=True, slots=True)
class BlockType:
    """One stored element type."""

    name: str
    ggml_id: int | None
    elements: int  # of one block
    nbytes: int  # of one block


_SIZES = dict(gguf.GGML_QUANT_SIZES)
# gguf-py counts 40 bytes; the C struct is d, s and 32 bytes
_SIZES[gguf.GGMLQuantizationType.Q8_1] = (32, 36)
PLAIN = {
    "F32": "<f4", "F16": "<f2", "F64": "<f8", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "<u1",
}  # fmt: skip

TYPES: dict[str, BlockType] = {
    **{kind.name: BlockType(kind.name, int(kind), *size) for kind, size in _SIZES.items()},
    "Q2_0": BlockType("Q2_0", 42, 64, 18),
    "U8": BlockType("U8", None, 1, 1),
    "U16": BlockType("U16", None, 1, 2),
    "U32": BlockType("U32", None, 1, 4),
    "U64": BlockType("U64", None, 1, 8),
    "BOOL": BlockType("BOOL", None, 1, 1),
    "F8_E4M3": BlockType("F8_E4M3", None, 1, 1),
    "F8_E5M2": BlockType("F8_E5M2", None, 1, 1),
    "APR_Q4": BlockType("APR_Q4", None, 32, 18),
    "APR_Q8": BlockType("APR_Q8", None, 1, 1),  # and one f32 scale before the tensor
}
BY_ID: dict[int, BlockType] = {kind.ggml_id: kind for kind in TYPES.values() if kind.ggml_id is not None}
QUANTIZED = frozenset(name for name, kind in TYPES.items() if kind.elements > 1 or name == "APR_Q8")


def row_nbytes(dtype: str, length: int) -> int:
    """Return the bytes of one row; ValueError when it does not divide into blocks."""
    kind = TYPES[dtype]
    if length % kind.elements:
        raise ValueError(f"a row of {length} does not divide into {dtype} blocks of {kind.elements}")
    return length // kind.elements * kind.nbytes


def nbytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Return the bytes of a tensor; ValueError when its rows do not divide into blocks."""
    count = math.prod(shape)
    if dtype == "APR_Q8":
        return 4 + count
    if dtype == "APR_Q4":
        return -(-count // 32) * 18
    return row_nbytes(dtype, shape[-1] if shape else 1) * math.prod(shape[:-1])


def _bf16(raw: Bytes) -> F32:
    return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _f8(raw: Bytes, exponent_bits: int) -> F32:
    """Decode FP8 by table: OCP 8-bit floating point, E4M3 without infinities, E5M2 with."""
    mantissa_bits = 7 - exponent_bits
    code = np.arange(256)
    sign = np.where(code & 128, -1.0, 1.0)
    exponent, mantissa = (code & 127) >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
    bias, unit = (1 << (exponent_bits - 1)) - 1, 1 << mantissa_bits
    values = np.where(
        exponent == 0, mantissa / unit * 2.0 ** (1 - bias), (1 + mantissa / unit) * 2.0 ** (exponent - bias)
    )
    if exponent_bits == 5:
        values = np.where(exponent == 31, np.where(mantissa == 0, np.inf, np.nan), values)
    else:
        values = np.where((code & 127) == 127, np.nan, values)
    table: F32 = (sign * values).astype(np.float32)
    return table[raw]


def _apr_q8(raw: Bytes) -> F32:
    values: F32 = raw[4:].view(np.int8).astype(np.float32) * raw[:4].view(np.float32)[0]
    return values


def _apr_q4(raw: Bytes) -> F32:
    blocks = raw.reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    # aprender's reader takes scales that are no normal float16 for zero (its GH-186)
    scale[~np.isfinite(scale) | (np.abs(scale) < SMALLEST_F16)] = 0
    packed = blocks[:, 2:]
    codes = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(blocks), 32)
    values: F32 = (codes.astype(np.float32) - 8) * scale
    return values.reshape(-1)


def decode(dtype: str, raw: Bytes) -> F32:
    """Return the values of whole blocks, flat, float32; UserError for a type nothing decodes."""
    flat = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
    if dtype == "F32":
        values: F32 = flat.view("<f4")
        return values
    if dtype in PLAIN:
        with np.errstate(over="ignore"):
            return flat.view(PLAIN[dtype]).astype(np.float32)
    if dtype in _SIMPLE:
        return _SIMPLE[dtype](flat)
    kind = TYPES.get(dtype)
    if kind is None or kind.ggml_id is None:
        raise UserError(f"no decoder for element type {dtype}")
    return _grouped(kind, flat.reshape(-1, kind.nbytes))


_SIMPLE: dict[str, Callable[[Bytes], F32]] = {
    "BF16": _bf16,
    "F8_E4M3": functools.partial(_f8, exponent_bits=4),
    "F8_E5M2": functools.partial(_f8, exponent_bits=5),
    "APR_Q4": _apr_q4,
    "APR_Q8": _apr_q8,
}


def _grouped(kind: BlockType, packed: Bytes) -> F32:
    """Decode (blocks, bytes) group by group into one array."""
    decoder = DECODERS.get(kind.name) or functools.partial(_by_gguf, kind)
    values = np.empty((len(packed), kind.elements), np.float32)
    step = max(1, GROUP // kind.elements)
    # random bytes hold scales that are infinite or no number: that is for whoever compares to find
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(packed), step):
            decoder(packed[start : start + step], values[start : start + step])
    return values.reshape(-1)


def _by_gguf(kind: BlockType, packed: Bytes, out: F32) -> None:
    try:
        out[...] = quants.dequantize(packed.reshape(1, -1), gguf.GGMLQuantizationType(kind.ggml_id)).reshape(out.shape)
    except (NotImplementedError, ValueError):
        raise UserError(f"no decoder for element type {kind.name}") from None


QUANTIZERS = frozenset({"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0"})


def encode(dtype: str, values: F32) -> Bytes:
    """Return the bytes of rows (rows, row length) in that type.

    Raises UserError where no quantizer exists or a row does not divide into blocks.
    """
    if dtype not in QUANTIZERS:
        raise UserError(f"no quantizer for element type {dtype}", hint=f"known: {', '.join(sorted(QUANTIZERS))}")
    array = np.ascontiguousarray(values, dtype=np.float32)
    if dtype == "F32":
        return array.view(np.uint8).reshape(-1)
    if dtype == "F16":
        with np.errstate(over="ignore"):
            return array.astype("<f2").view(np.uint8).reshape(-1)
    try:
        row_nbytes(dtype, array.shape[-1])
    except ValueError as error:
        raise UserError(str(error)) from None
    with np.errstate(all="ignore"):  # what is read wrongly may be of any size, or no number
        packed = quants.quantize(array, gguf.GGMLQuantizationType[dtype])
    return np.ascontiguousarray(packed).view(np.uint8).reshape(-1)
