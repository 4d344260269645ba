"""Other readings of quantized tensors: codes, scales, zero points, block sizes, padding, a second quantization."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import cast

from bot.compare.tolerance import ROWS
from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.view import Slot
from bot.triage.case import EXACT, Case
from bot.triage.experiments import codes, grids, reading
from bot.triage.experiments.reading import Source
from bot.triage.experiments.schemes import schemes
from bot.triage.moves import Variant

SLIGHT = 1.5  # how many times a slip of half a step must be made smaller; the budget itself is what is left
SIZES = (16, 64, 128, 256)  # elements that other quantizers give one scale


def variants(case: Case) -> Iterator[Variant]:
    """Yield the other readings of quantized bytes, of A's (a converter misread them) and of B's (it wrote them so)."""
    for side, slot in (("A", case.pair.a), ("B", case.pair.b)):
        if slot.dtype in codes.FIELDS:
            yield from _schemes(case, side, slot)
        if slot.dtype in {"Q4_0", "Q4_1", "Q8_0"}:
            yield from _sizes(case, side, slot)
        if slot.dtype in blocks.QUANTIZED:
            yield from _paddings(case, side, slot)
    if case.pair.a.dtype in blocks.QUANTIZED and case.pair.b.dtype in codes.FIELDS:
        yield Variant(
            causes=("DTYPE-006",), label="source's decoded values quantized again", side="A", gain=SLIGHT,
            values=lambda: cast(F32, grids.requantized(case)), limit=0.5 * ROWS[case.pair.b.dtype].budget,
        )  # fmt: skip


def read(case: Case, side: str, source: Source) -> F32:
    """Return a side's tensor by another reading. It is no array, but answers as one where experiments ask."""
    return cast(F32, reading.of_a(case, source) if side == "A" else reading.of_b(case, source))


def limit_of(case: Case, side: str, dtype: str | None = None) -> float:
    """Return up to which residual a reading counts as right: B's types leave what they cost, A's leave nothing."""
    row = ROWS.get(dtype or case.pair.b.dtype)
    if side == "A" and not case.lossy and row is None:
        return EXACT
    return max(EXACT, 1.5 * row.budget if row else 0.0, case.limit if side == "A" else 0.0)


def _schemes(case: Case, side: str, slot: Slot) -> Iterator[Variant]:
    for scheme in schemes(slot.dtype):
        source = functools.partial(_schemed, slot, scheme)
        found = _variant(case, side, scheme.causes, f"{_whose(side)} {scheme.label}", source)
        slight = "QUANT-003" in scheme.causes
        yield dataclasses.replace(found, gain=SLIGHT if slight else found.gain, joined=len(scheme.causes) > 1)


def _schemed(slot: Slot, scheme: codes.Scheme) -> Source:
    def decode(raw: Bytes, at: codes.Places | None = None) -> F32:
        return codes.together(slot.dtype, raw, scheme, at)

    return dataclasses.replace(reading.source_of(slot, slot.dtype, decode), pick=decode)


def _variant(case: Case, side: str, causes: tuple[str, ...], label: str, source: Callable[[], Source]) -> Variant:
    return Variant(
        causes=causes, label=label, side=side, values=lambda: read(case, side, source()), limit=limit_of(case, side)
    )


def _whose(side: str) -> str:
    return "source read with" if side == "A" else "result written with"


def _sizes(case: Case, side: str, slot: Slot) -> Iterator[Variant]:
    """Blocks of another size, one behind the other; and one scale used for several blocks."""
    own = blocks.TYPES[slot.dtype].elements
    for size in SIZES:
        if size == own or slot.info.count % size or slot.info.row_padding:
            continue
        yield _variant(
            case, side, ("QUANT-004",), f"{_whose(side)} blocks of {size} instead of {own}",
            functools.partial(_resized, slot, size),
        )  # fmt: skip
    if side == "A":
        for group in (2, 4, 8):
            yield _variant(
                case, side, ("QUANT-004",), f"source read with one scale for {group} blocks",
                functools.partial(_grouped, slot, group),
            )  # fmt: skip


def _resized(slot: Slot, size: int) -> Source:
    kind = blocks.TYPES[slot.dtype]
    bits = 8 if slot.dtype == "Q8_0" else 4
    head = kind.nbytes - kind.elements * bits // 8

    def decode(raw: Bytes) -> F32:
        return codes.together(slot.dtype, raw, codes.Scheme())

    whole = reading.source_of(slot, slot.dtype, within=False)
    mapped = reading.file_bytes(slot.info.path)
    nbytes = head + size * bits // 8
    end = min(len(mapped), slot.info.offset + slot.info.count // size * nbytes)
    return Source(
        data=mapped[slot.info.offset : end], nbytes=nbytes, elements=size, decode=decode, start=whole.start
    )  # fmt: skip


def _grouped(slot: Slot, group: int) -> Source:
    """Read runs of blocks together, every scale but the first of a run ignored."""
    kind = blocks.TYPES[slot.dtype]
    together = group * kind.elements
    head = 4 if slot.dtype == "Q4_1" else 2

    def decode(raw: Bytes) -> F32:
        split = raw.reshape(len(raw), group, kind.nbytes).copy()
        split[:, :, :head] = split[:, :1, :head]
        return blocks.decode(slot.dtype, split).reshape(len(raw), together)

    own = reading.source_of(slot, slot.dtype)
    usable = len(own.data) // (group * kind.nbytes) * (group * kind.nbytes)
    return Source(data=own.data[:usable], nbytes=group * kind.nbytes, elements=together, decode=decode, start=own.start)


def _paddings(case: Case, side: str, slot: Slot) -> Iterator[Variant]:
    """Padding of rows overlooked: rows read one behind the other, or written so though padding is stated."""
    if slot.info.row_padding:
        label = f"{'source read' if side == 'A' else 'result written'} without the padding of its rows"
        yield _variant(case, side, ("QUANT-007",), label, lambda: _unpadded(slot))


def _unpadded(slot: Slot) -> Source:
    own = reading.source_of(slot, slot.dtype)
    return Source(data=own.data, nbytes=own.nbytes, elements=own.elements, decode=own.decode, start=own.start)
