"""The wrong ways in which quantized blocks are known to be read, or written, by type.

Every one is a mistake somebody made: interleaved nibbles (paiml/aprender before its layout contract), scales and
minima of K-quants unpacked by another rule (huggingface/candle#1569, paiml/aprender#1924), a zero point beside 8.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator

import numpy as np

from bot.formats._base import F32, Bytes
from bot.formats.view import Index
from bot.triage.experiments.codes import FOUR, SIX, Scheme, six_bits

ORDER, SCALES, ZERO = "QUANT-001", "QUANT-002", "QUANT-003"
_ZEROS = {"Q4_0": (8, 4), "Q5_0": (16, 5), "Q8_0": (128, 8)}  # zero point, bits of a code


def top_bits_for_minima(s: Bytes) -> tuple[Bytes, Bytes]:
    """Six bits of eight bytes as scales, their top bits completed by the last four bytes as minima.

    So did aprender's dequantize_q4_k up to apr-cli 0.2.11.
    """
    scales = s[:, :8] & np.uint8(63)
    top = np.concatenate([s[:, 8:] & np.uint8(15), s[:, 8:] >> FOUR], axis=1)
    return scales, s[:, :8] >> SIX | top << np.uint8(2)


def _stream(s: Bytes) -> Bytes:
    """Sixteen numbers of six bits in a row, lowest bit first."""
    bits = np.unpackbits(s, axis=1, bitorder="little").reshape(len(s), 16, 6)
    return np.packbits(bits, axis=2, bitorder="little")[:, :, 0]


def in_a_row(s: Bytes) -> tuple[Bytes, Bytes]:
    """Eight scales of six bits, then eight minima."""
    numbers = _stream(s)
    return numbers[:, :8], numbers[:, 8:]


def in_turn(s: Bytes) -> tuple[Bytes, Bytes]:
    """A scale, a minimum, a scale, ... of six bits."""
    numbers = _stream(s)
    return numbers[:, ::2], numbers[:, 1::2]


def without_top_bits(s: Bytes) -> tuple[Bytes, Bytes]:
    """The upper four sub-blocks without the two bits kept in the lower bytes."""
    return np.concatenate([s[:, :4] & 63, s[:, 8:] & 15], axis=1), np.concatenate(
        [s[:, 4:8] & 63, s[:, 8:] >> 4], axis=1
    )


def exchanged_six_bits(s: Bytes) -> tuple[Bytes, Bytes]:
    """Minima for scales and scales for minima."""
    scales, minima = six_bits(s)
    return minima, scales


def exchanged_four_bits(s: Bytes) -> tuple[Bytes, Bytes]:
    """The high nibble for the scale, the low one for the minimum."""
    return s >> FOUR, s & np.uint8(15)


def _bf16(raw: Bytes) -> F32:
    return (raw.copy().view("<u2").astype(np.uint32) << 16).view(np.float32)


def _swapped(raw: Bytes) -> F32:
    return raw.copy().view(">f2").astype(np.float32)


def _orders(dtype: str) -> Iterator[tuple[str, Index, Index]]:
    """Yield (words, places of the low bits, places of the high bits) of every other order of codes."""
    if dtype in {"Q4_0", "Q4_1", "Q5_0", "Q5_1"}:
        yield from _orders_of_32(dtype)
    elif dtype in {"Q4_K", "Q5_K"}:
        yield from _orders_of_64(dtype)
    elif dtype == "Q6_K":
        yield from _orders_of_q6_k()
    elif dtype == "Q2_K":
        index = np.arange(256, dtype=np.intp)
        byte, shift = index // 4, index % 4
        places = byte // 32 * 128 + shift * 32 + byte % 32
        yield "four codes of a byte side by side", places, places


def _orders_of_32(dtype: str) -> Iterator[tuple[str, Index, Index]]:
    index = np.arange(32, dtype=np.intp)
    orders = {
        "nibbles of a byte side by side": index.reshape(2, 16).T.ravel(),
        "high nibbles first": np.roll(index, 16),
        "nibbles of a byte side by side, the high one first": index.reshape(2, 16)[::-1].T.ravel(),
    }
    for words, places in orders.items():
        yield words, places, places
        if dtype.startswith("Q5"):
            yield f"{words}, fifth bits in their place", places, index


def _orders_of_64(dtype: str) -> Iterator[tuple[str, Index, Index]]:
    chunked = np.arange(256, dtype=np.intp).reshape(4, 2, 32)  # chunk, nibble, byte
    orders = {
        "nibbles of a byte side by side": chunked.transpose(0, 2, 1).ravel(),
        "high nibbles first": chunked[:, ::-1].ravel(),
        "nibbles of a byte side by side, the high one first": chunked[:, ::-1].transpose(0, 2, 1).ravel(),
        "low nibbles of the whole block, then high ones": chunked.transpose(1, 0, 2).ravel(),
        "nibbles by 16 bytes instead of 32": chunked.reshape(4, 2, 2, 16).transpose(0, 2, 1, 3).ravel(),
    }
    for words, places in orders.items():
        yield words, places, places
        if dtype == "Q5_K":
            yield f"{words}, fifth bits in their place", places, np.arange(256, dtype=np.intp)


def _orders_of_q6_k() -> Iterator[tuple[str, Index, Index]]:
    index = np.arange(256, dtype=np.intp)
    byte, nibble = index // 2, index % 2
    low = byte // 64 * 128 + nibble * 64 + byte % 64
    quarter = index // 4
    high = quarter // 32 * 128 + index % 4 * 32 + quarter % 32
    exchanged = index ^ 64
    yield "codes in the order of the bytes", low, high
    yield "nibbles of a byte side by side", low, low
    yield "nibbles of a byte side by side, upper bits in their place", low, index
    yield "upper bits in the order of their bytes", index, high
    yield "high nibbles first", exchanged, exchanged
    yield "high nibbles first, upper bits in their place", exchanged, index


def _scales(dtype: str) -> Iterator[Scheme]:
    if dtype in {"Q4_K", "Q5_K"}:
        for words, unpack in (
            ("top bits of the scales taken for minima", top_bits_for_minima),
            ("six-bit scales and minima in a row", in_a_row),
            ("six-bit scales and minima in turn", in_turn),
            ("upper scales and minima without their top bits", without_top_bits),
            ("scales and minima exchanged", exchanged_six_bits),
        ):
            yield Scheme(causes=(SCALES,), label=words, unpack=unpack)
    if dtype == "Q2_K":
        yield Scheme(causes=(SCALES,), label="scales and minima exchanged", unpack=exchanged_four_bits)
    if dtype in {"Q4_1", "Q5_1", "Q4_K", "Q5_K", "Q2_K"}:
        yield Scheme(causes=(SCALES,), label="scale and minimum of the block exchanged", exchanged=True)
        yield Scheme(causes=(SCALES,), label="minima left out", minima=0.0)
        yield Scheme(causes=(SCALES,), label="minima with the wrong sign", minima=-1.0)
    yield Scheme(causes=(SCALES,), label="block scale read as bfloat16", d=_bf16)


def _zeros(dtype: str) -> Iterator[Scheme]:
    if dtype in _ZEROS:
        zero, bits = _ZEROS[dtype]
        for value in (zero - 0.5, zero - 1, zero + 0.5, zero + 1, 0):
            yield Scheme(causes=(ZERO,), label=f"zero point {value:g} instead of {zero}", zero=value)
        yield Scheme(causes=(ZERO,), label="codes taken for two's complement", zero=0.0, signed=bits)
    if dtype == "Q6_K":
        for value in (31.5, 31, 33, 0):
            yield Scheme(causes=(ZERO,), label=f"zero point {value:g} instead of 32", zero=value)
        yield Scheme(causes=(ZERO,), label="codes taken for two's complement", zero=0.0, signed=6)


@functools.cache
def schemes(dtype: str) -> tuple[Scheme, ...]:
    """Return every wrong way to read that type: one mistake first, then an order with a rule of scales."""
    orders = [
        Scheme(
            causes=(ORDER,),
            label=words + (", scales with them" if moved else ""),
            low=low,
            high=high,
            scales_move=moved,
        )
        for words, low, high in _orders(dtype)
        for moved in ((False, True) if dtype.endswith("_K") and (np.diff(low) != 1).any() else (False,))
    ]
    others = [*_scales(dtype), *_zeros(dtype)]
    both = [_joined(order, other) for order, other in itertools.product(orders, others) if _combines(other)]
    swapped = Scheme(causes=("FILE-005",), label="bytes of the block scales swapped", d=_swapped)
    return (*orders, *others, swapped, *both)


def _combines(scheme: Scheme) -> bool:
    """Tell whether a decoder that takes codes in a wrong order may have made this mistake as well."""
    return scheme.unpack is not None or scheme.exchanged or scheme.zero is not None


def _joined(order: Scheme, other: Scheme) -> Scheme:
    return dataclasses.replace(
        order, causes=(*order.causes, *other.causes), label=f"{order.label}; {other.label}", unpack=other.unpack,
        exchanged=other.exchanged, zero=other.zero, signed=other.signed,
    )  # fmt: skip
