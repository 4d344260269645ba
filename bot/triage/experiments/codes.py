"""Quantized blocks taken apart: codes, scales and minima, so that they can be put together wrongly on purpose.

value = scale * (code - zero) - minimum. Positions and fields are those of ggml's dequantize_row functions
(https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-quants.c).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.formats._base import F32, Bytes
from bot.formats.view import Index

Codes = npt.NDArray[np.uint8]
FOUR, SIX = np.uint8(4), np.uint8(6)  # shifts that keep bytes bytes
Places = tuple[Index, Index]  # numbers of blocks, and of elements within them
Unpack = Callable[[Bytes], tuple[Bytes, Bytes]]  # packed scales of a block -> (scales, minima)


@dataclasses.dataclass(slots=True)
class Fields:
    """Some blocks of one type, in ggml's order."""

    low: Codes  # (blocks, elements)
    high: Codes | None  # bits above the low ones, already in their place
    d: F32  # (blocks, 1)
    zero: float = 0.0
    d_min: F32 | None = None
    packed: Bytes | None = None  # the field that holds scales (and minima) of sub-blocks
    scales: npt.NDArray[np.int8] | None = None  # of sub-blocks, where they are not packed
    raw_d: Bytes | None = None  # the bytes of d


def half(raw: Bytes) -> F32:
    """Return a float16 field as (blocks, 1)."""
    return raw.copy().view("<f2").astype(np.float32)


def nibbles(packed: Bytes) -> Codes:
    """Return the low nibbles of each row of bytes, then the high ones."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _simple(minimum: bool, fifth: bool, zero: float) -> Callable[[Bytes], Fields]:
    def fields(raw: Bytes) -> Fields:
        at = 4 if minimum else 2
        high = None
        if fifth:
            high = np.unpackbits(raw[:, at : at + 4], axis=1, bitorder="little") << FOUR
            at += 4
        return Fields(
            low=nibbles(raw[:, at:]), high=high, d=half(raw[:, :2]), raw_d=raw[:, :2], zero=zero,
            d_min=-half(raw[:, 2:4]) if minimum else None,
        )  # fmt: skip

    return fields


def _q8_0(raw: Bytes) -> Fields:
    # stored as signed bytes: flipping the top bit makes them codes above -128
    return Fields(low=raw[:, 2:] ^ np.uint8(128), high=None, d=half(raw[:, :2]), raw_d=raw[:, :2], zero=128)


def _chunks(qs: Bytes) -> Codes:
    """Q4_K's order: each 32 bytes give 32 low nibbles, then 32 high ones."""
    return nibbles(qs.reshape(len(qs), 4, 32)).reshape(len(qs), 256)


def _q4_k(raw: Bytes) -> Fields:
    return Fields(
        low=_chunks(raw[:, 16:]), high=None, d=half(raw[:, :2]), raw_d=raw[:, :2], d_min=half(raw[:, 2:4]),
        packed=raw[:, 4:16],
    )  # fmt: skip


def _q5_k(raw: Bytes) -> Fields:
    qh = raw[:, 16:48]
    high = np.stack([(qh >> np.uint8(bit) & np.uint8(1)) << FOUR for bit in range(8)], axis=1).reshape(len(raw), 256)
    return Fields(
        low=_chunks(raw[:, 48:]), high=high, d=half(raw[:, :2]), raw_d=raw[:, :2], d_min=half(raw[:, 2:4]),
        packed=raw[:, 4:16],
    )  # fmt: skip


def _q6_k(raw: Bytes) -> Fields:
    ql, qh = raw[:, :128].reshape(-1, 2, 64), raw[:, 128:192].reshape(-1, 2, 1, 32)
    high = (qh >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & np.uint8(3)) << FOUR
    return Fields(
        low=nibbles(ql).reshape(len(raw), 256), high=high.reshape(len(raw), 256), d=half(raw[:, 208:]),
        raw_d=raw[:, 208:], zero=32, scales=raw[:, 192:208].view(np.int8),
    )  # fmt: skip


def _q2_k(raw: Bytes) -> Fields:
    qs = raw[:, 16:80].reshape(-1, 2, 1, 32)
    low = qs >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & np.uint8(3)
    return Fields(
        low=low.reshape(len(raw), 256), high=None, d=half(raw[:, 80:82]), raw_d=raw[:, 80:82],
        d_min=half(raw[:, 82:84]), packed=raw[:, :16],
    )  # fmt: skip


