"""Experiments on element types: bits under another label, cut or overflowing floats, values that are no numbers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.view import Slot, View
from bot.triage.case import Case
from bot.triage.experiments import codes, quant, reading
from bot.triage.experiments.reading import rounded
from bot.triage.moves import Fit, Variant

Fitted = tuple[F32, dict[str, float]] | None
Apply = Callable[[F32, F32], Fitted]
Mask = npt.NDArray[np.bool_]

FLOATS = ("F32", "F16", "BF16")
DECODED = frozenset({*codes.FIELDS, "IQ4_NL", "IQ4_XS", "MXFP4", "APR_Q4"})  # types whose blocks may lie anywhere
LARGEST_F16 = 65504.0
HALFWAY_TO_INFINITY = 65520.0  # float16 rounds to infinity from here
SMALLEST = {"F16": 2.0**-14, "BF16": 2.0**-126, "F32": 2.0**-126}  # the smallest normal numbers
THROUGH = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"})  # types with an exact quantizer
# unsigned type of the same size, all bits but the sign, and from where on they are no number
EXPONENT = {"F32": ("<u4", 0x7FFFFFFF, 0x7F800000), "BF16": ("<u2", 0x7FFF, 0x7F80), "F16": ("<u2", 0x7FFF, 0x7C00)}
# where the scale of a block is
SCALES = {"Q4_0": 0, "Q4_1": 0, "Q5_0": 0, "Q5_1": 0, "Q8_0": 0, "Q4_K": 0, "Q5_K": 0, "Q6_K": 208, "Q2_K": 80}
SUPER = 256  # elements of the largest blocks: what one NaN can take with it


def variants(case: Case) -> Iterator[Variant]:
    """Yield readings of each side's bytes under other labels, and with the bytes of every float swapped."""
    for side, slot in (("A", case.pair.a), ("B", case.pair.b)):
        for dtype in _others(case, side, slot):
            yield _labelled(case, side, slot, dtype)
        if slot.dtype in {"F32", "F16", "BF16"}:
            yield _swapped(case, side, slot)


def _others(case: Case, side: str, slot: Slot) -> list[str]:
    """Return the types a side's bytes could have been taken for, the likely ones first."""
    own = blocks.TYPES[slot.dtype]
    other = case.pair.b.dtype if side == "A" else case.pair.a.dtype
    same_size = [
        name for name, kind in blocks.TYPES.items()
        if name in blocks.QUANTIZED and kind.nbytes * own.elements == own.nbytes * kind.elements
    ]  # fmt: skip
    likely = [other, *FLOATS, *same_size]
    if own.elements > 1 and side == "A":
        likely += ["I8", "U8"]
    if own.elements == 1 and side == "B":
        likely += sorted(DECODED)
    if own.elements == 1 and side == "A":
        likely += ["I16", "U16"] if own.nbytes == 2 else []
    return [name for name in dict.fromkeys(likely) if name != slot.dtype and _divides(slot, name)]


def _divides(slot: Slot, dtype: str) -> bool:
    # both files of types call nibbles side by side what they call it: an order of nibbles (QUANT-001), no label
    if {dtype, slot.dtype} == {"APR_Q4", "Q4_0"} or dtype in {"APR_Q8", "Q8_1", "Q8_K", "F64"}:
        return False
    return bool(slot.info.shape) and slot.info.shape[-1] % blocks.TYPES[dtype].elements == 0


def _labelled(case: Case, side: str, slot: Slot, dtype: str) -> Variant:
    quantized = (slot.dtype in blocks.QUANTIZED, dtype in blocks.QUANTIZED)
    cause = "QUANT-005" if all(quantized) else "DTYPE-005" if any(quantized) else "DTYPE-004"
    words = (
        f"source's {slot.dtype} bytes read as {dtype}" if side == "A" else f"result's {slot.dtype} bytes are {dtype}"
    )
    return Variant(
        causes=(cause,), label=words, side=side, limit=quant.limit_of(case, side, None if side == "A" else dtype),
        facts={"dtype" if side == "B" else "read_as": dtype}, whole=True,
        values=lambda: quant.read(case, side, reading.source_of(slot, dtype, within=False)),
    )  # fmt: skip


