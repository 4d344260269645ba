"""Decoders of the block types most models are made of, and of those gguf-py has none for.

Each writes the values of whole blocks, (blocks, bytes of one) uint8, into (blocks, elements of one) float32,
bit for bit as ggml's dequantize_row functions do (ggml/src/ggml-quants.c). They are written for blocks that
stay in the processor's cache and for buffers that are used again, which makes them ten times faster than the
general ones of gguf-py.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bot.formats._base import F32, Bytes

Codes = npt.NDArray[np.uint8]


def _halves(blocks: Bytes, start: int, count: int = 1) -> F32:
    """Return float16 fields as (blocks, count) float32."""
    return blocks[:, start : start + 2 * count].copy().view("<f2").astype(np.float32)


def _nibbles(packed: Bytes) -> Codes:
    """Return the low nibbles of each row of bytes, then its high ones."""
    codes = np.empty((*packed.shape[:-1], 2, packed.shape[-1]), np.uint8)
    np.bitwise_and(packed, 15, out=codes[..., 0, :])
    np.right_shift(packed, 4, out=codes[..., 1, :])
    return codes


def _signed(codes: Codes, zero: int, scale: F32, out: F32) -> None:
    """Write (code - zero) * scale; codes are taken over."""
    codes -= np.uint8(zero)
    np.multiply(codes.view(np.int8), scale, out=out)


def _q4_0(blocks: Bytes, out: F32) -> None:
    _signed(_nibbles(blocks[:, 2:]).reshape(-1, 32), 8, _halves(blocks, 0), out)


def _q4_1(blocks: Bytes, out: F32) -> None:
    fields = _halves(blocks, 0, 2)
    np.multiply(_nibbles(blocks[:, 4:]).reshape(-1, 32), fields[:, :1], out=out)
    out += fields[:, 1:]


def _fifth_bits(blocks: Bytes, start: int) -> Codes:
    bits = np.unpackbits(blocks[:, start : start + 4], axis=1, bitorder="little")
    return np.left_shift(bits, 4, out=bits)


def _q5_0(blocks: Bytes, out: F32) -> None:
    codes = _nibbles(blocks[:, 6:]).reshape(-1, 32)
    codes |= _fifth_bits(blocks, 2)
    _signed(codes, 16, _halves(blocks, 0), out)


def _q5_1(blocks: Bytes, out: F32) -> None:
    fields = _halves(blocks, 0, 2)
    codes = _nibbles(blocks[:, 8:]).reshape(-1, 32)
    codes |= _fifth_bits(blocks, 4)
    np.multiply(codes, fields[:, :1], out=out)
    out += fields[:, 1:]


def _q8_0(blocks: Bytes, out: F32) -> None:
    np.multiply(blocks[:, 2:].view(np.int8), _halves(blocks, 0), out=out)


def _q8_1(blocks: Bytes, out: F32) -> None:
    np.multiply(blocks[:, 4:].view(np.int8), _halves(blocks, 0), out=out)


def _q8_k(blocks: Bytes, out: F32) -> None:
    np.multiply(blocks[:, 4:260].view(np.int8), blocks[:, :4].copy().view("<f4"), out=out)


def _six_bit_pairs(packed: Bytes) -> tuple[Codes, Codes]:
    """Unpack the 12 bytes in which Q4_K and Q5_K keep eight scales and eight minima."""
    scales, minima = (np.empty((len(packed), 8), np.uint8) for _ in range(2))
    scales[:, :4], minima[:, :4] = packed[:, :4] & 63, packed[:, 4:8] & 63
    scales[:, 4:] = (packed[:, 8:] & 15) | ((packed[:, :4] >> 2) & 48)
    minima[:, 4:] = (packed[:, 8:] >> 4) | ((packed[:, 4:8] >> 2) & 48)
    return scales, minima


def _scaled_above_minimum(blocks: Bytes, codes: Codes, out: F32) -> None:
    fields, (scales, minima) = _halves(blocks, 0, 2), _six_bit_pairs(blocks[:, 4:16])
    values = out.reshape(-1, 8, 32)
    np.multiply(codes.reshape(-1, 8, 32), (scales * fields[:, :1])[..., None], out=values)
    values -= (minima * fields[:, 1:])[..., None]


def _q4_k(blocks: Bytes, out: F32) -> None:
    _scaled_above_minimum(blocks, _nibbles(blocks[:, 16:].reshape(-1, 4, 32)), out)


def _q5_k(blocks: Bytes, out: F32) -> None:
    codes = _nibbles(blocks[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32)
    for part in range(8):
        codes[:, part] |= ((blocks[:, 16:48] >> part) & 1) << 4
    _scaled_above_minimum(blocks, codes, out)


def _q6_k(blocks: Bytes, out: F32) -> None:
    low = _nibbles(blocks[:, :128].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    high = blocks[:, 128:192].reshape(-1, 2, 32)
    for part in range(4):
        low[:, :, part] |= ((high >> (2 * part)) & 3) << 4
    scales = blocks[:, 192:208].view(np.int8) * _halves(blocks, 208)
    _signed(low.reshape(-1, 16, 16), 32, scales[..., None], out.reshape(-1, 16, 16))


def _q1_0(blocks: Bytes, out: F32) -> None:
    bits = np.unpackbits(blocks[:, 2:], axis=1, bitorder="little")
    scale = _halves(blocks, 0)
    np.copyto(out, np.where(bits, scale, -scale))


def _q2_0(blocks: Bytes, out: F32) -> None:
    codes = np.empty((len(blocks), 16, 4), np.uint8)
    for part in range(4):
        codes[..., part] = (blocks[:, 2:] >> (2 * part)) & 3
    _signed(codes.reshape(-1, 64), 1, _halves(blocks, 0), out)


DECODERS: dict[str, Callable[[Bytes, F32], None]] = {
    "Q4_0": _q4_0, "Q4_1": _q4_1, "Q5_0": _q5_0, "Q5_1": _q5_1, "Q8_0": _q8_0, "Q8_1": _q8_1, "Q8_K": _q8_k,
    "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k, "Q1_0": _q1_0, "Q2_0": _q2_0,
}  # fmt: skip
