"""Compares the tensors of two checkpoints by Hugging Face name, streamed in rows, worst first on request.

Decides per tensor: equal (bit for bit), within the budget of its types, or differing. It reads both
sides in the conventions their containers are known for; what remains is what a converter did wrong.
"""

import dataclasses
import enum
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bot.compare import metrics, tolerance
from bot.formats import blocks as codecs
from bot.formats import names
from bot.formats._base import F32
from bot.formats.view import Slot, View, kind_and_layer, undone

CHUNK = 1 << 20  # elements decoded at a time: 4 MB a side
BLOCK = 32  # elements looked at together when searching for local damage

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
EMBEDDINGS = (EMBEDDING, "transformer.wte.weight")


class Agreement(enum.StrEnum):
    """What a comparison of one tensor came to."""

    EQUAL = "equal"
    WITHIN_BUDGET = "within-budget"
    DIFFERS = "differs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorDiff:
    """One tensor on both sides. Numbers are None where shapes do not allow a comparison."""

    name: str  # Hugging Face spelling when the architecture is known, else A's own
    name_a: str
    name_b: str
    dtype_a: str
    dtype_b: str
    shape: tuple[int, ...]
    shape_b: tuple[int, ...]
    rel_rmse: float | None
    max_abs: float | None
    cosine: float | None
    tolerance: float
    tolerance_reason: str
    damaged_blocks: int = 0  # blocks of 32 whose error exceeds anything their type can cause
    blocks: int = 0
    recomputed: bool | None = None  # B is what quantizing A gives, bit for bit; None when that was not tried
    verdict: Agreement


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DiffReport:
    """Two checkpoints compared."""

    tensors: tuple[TensorDiff, ...]
    missing_in_a: tuple[str, ...]  # Hugging Face names (or stored ones) only B has
    missing_in_b: tuple[str, ...]

    def counted(self, verdict: Agreement) -> int:
        """Return how many tensors came to that verdict."""
        return sum(tensor.verdict is verdict for tensor in self.tensors)

    @property
    def agrees(self) -> bool:
        """Tell whether every tensor is there and none differs; an empty comparison agrees on nothing."""
        return bool(self.tensors) and not (self.counted(Agreement.DIFFERS) or self.missing_in_a or self.missing_in_b)

    def as_json(self) -> dict[str, Any]:
        """Return the object `diff --json` prints."""
        return {
            "summary": {
                "tensors": len(self.tensors),
                "equal": self.counted(Agreement.EQUAL),
                "within_budget": self.counted(Agreement.WITHIN_BUDGET),
                "differ": self.counted(Agreement.DIFFERS),
                "missing_in_a": list(self.missing_in_a),
                "missing_in_b": list(self.missing_in_b),
            },
            "tensors": [{key: _plain(getattr(tensor, key)) for key in PRINTED} for tensor in self.tensors],
        }


# the keys of one tensor in `diff --json`
PRINTED = (
    "name", "name_a", "name_b", "dtype_a", "dtype_b", "shape", "rel_rmse", "max_abs", "cosine", "tolerance", "verdict",
)  # fmt: skip


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: no NaN, no infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True, slots=True)
class Matched:
    """One Hugging Face tensor that both sides hold, possibly the tied embedding in place of a head."""

    name: str
    a: Slot
    b: Slot


def head_slot(view: View) -> Slot | None:
    """Return the slot that serves as the output head: its own, or the embedding where none is stored."""
    if HEAD in view.tensors:
        return view.tensors[HEAD]
    return next((view.tensors[name] for name in EMBEDDINGS if name in view.tensors), None)


def match(a: View, b: View) -> tuple[list[Matched], list[str], list[str]]:
    """Pair the tensors of two views; return the pairs in A's order, names only B has, names only A has."""
    pairs = [Matched(name, slot, b.tensors[name]) for name, slot in a.tensors.items() if name in b.tensors]
    only_a = [name for name in a.tensors if name not in b.tensors]
    only_b = [name for name in b.tensors if name not in a.tensors]
    if HEAD in only_b and (shared := head_slot(a)):
        # A ties its head: B's copy must equal A's embedding
        only_b.remove(HEAD)
        pairs.append(Matched(HEAD, shared, b.tensors[HEAD]))
    if HEAD in only_a and (shared := head_slot(b)) and _tied(a):
        only_a.remove(HEAD)
        pairs.append(Matched(HEAD, a.tensors[HEAD], shared))
    strange = [name for name in a.unmapped if name in set(b.unmapped)]
    pairs += [Matched(name, as_stored(a, name), as_stored(b, name)) for name in strange]
    only_a += [name for name in a.unmapped if name not in strange]
    return pairs, only_b + [name for name in b.unmapped if name not in strange], only_a