def _swapped(case: Case, side: str, slot: Slot) -> Variant:
    size = blocks.TYPES[slot.dtype].nbytes

    def decode(raw: Bytes) -> F32:
        swapped = np.ascontiguousarray(raw.reshape(-1, size)[:, ::-1])
        with np.errstate(all="ignore"):
            return blocks.decode(slot.dtype, swapped).reshape(len(raw), -1)

    words = (
        "source read with the bytes of its floats swapped" if side == "A" else "bytes of the result's floats swapped"
    )
    return Variant(
        causes=("FILE-005",), label=words, side=side, limit=quant.limit_of(case, side), whole=True,
        values=lambda: quant.read(case, side, reading.source_of(slot, slot.dtype, decode)),
    )  # fmt: skip


def fits(case: Case) -> Iterator[Fit]:
    """Yield what rounding, range and non-numbers can do to values."""
    dtype = case.pair.b.dtype
    if dtype in {"F16", "BF16"}:
        yield Fit(causes=("DTYPE-002",), label=f"cut to {dtype} instead of rounded", apply=_cut_to(dtype))
    yield Fit(causes=("DTYPE-001",), label="beyond the range of float16", apply=_overflown)
    yield Fit(causes=("DTYPE-003",), label="numbers below the smallest normal one lost", apply=_flushed_to(dtype))
    yield Fit(causes=("DTYPE-008",), label="source is no number there", apply=_spoilt_by_source(case))
    if dtype in blocks.QUANTIZERS & blocks.QUANTIZED:
        for before in sorted(THROUGH - {dtype}):
            yield Fit(causes=("DTYPE-006",), label=f"quantized to {before} first", apply=_through(before, dtype))
    yield Fit(causes=("QUANT-006",), label="scale of whole blocks is no number", apply=_spoilt_blocks(case))