FIELDS: dict[str, Callable[[Bytes], Fields]] = {
    "Q4_0": _simple(minimum=False, fifth=False, zero=8),
    "Q4_1": _simple(minimum=True, fifth=False, zero=0),
    "Q5_0": _simple(minimum=False, fifth=True, zero=16),
    "Q5_1": _simple(minimum=True, fifth=True, zero=0),
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "Q2_K": _q2_k,
}


def six_bits(s: Bytes) -> tuple[Bytes, Bytes]:
    """Unpack the scales and minima of Q4_K and Q5_K as ggml's get_scale_min_k4 does."""
    low, mid, top = s[:, :4], s[:, 4:8], s[:, 8:]
    scales = np.concatenate([low & 63, (top & 15) | (low >> SIX) << FOUR], axis=1)
    minima = np.concatenate([mid & 63, top >> FOUR | (mid >> SIX) << FOUR], axis=1)
    return scales, minima


def four_bits(s: Bytes) -> tuple[Bytes, Bytes]:
    """Unpack the scales and minima of Q2_K: low and high nibbles."""
    return s & np.uint8(15), s >> FOUR


RIGHT: dict[str, Unpack] = {"Q4_K": six_bits, "Q5_K": six_bits, "Q2_K": four_bits}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way to put the fields of a block together; the defaults are the right one."""

    causes: tuple[str, ...] = ()
    label: str = ""
    low: Index | None = None  # where the low bits of each element are, in ggml's order
    high: Index | None = None  # where its high bits are
    scales_move: bool = False  # an element takes the scale of the place its code lies in
    unpack: Unpack | None = None
    zero: float | None = None  # instead of the type's
    signed: int = 0  # codes of that many bits are two's complement
    minima: float = 1.0  # what they are multiplied by
    exchanged: bool = False  # the fields d and dmin (or m) taken for each other
    d: Callable[[Bytes], F32] | None = None  # another reading of d's bytes


def together(dtype: str, raw: Bytes, scheme: Scheme, at: Places | None = None) -> F32:
    """Return the values of blocks (blocks, bytes of one) under a scheme: (blocks, elements), or those `at` places."""
    with np.errstate(all="ignore"):
        parts = FIELDS[dtype](raw)
        d, d_min = scheme.d(parts.raw_d) if scheme.d and parts.raw_d is not None else parts.d, parts.d_min
        if scheme.exchanged and d_min is not None:
            # a type of one block states its minimum as what is added, so the fields change signs as well
            d, d_min = (d_min, d) if parts.packed is not None else (-d_min, -d)
        scale, minimum = of_elements(dtype, dataclasses.replace(parts, d=d, d_min=d_min), scheme, at)
        values = (_codes(parts, scheme, at) - np.float32(parts.zero if scheme.zero is None else scheme.zero)) * scale
        if minimum is not None and scheme.minima:
            values -= minimum * np.float32(scheme.minima)
        return values


def _codes(parts: Fields, scheme: Scheme, at: Places | None) -> F32:
    codes = _taken(parts.low, scheme.low, at)
    if parts.high is not None:
        codes = codes | _taken(parts.high, scheme.high, at)
    if scheme.signed:
        middle = 1 << (scheme.signed - 1)
        return (codes ^ middle).astype(np.float32) - middle
    return codes.astype(np.float32)


def _taken(field: npt.NDArray[Any], order: Index | None, at: Places | None) -> npt.NDArray[Any]:
    """Return a field of blocks with its columns in that order, all of it or only what lies at some places."""
    if at is None:
        return field if order is None else field[:, order]
    return field[at[0], at[1] if order is None else order[at[1]]]


def of_elements(dtype: str, parts: Fields, scheme: Scheme, at: Places | None = None) -> tuple[F32, F32 | None]:
    """Return the scale and the minimum of every element, or of every block where they are the block's."""
    d, d_min = parts.d, parts.d_min
    if parts.scales is not None:
        scale: F32 = d * parts.scales.astype(np.float32)
        minimum = None
    elif parts.packed is not None and d_min is not None:
        scales, minima = (scheme.unpack or RIGHT[dtype])(parts.packed)
        scale, minimum = d * scales.astype(np.float32), d_min * minima.astype(np.float32)
    elif at is not None:
        return d[at[0], 0], None if d_min is None else d_min[at[0], 0]
    else:
        return np.broadcast_to(d, parts.low.shape), d_min
    place = np.arange(256, dtype=np.intp) if scheme.low is None or not scheme.scales_move else scheme.low
    place = place // (256 // scale.shape[1])
    return _taken(scale, place, at), None if minimum is None else _taken(minimum, place, at)