def as_stored(view: View, name: str) -> Slot:
    """Return a slot for a tensor no table knows: taken as it is stored."""
    info = view.checkpoint.tensors[name]
    return Slot(
        name=name, stored=name, shape=info.shape, dtype=info.dtype, spelling=names.Spelling.OTHER,
        change=names.Change.NONE, info=info,
    )  # fmt: skip


def _tied(view: View) -> bool:
    """Tell whether the view's stored head is a copy of its embedding."""
    embedding = next((name for name in EMBEDDINGS if name in view.tensors), None)
    if embedding is None or view.tensors[embedding].shape != view.tensors[HEAD].shape or empty(view.tensors[HEAD]):
        return False
    return all(np.array_equal(x, y) for x, y in _both(view, view.tensors[HEAD], view, view.tensors[embedding]))


def compare(a: View, b: View, *, on_tensor: Callable[[TensorDiff, Matched], None] | None = None) -> DiffReport:
    """Compare every tensor of two views; `on_tensor` is told of each as it is done (progress, triage).

    Reads CHUNK elements a side at a time; raises UserError when a tensor cannot be decoded.
    """
    pairs, only_b, only_a = match(a, b)
    done = []
    for pair in pairs:
        result = compare_one(a, b, pair)
        done.append(result)
        if on_tensor:
            on_tensor(result, pair)
    return DiffReport(tensors=tuple(done), missing_in_a=tuple(only_b), missing_in_b=tuple(only_a))


def compare_one(a: View, b: View, pair: Matched) -> TensorDiff:
    """Compare one tensor of two views."""
    budget = budget_of(pair)
    if pair.a.shape != pair.b.shape or empty(pair.a) or empty(pair.b):
        return _verdict(pair, budget, None)
    total, damaged, blocks = metrics.Accumulator(), 0, 0
    recomputed = True if not budget.exact and _requantizes(pair) else None
    for x, y in _both(a, pair.a, b, pair.b):
        before = total.unequal
        total.add(x, y)
        if budget.limit > 0 and not budget.exact and total.unequal > before:
            recomputed = recomputed and _is_rounded(x, y, pair.b.dtype)
            bad, seen = damage(x, y, budget.limit)
            damaged, blocks = damaged + bad, blocks + seen
        else:
            blocks += x.size // BLOCK
    return _verdict(pair, budget, total, damaged, blocks, recomputed)


def _requantizes(pair: Matched) -> bool:
    """Tell whether B's bytes can be computed from A's values: its quantizer is exact and A lies on no grid."""
    plain = {names.Change.NONE, names.Change.Q_ROWS, names.Change.KV_ROWS, names.Change.EXPERT}
    target = pair.b.dtype
    return (
        target in codecs.QUANTIZERS and target != pair.a.dtype and pair.a.dtype in {"F32", "F16", "BF16", "F64"}
        and pair.b.change in plain and pair.a.change in plain
        and not (pair.b.info.row_padding or pair.b.info.flat)
    )  # fmt: skip


def _is_rounded(x: F32, y: F32, dtype: str) -> bool:
    """Tell whether y is what encoding x in a type and decoding it gives, bit for bit."""
    if not x.ndim or x.shape[-1] % codecs.TYPES[dtype].elements:
        return False
    rows = x.reshape(-1, x.shape[-1])
    return bool(np.array_equal(codecs.decode(dtype, codecs.encode(dtype, rows)).view(np.uint32), _bits(y)))


def _bits(values: F32) -> Any:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint32)


def empty(slot: Slot) -> bool:
    """Tell whether a slot has a shape and no bytes behind it (a file fault of its own)."""
    return slot.info.count > 0 and slot.info.nbytes == 0


def budget_of(pair: Matched) -> tolerance.Budget:
    """Return how far the two stored types of a tensor may be apart."""
    offset = names.Change.PLUS_ONE
    arithmetic = (pair.a.change is offset) != (pair.b.change is offset)
    # a norm that was in a GGUF on the way had one added and taken off, which float32 does not undo to the last bit
    passed = offset in {pair.a.usual, pair.b.usual} and pair.a.dtype == pair.b.dtype == "F32"
    return tolerance.tensor_budget(pair.a.dtype, pair.b.dtype, arithmetic=arithmetic or passed)


