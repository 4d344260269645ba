"""A tensor read in another way than its label says: decoded block by block, only where somebody looks.

Variants are many and tensors are large, while an experiment looks at a few rows. A `Reading` stands in for the
array of all values: indexing decodes the blocks that hold what was asked for, anything else decodes it whole.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.names import Change
from bot.formats.view import Index, Slot, pair_rows
from bot.triage.case import Case

Decode = Callable[[Bytes], F32]  # (blocks, bytes of one) -> (blocks, elements of one)
Pick = Callable[[Bytes, tuple[Index, Index]], F32]  # the same, and (number of block, element) -> those elements
SMALL = 1 << 12  # elements; a tensor of so few is decoded whole at once
ROTARY = frozenset({Change.Q_ROWS, Change.KV_ROWS})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes to be decoded: whole blocks, one after another in the order of the flat tensor."""

    data: Bytes
    nbytes: int  # of one block
    elements: int  # of one block
    decode: Decode
    pick: Pick | None = None  # where single elements are had cheaper than whole blocks
    start: int = 0  # elements before the tensor's own (an expert in its stack)
    row: tuple[int, int] | None = None  # length of a row and of the same row with its padding, where rows have some

    def at(self, flat: Index) -> F32:
        """Return the values at flat positions; zero behind the end of the data."""
        if not flat.size:
            return np.zeros(flat.shape, np.float32)
        if self.row:
            flat = flat // self.row[0] * self.row[1] + flat % self.row[0]
        number, within = np.divmod(flat + self.start, self.elements)
        low, high = int(number.min()), int(number.max()) + 1
        if high - low <= 2 * flat.size // self.elements + 2:
            return cast(F32, self._blocks(np.arange(low, high, dtype=np.intp))[number - low, within])
        wanted, position = np.unique(number, return_inverse=True)
        places = position.reshape(number.shape), within
        if self.pick and int(wanted[-1]) < len(self.data) // self.nbytes:
            return self.pick(self._packed(wanted), places)
        return self._blocks(wanted)[places]

    def rows(self, rows: Index, width: int) -> F32:
        """Return whole rows of that length, flat; quicker than `at` where rows are whole blocks."""
        if self.row or width % self.elements or self.start % self.elements:
            return self.at(rows.reshape(-1, 1) * width + np.arange(width, dtype=np.intp))
        each = width // self.elements
        wanted = (rows.reshape(-1, 1) * each + np.arange(each, dtype=np.intp)).reshape(-1)
        return self._blocks(wanted + self.start // self.elements).reshape(rows.size, width)

    def _packed(self, wanted: Index) -> Bytes:
        there = len(self.data) // self.nbytes
        return np.ascontiguousarray(self.data[: there * self.nbytes].reshape(there, self.nbytes)[wanted])

    def _blocks(self, wanted: Index) -> F32:
        there = len(self.data) // self.nbytes
        packed = self.data[: there * self.nbytes].reshape(there, self.nbytes)
        rest = self.data[there * self.nbytes :]
        if len(rest) and int(wanted.max()) >= there:
            last = np.zeros((1, self.nbytes), np.uint8)
            last[0, : len(rest)] = rest
            packed, there = np.concatenate([packed, last]), there + 1
        if int(wanted.max()) < there:
            return self.decode(np.ascontiguousarray(packed[wanted]))
        values = np.zeros((len(wanted), self.elements), np.float32)
        held = wanted < there
        if held.any():
            values[held] = self.decode(np.ascontiguousarray(packed[wanted[held]]))
        return values


class Reading:
    """Stands in for an array: `shape`, `ndim`, `reshape` and indexing, all without reading more than is asked."""

    def __init__(
        self, shape: tuple[int, ...], at: Callable[[Index], F32], rows: Callable[[Index], F32] | None = None
    ) -> None:
        self.shape, self.ndim, self.size = shape, len(shape), math.prod(shape)
        self._at, self._rows = at, rows

    @functools.cached_property
    def whole(self) -> F32:
        """All values."""
        if self._rows is not None and self.shape and self.shape[0]:
            return self._rows(np.arange(self.shape[0], dtype=np.intp)).reshape(self.shape)
        return self._at(np.arange(self.size, dtype=np.intp)).reshape(self.shape)

    def __getitem__(self, key: Any) -> F32:
        """Return what numpy would: rows and pairs of indices without decoding the rest."""
        if self.size <= SMALL or "whole" in self.__dict__:
            return np.asarray(self.whole[key])
        if isinstance(key, tuple):
            return self._pairs(key)
        rows = np.arange(self.shape[0], dtype=np.intp)[key]
        if rows.size >= self.shape[0]:
            return np.asarray(self.whole[rows])
        if self._rows is not None and rows.size:
            return self._rows(rows.reshape(-1)).reshape(*rows.shape, *self.shape[1:])
        width = math.prod(self.shape[1:])
        flat = rows.reshape(-1, 1) * width + np.arange(width, dtype=np.intp)
        return self._at(flat).reshape(*rows.shape, *self.shape[1:])

    def _pairs(self, key: tuple[Any, ...]) -> F32:
        places = [part for part in key if isinstance(part, np.ndarray)]
        if len(key) == self.ndim == 2 and key[0] == slice(None) and len(places) == 1 and places[0].ndim == 1:
            places = [np.arange(self.shape[0], dtype=np.intp)[:, None], places[0][None]]
        if len(places) != len(key) or len(key) != self.ndim:
            return np.asarray(self.whole[key])
        flat = np.ravel_multi_index(tuple(np.broadcast_arrays(*places)), self.shape).astype(np.intp)
        return self._at(flat) if flat.size < self.size else self.whole.reshape(-1)[flat]

    def reshape(self, *shape: Any) -> "Reading":
        """Return the same flat values under another shape."""
        asked = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        unknown = self.size // max(1, -math.prod(asked)) if -1 in asked else 0
        return Reading(tuple(unknown if n == -1 else n for n in asked), self._at)

    def ravel(self) -> F32:
        """Return all values, flat."""
        return self.whole.reshape(-1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Decode it whole for whatever numpy function is given this."""
        return np.asarray(self.whole, dtype=dtype)


def file_bytes(path: Path) -> Bytes:
    """Return a whole file as bytes, mapped."""
    return np.memmap(path, np.uint8, "r")


def source_of(slot: Slot, dtype: str, decode: Decode | None = None, *, shift: int = 0, within: bool = True) -> Source:
    """Return a slot's bytes to be read as `dtype`: its own, or with `within` off whatever follows them in the file."""
    kind = blocks.TYPES[dtype]
    elements = kind.elements if kind.elements > 1 else _even(slot.info.count)
    nbytes = kind.nbytes * (elements // kind.elements)
    info = slot.info
    begin = info.offset + shift
    padded = math.prod(info.shape[:-1]) * (info.shape[-1] + info.row_padding) if info.shape else 1
    end = begin + (info.nbytes if within else -(-padded // elements) * nbytes)
    mapped = file_bytes(info.path)
    data = mapped[max(0, begin) : min(end, len(mapped))]

    def plain(packed: Bytes) -> F32:
        with np.errstate(all="ignore"):
            return blocks.decode(dtype, packed).reshape(len(packed), elements)

    start = (slot.expert or 0) * (info.count // info.shape[0] if slot.expert is not None else 0)
    row = (info.shape[-1], info.shape[-1] + info.row_padding) if info.row_padding else None
    return Source(data=data, nbytes=nbytes, elements=elements, decode=decode or plain, start=start, row=row)


def _even(count: int) -> int:
    """Return how many plain elements to decode together: a power of two that divides the tensor."""
    step = 256
    while count % step:
        step //= 2
    return step


def of_b(case: Case, source: Source) -> Reading:
    """Return Y as another reading of B's bytes gives it."""
    shape = _shape(case.pair.b)
    width = math.prod(shape[1:])
    return Reading(shape, source.at, lambda rows: source.rows(rows, width))


def of_a(case: Case, source: Source) -> Reading:
    """Return X as another reading of A's bytes gives it: B's conventions applied, rounded to B's type."""
    a, b, stored, shape = case.pair.a, case.pair.b, _shape(case.pair.a), case.x.shape
    offset = np.float32((b.change is Change.PLUS_ONE) - (a.change is Change.PLUS_ONE))
    width = math.prod(stored[1:])

    def finished(values: F32) -> F32:
        return rounded(b.dtype, values + offset if offset else values)

    if (a.change is Change.TRANSPOSED) != (b.change is Change.TRANSPOSED) and len(stored) == 2:
        height = stored[0]
        return Reading(shape, lambda flat: finished(source.at((flat % height) * width + flat // height)))
    order = _row_order(case, stored)
    return Reading(
        shape,
        lambda flat: finished(source.at(order[flat // width] * width + flat % width)),
        lambda rows: finished(source.rows(order[rows], width)),
    )


def _shape(slot: Slot) -> tuple[int, ...]:
    """Return the shape a slot's bytes are stored in; of one expert, for a stack."""
    return slot.info.shape[1:] if slot.expert is not None else slot.info.shape


def _row_order(case: Case, stored: tuple[int, ...]) -> Index:
    """Return where in A's bytes each row of X comes from."""
    a, b, rows = case.pair.a, case.pair.b, stored[0] if stored else 1
    if (a.change in ROTARY) == (b.change in ROTARY):
        return np.arange(rows, dtype=np.intp)
    return pair_rows(rows, a.heads) if a.change in ROTARY else np.argsort(pair_rows(rows, b.heads))


def rounded(dtype: str, values: F32) -> F32:
    """Return values as a float type of that name keeps them; other types are left to the residual."""
    with np.errstate(all="ignore"):
        if dtype == "F16":
            return values.astype(np.float16).astype(np.float32)
        if dtype == "BF16":
            return nearest_bf16(values)
        return values


def nearest_bf16(values: F32) -> F32:
    """Round to bfloat16, ties to even; NaN and infinity stay what they are."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(values), kept.view(np.float32), values).astype(np.float32)
