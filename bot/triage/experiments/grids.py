"""Was a tensor quantized from these values, or from better ones?

Once a quantizer has chosen its scales, each code is the one nearest to the value it was given. Codes made from a
source's decoded blocks are therefore the nearest ones to them, while codes made from the weights before they
were quantized miss by the source's own error over the step: 0.9 % of Q4_K's codes against Q8_0, measured.
"""

import math

import numpy as np

from bot.compare.diff import Matched
from bot.compare.tolerance import ROWS
from bot.formats import blocks
from bot.formats._base import F32, Bytes
from bot.formats.names import Change
from bot.formats.view import Index, View, pair_rows, undone
from bot.triage.case import SAMPLE, Case
from bot.triage.experiments import codes
from bot.triage.experiments.reading import ROTARY, Reading

TOP = {"Q4_0": 15, "Q4_1": 15, "Q5_0": 31, "Q5_1": 31, "Q8_0": 255, "Q4_K": 15, "Q5_K": 31, "Q6_K": 63, "Q2_K": 3}
EXACTLY = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"})  # types whose quantizer is ggml's bit for bit
SURELY = 0.98  # of the values: two builds of one quantizer differ in a few near-ties
FEWER = 0.25  # codes missed, against those that an independent quantization would miss


def _scales(dtype: str, raw: Bytes) -> F32:
    return codes.of_elements(dtype, codes.FIELDS[dtype](raw), codes.Scheme())[0]


def on_grid(dtype: str, raw: Bytes, values: F32) -> F32:
    """Return values (blocks, elements) put on the nearest points of those blocks' own grids."""
    with np.errstate(all="ignore"):
        found = codes.together(dtype, raw, codes.Scheme())
        fields = codes.FIELDS[dtype](raw)
        code = (fields.low if fields.high is None else fields.low | fields.high).astype(np.float32)
        scale = _scales(dtype, raw)
        steps = np.clip(code + np.rint((values - found) / scale), 0, TOP[dtype]) - code
        return np.where(scale == 0, found, found + steps * scale).astype(np.float32)


def requantized(case: Case) -> Reading | None:
    """Return A's values on B's grid; None where B's rows are not whole blocks of their own."""
    slot = case.pair.b
    kind, shape = blocks.TYPES[slot.dtype], case.y.shape
    if slot.expert is not None or len(shape) != 2 or case.x.shape != shape:
        return None
    width = shape[1] + slot.info.row_padding
    packed = case.b.checkpoint.raw(slot.stored).reshape(shape[0], -1)

    def rows(wanted: Index) -> F32:
        values = np.zeros((len(wanted), width), np.float32)
        values[:, : shape[1]] = case.x[wanted]
        raw = np.ascontiguousarray(packed[wanted]).reshape(-1, kind.nbytes)
        return on_grid(slot.dtype, raw, values.reshape(-1, kind.elements)).reshape(-1, width)[:, : shape[1]]

    def at(flat: Index) -> F32:
        if slot.info.row_padding:
            return rows(np.arange(shape[0], dtype=np.intp)).reshape(-1)[flat]
        number, within = np.divmod(flat, kind.elements)
        wanted, position = np.unique(number, return_inverse=True)
        raw = packed.reshape(-1, kind.nbytes)[wanted]
        found = on_grid(slot.dtype, raw, case.x.reshape(-1, kind.elements)[wanted])
        return found[position.reshape(number.shape), within]

    return Reading(shape, at, rows)


def quantized_twice(a: View, b: View, pair: Matched) -> str | None:
    """Return how one sees, on a sample of rows, that a tensor within budget was quantized twice; None if it was not."""
    sample = _sample(a, b, pair) if pair.b.dtype in codes.FIELDS else None
    if sample is None:
        return None
    values, raw = sample
    found = blocks.decode(pair.b.dtype, raw).reshape(values.shape)
    once = _agree(pair.b.dtype, values, found)
    if pair.a.dtype not in blocks.QUANTIZED:
        return None if once is None or once >= SURELY else _between(pair.b.dtype, values, found)
    if once is not None:
        return f"equal to {pair.b.dtype} of the source's {pair.a.dtype} values" if once >= SURELY else None
    return _nearest(pair, values, raw)


def _nearest(pair: Matched, values: F32, raw: Bytes) -> str | None:
    """Count the codes that are not the nearest to the source's values."""
    kind, other = pair.b.dtype, ROWS.get(pair.a.dtype)
    if other is None:
        return None
    elements = values.reshape(-1, blocks.TYPES[kind].elements)
    packed = raw.reshape(len(elements), -1)
    scale = np.abs(_scales(kind, packed))
    counted = (scale > 0) & np.isfinite(scale)
    missed = np.abs(on_grid(kind, packed, elements) - codes.together(kind, packed, codes.Scheme())) > 0.5 * scale
    share = float(missed[counted].mean()) if counted.any() else 1.0
    # a step is sqrt(12) of the error it causes; a normal error has a mean of 0.8 of its size
    expected = 0.8 * other.gaussian / (math.sqrt(12) * ROWS[kind].gaussian)
    if share > FEWER * expected:
        return None
    return f"all but {share:.2%} of the {kind} codes are the nearest to the source's {pair.a.dtype} values"


def _agree(dtype: str, values: F32, found: F32) -> float | None:
    """Return the share of values that quantizing gives exactly; None for a type without an exact quantizer."""
    if dtype not in EXACTLY or values.shape[1] % blocks.TYPES[dtype].elements:
        return None
    made = blocks.decode(dtype, blocks.encode(dtype, values)).reshape(values.shape)
    return float((made == found).mean())


def _between(dtype: str, values: F32, found: F32) -> str | None:
    for before in sorted(EXACTLY - {dtype}):
        if values.shape[1] % blocks.TYPES[before].elements:
            continue
        between = blocks.decode(before, blocks.encode(before, values)).reshape(values.shape)
        if (_agree(dtype, between, found) or 0.0) >= SURELY:
            return f"equal to {dtype} of what {before} leaves of the source"
    return None


def _sample(a: View, b: View, pair: Matched) -> tuple[F32, Bytes] | None:
    """Return some rows of A in the order of B's, and B's bytes of the same rows."""
    slot = pair.b
    if len(pair.a.shape) != 2 or pair.a.shape != slot.shape or slot.info.row_padding:
        return None
    count, first = slot.info.shape[-2], (slot.expert or 0) * slot.info.shape[-2]
    wanted = np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.intp))
    if slot.change is Change.TRANSPOSED:
        values = np.ascontiguousarray(undone(a.checkpoint, pair.a).T[wanted])
    else:
        order = np.argsort(pair_rows(count, slot.heads)) if slot.change in ROTARY else None
        values = undone(a.checkpoint, pair.a, wanted if order is None else order[wanted])
    rows = b.checkpoint.raw(slot.stored).reshape(math.prod(slot.info.shape[:-1]), -1)
    return values, np.ascontiguousarray(rows[first + wanted]).reshape(-1)