def cut(dtype: str, values: F32) -> F32:
    """Return values with the bits that a 16-bit float type does not hold cut off."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    if dtype == "BF16":
        return (bits & np.uint32(0xFFFF0000)).view(np.float32)
    with np.errstate(all="ignore"):
        near = values.astype(np.float16)
        beyond = np.abs(near.astype(np.float32)) > np.abs(values)
        # towards zero is one step down in the bits of a float16
        return np.where(beyond, (near.view(np.uint16) - beyond.astype(np.uint16)).view(np.float16), near).astype(
            np.float32
        )


def _cut_to(dtype: str) -> Apply:
    def apply(x: F32, y: F32) -> Fitted:
        predicted = cut(dtype, x)
        if np.array_equal(predicted, rounded(dtype, x)):
            return None  # nothing here tells cutting from rounding
        smaller = float(np.mean(np.abs(y) <= np.abs(x)))
        return predicted, {"not_larger": round(smaller, 4)}

    return apply


def _through(before: str, dtype: str) -> Apply:
    def apply(x: F32, _: F32) -> Fitted:
        """Quantized to another type and back before it got its own; both quantizers are exact ones."""
        if x.ndim != 2 or any(x.shape[1] % blocks.TYPES[name].elements for name in (before, dtype)):
            return None
        between = blocks.decode(before, blocks.encode(before, x)).reshape(x.shape)
        return blocks.decode(dtype, blocks.encode(dtype, between)).reshape(x.shape), {}

    return apply


def _overflown(x: F32, y: F32) -> Fitted:
    """Infinite, or what infinity became, exactly where float16 ends; float16 elsewhere."""
    beyond = np.abs(x) >= HALFWAY_TO_INFINITY
    if not beyond.any() or not np.isfinite(x).all():
        return None
    clipped = np.abs(y[beyond]) == np.float32(LARGEST_F16)
    if np.isfinite(y[beyond]).all() and not clipped.all():
        return None
    near = rounded("F16", x)
    kept = near if np.array_equal(near[~beyond], y[~beyond]) else x
    predicted = np.where(beyond, y, kept).astype(np.float32)
    return predicted, {"overflowed": int(beyond.sum()), "largest": float(np.abs(x).max())}


def _flushed_to(dtype: str) -> Apply:
    def apply(x: F32, y: F32) -> Fitted:
        """Equal to the rounded source but for numbers too small to be normal, which are zero or coarse."""
        for name in dict.fromkeys((dtype, "F16", "F32")):
            small = (np.abs(x) < SMALLEST.get(name, SMALLEST["F32"])) & (x != 0)
            if not small.any() or not y.any():
                continue
            kept = rounded(dtype, x)
            for predicted in (np.where(small, np.float32(0), kept), rounded("F16", kept) if name == "F16" else None):
                if predicted is not None and np.array_equal(predicted, y):
                    return predicted, {"lost": int(small.sum()), "largest_lost": float(np.abs(x[small]).max())}
        return None

    return apply


def _spoilt_by_source(case: Case) -> Apply:
    def apply(x: F32, y: F32) -> Fitted:
        """Wrong only in blocks in which the source itself holds a NaN or an infinity."""
        bad = ~np.isfinite(x)
        if not bad.any() or np.isfinite(case.x).all() or _mostly_bad(case.x):
            return None  # under another reading the source is no number anywhere
        return np.where(_blocks_of(bad, SUPER), y, x).astype(np.float32), {"not_numbers": int(bad.sum())}

    return apply


def _mostly_bad(values: F32) -> bool:
    """Tell whether a tensor is hardly a number anywhere: then nothing is left that could be right."""
    return float(np.isfinite(values).mean()) < 0.5


def _blocks_of(bad: Mask, size: int) -> Mask:
    """Spread a mask over whole blocks of `size` within rows."""
    width = bad.shape[-1]
    padded = np.zeros((*bad.shape[:-1], -(-width // size) * size), np.bool_)
    padded[..., :width] = bad
    whole = padded.reshape(*bad.shape[:-1], -1, size).any(axis=-1)
    return np.repeat(whole, size, axis=-1)[..., :width]


def _spoilt_blocks(case: Case) -> Apply:
    sizes = sorted({blocks.TYPES[slot.dtype].elements for slot in (case.pair.a, case.pair.b)} - {1})

    def apply(x: F32, y: F32) -> Fitted:
        """Not a number in whole blocks of the quantized type, right elsewhere."""
        for size in sizes:
            for side, all_of_it in ((y, case.y), (x, case.x)):
                bad = ~np.isfinite(side)
                spread = _blocks_of(bad, size)
                # a code at the zero point times infinity is NaN and the others are infinite: all of a block is bad
                if bad.any() and np.array_equal(bad, spread) and not _mostly_bad(all_of_it):
                    return np.where(spread, y, x).astype(np.float32), {"blocks": int(spread.sum()) // size}
        return None

    return apply


def not_numbers(view: View) -> Iterator[tuple[str, int]]:
    """Yield the tensors of a checkpoint that hold non-numbers, and how many: floats, or scales of blocks."""
    for name, slot in view.tensors.items():
        if slot.info.nbytes and (slot.expert or 0) == 0 and (count := _not_numbers(view, slot)):
            yield name, count


def _not_numbers(view: View, slot: Slot) -> int:
    raw = view.checkpoint.raw(slot.stored)
    if slot.dtype in EXPONENT:
        width, mask, least = EXPONENT[slot.dtype]
        bits = raw.view(width)
        step = 1 << 20
        return sum(
            _above(bits[start : start + step] & bits.dtype.type(mask), least) for start in range(0, len(bits), step)
        )
    if slot.dtype in SCALES:
        at = SCALES[slot.dtype]
        packed = raw.reshape(-1, blocks.TYPES[slot.dtype].nbytes)[:, at : at + 2]
        return int(np.count_nonzero(~np.isfinite(packed.copy().view("<f2"))))
    return 0


def _above(bits: npt.NDArray[Any], least: int) -> int:
    return int(np.count_nonzero(bits >= least)) if bits.size and int(bits.max()) >= least else 0
