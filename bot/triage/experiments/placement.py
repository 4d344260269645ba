"""Tensor data that lies elsewhere than its table says: a few bytes beside, or anywhere in the file.

The bytes that ought to be there are known, so they are looked for instead of guessed at: where a row of the
expected bytes is found tells by how much a file, or a reader, is off (ollama/ollama#10239 reads by 32 what was
padded by another alignment).
"""

import functools
import math
import mmap
from collections import Counter
from collections.abc import Iterator

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.view import Slot, View
from bot.triage.case import EXACT, Case, residual
from bot.triage.experiments import quant, reading
from bot.triage.experiments.grids import EXACTLY
from bot.triage.moves import Variant

FLOATS = frozenset({"F32", "F16", "BF16"})
PROBE, LEAST = 64, 16  # bytes of a row that are looked for, and how few may do
AROUND = 1 << 20  # bytes on either side in which they are
PADDING = 64  # the widest alignment in use; what is off by less was padded differently


def variants(case: Case) -> Iterator[Variant]:
    """Yield the one place, if there is any, where the expected bytes are."""
    for side, view, slot in (("B", case.b, case.pair.b), ("A", case.a, case.pair.a)):
        if slot.info.shape and (shift := _shift(case, side, view, slot)):
            words = f"{'result lies' if side == 'B' else 'source was read'} {abs(shift)} bytes " + (
                ("behind" if shift > 0 else "before") + " its offset"
            )
            yield Variant(
                causes=("FILE-003" if abs(shift) < PADDING else "FILE-004",), label=words, side=side,
                values=functools.partial(_moved, case, side, view, slot, shift), limit=quant.limit_of(case, side),
                facts={"shift": shift}, whole=True,
            )  # fmt: skip


def _moved(case: Case, side: str, view: View, slot: Slot, shift: int) -> F32:
    """Read a tensor beside its offset. What would lie behind all data is nobody's to judge: the other side's it is."""
    read = quant.read(case, side, reading.source_of(slot, slot.dtype, shift=shift, within=False))
    ends = [info.offset + info.nbytes for info in view.checkpoint.tensors.values() if info.path == slot.info.path]
    begin, nbytes = _place(slot)
    # a checksum may follow the data
    lost = max(0, begin + shift + nbytes - max(ends)) * blocks.TYPES[slot.dtype].elements
    other = case.x if side == "B" else case.y
    if not lost or read.shape != other.shape:
        return read
    lost = -(-lost // blocks.TYPES[slot.dtype].nbytes)
    values = np.array(read).reshape(-1)
    values[-lost:] = other.reshape(-1)[-lost:]
    return values.reshape(read.shape)


def _shift(case: Case, side: str, view: View, slot: Slot) -> int | None:
    """Return by how many bytes the data lies beside its offset; None where it is not found, or found in its place."""
    values = case.x if side == "B" else case.y
    begin, nbytes = _place(slot)
    shape = slot.info.shape if slot.expert is None else slot.info.shape[1:]
    if values.size != math.prod(shape) or not nbytes or not values.size:
        return None
    values = values.reshape(shape[0] if len(shape) > 1 else 1, -1)
    votes = Counter(filter(None, (_found(slot, values, row) for row in _probes(len(values)))))
    if not votes and slot.dtype in blocks.QUANTIZED - EXACTLY and side == "A":
        return _scanned(case, slot)
    shift = votes.most_common(1)[0][0] if votes else None
    return None if shift is None or _taken(view, slot, begin + shift) else shift


def _taken(view: View, slot: Slot, place: int) -> bool:
    """Tell whether another tensor, or another expert of a stack, begins there: then it is the one that was stored."""
    for info in view.checkpoint.tensors.values():
        into = place - info.offset
        stacked = slot.expert is not None and len(info.shape) == len(slot.info.shape) and 0 <= into < info.nbytes
        if info.path == slot.info.path and (into == 0 or (stacked and into % (info.nbytes // info.shape[0]) == 0)):
            return True
    return False


def _place(slot: Slot) -> tuple[int, int]:
    """Return where in its file a tensor, or one expert of a stack, begins, and how many bytes it is long."""
    if slot.expert is None:
        return slot.info.offset, slot.info.nbytes
    each = slot.info.nbytes // slot.info.shape[0]
    return slot.info.offset + slot.expert * each, each


def _probes(count: int) -> list[int]:
    return sorted({0, count // 3, count // 2, 2 * count // 3})


def _found(slot: Slot, values: F32, row: int) -> int | None:
    """Look for the bytes of one row around their place; return how far off they are."""
    encoded = _encoded(slot.dtype, values[row : row + 1])
    if encoded is None:
        return None
    probe = encoded[:PROBE].tobytes()
    if len(probe) < LEAST or len(set(probe)) < 4:
        return None  # rows of zeros are found everywhere
    place = _place(slot)[0] + row * len(encoded)
    with slot.info.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[place : place + len(probe)] == probe:
            return None
        low = max(0, place - AROUND)
        at = data.find(probe, low, place + AROUND)
    return at - place if at >= 0 else None


def _encoded(dtype: str, row: F32) -> Bytes | None:
    if dtype not in FLOATS | EXACTLY or row.shape[1] % blocks.TYPES[dtype].elements or not np.isfinite(row).all():
        return None
    return blocks.encode(dtype, row)


def _scanned(case: Case, slot: Slot) -> int | None:
    """Try every small shift of a source whose blocks cannot be computed from the result."""
    row = case.y[:1]
    for shift in (sign * n for n in range(1, PADDING) for sign in (1, -1)):
        source = reading.source_of(slot, slot.dtype, shift=shift, within=False)
        if case.x.shape == case.y.shape and residual(reading.of_a(case, source)[:1], row) <= max(EXACT, case.limit):
            return shift
    return None