def _verdict(
    pair: Matched, budget: tolerance.Budget, total: metrics.Accumulator | None, damaged: int = 0, blocks: int = 0,
    recomputed: bool | None = None,
) -> TensorDiff:  # fmt: skip
    rel = total.rel_rmse if total else None
    recomputed = None if total and total.bit_equal else recomputed
    if total and total.unequal_nonfinite:
        recomputed = False  # what became infinite by the rules of its type is lost all the same
    if total and (total.bit_equal or not pair.a.info.count):
        verdict = Agreement.EQUAL
    elif total and (recomputed or (_finite(rel) and budget.holds(total) and not damaged)):
        verdict = Agreement.WITHIN_BUDGET
    else:
        verdict = Agreement.DIFFERS
    reason = f"what quantizing to {pair.b.dtype} gives, bit for bit" if recomputed else budget.reason
    return TensorDiff(
        name=pair.name, name_a=pair.a.stored, name_b=pair.b.stored, dtype_a=pair.a.dtype, dtype_b=pair.b.dtype,
        shape=pair.a.shape, shape_b=pair.b.shape, rel_rmse=rel,
        max_abs=total.max_abs if total else None, cosine=total.cosine if total else None,
        tolerance=budget.limit, tolerance_reason=reason,
        damaged_blocks=damaged, blocks=blocks, recomputed=recomputed, verdict=verdict,
    )  # fmt: skip


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def damage(x: F32, y: F32, limit: float) -> tuple[int, int]:
    """Count blocks of 32 whose largest error exceeds what their type can cause: (damaged, looked at).

    A rounding error is a fraction of the block's largest value; unrelated or zeroed values are off by
    about all of it. Types so coarse that the two meet (budget above 0.2) are not looked at.
    """
    if limit > 0.2 or x.size < BLOCK:
        return 0, 0
    width = x.shape[-1] - x.shape[-1] % BLOCK if x.ndim > 1 else x.size - x.size % BLOCK
    if not width:
        return 0, 0
    with np.errstate(invalid="ignore", over="ignore"):  # infinities where garbage is read as numbers
        blocks_x = np.abs(x[..., :width]).reshape(-1, BLOCK).max(axis=1)
        blocks_e = np.abs(x[..., :width] - y[..., :width]).reshape(-1, BLOCK).max(axis=1)
        blocks_y = np.abs(y[..., :width]).reshape(-1, BLOCK).max(axis=1)
        largest = np.maximum(blocks_x, blocks_y)
        # super-blocks of 256 share a scale, so a tiny block beside a large one is all error, rightly
        floor = largest.max(initial=0.0) * 0.05
        return int(np.count_nonzero(blocks_e > 0.75 * np.maximum(largest, floor))), largest.size


def _both(a: View, slot_a: Slot, b: View, slot_b: Slot) -> Iterator[tuple[F32, F32]]:
    """Yield both sides in chunks of rows; tensors that cannot be cut by rows come whole."""
    for rows in chunks(slot_a.shape):
        yield slot_values(a, slot_a, rows), slot_values(b, slot_b, rows)
        a.checkpoint.forget()
        b.checkpoint.forget()


def slot_values(view: View, slot: Slot, rows: slice | None) -> F32:
    """Return rows of a slot of this view, by slot and not by name (a tied head has none of its own)."""
    return undone(view.checkpoint, slot, rows)


def chunks(shape: tuple[int, ...]) -> Iterator[slice | None]:
    """Yield row slices of about CHUNK elements; None for a tensor without rows."""
    if len(shape) < 2:
        yield None
        return
    step = max(1, CHUNK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def heat(report: DiffReport) -> list[list[Any]]:
    """Return [[tensor kind, layer, log10(error / budget)], ...] for the heat map; a mismatch of shape is 9."""
    rows: list[list[Any]] = []
    for tensor in report.tensors:
        kind, layer = kind_and_layer(tensor.name)
        if tensor.rel_rmse is None or not math.isfinite(tensor.rel_rmse):
            rows.append([kind, layer, 9.0])
        elif tensor.rel_rmse > 0:
            rows.append([kind, layer, round(math.log10(tensor.rel_rmse / max(tensor.tolerance, 1e-7)), 2)])
        else:
            rows.append([kind, layer, -9.0])
    return rows
