"""One suspect tensor: what B should have stored (X), what it did store (Y), and how far they may be apart.

Both are in B's own storage convention, because that is the space converters make mistakes in: X is A's
tensor with the conventions of B's container applied, Y is what the file holds, in the shape it states.
"""

import functools
from typing import Any

import numpy as np

from bot.compare.diff import Matched, budget_of
from bot.compare.tolerance import ROWS
from bot.formats._base import F32, Checkpoint
from bot.formats.names import Change
from bot.formats.view import Index, Slot, View, kind_and_layer, pair_rows, undone

SAMPLE = 64  # rows looked at before anything is confirmed
LARGE = 1 << 27  # elements; a larger tensor is confirmed on CONFIRM rows instead of all
CONFIRM = 2048
EXACT = 2e-6  # relative residual below which float32 arithmetic counts as the same


def stored_form(slot: Slot, values: F32) -> F32:
    """Apply what a container does to a Hugging Face tensor: the inverse of `view.undone`."""
    if slot.change is Change.TRANSPOSED and values.ndim == 2:
        return np.ascontiguousarray(values.T)
    if slot.change in {Change.Q_ROWS, Change.KV_ROWS} and values.ndim:
        return np.ascontiguousarray(values[np.argsort(pair_rows(values.shape[0], slot.heads))])
    if slot.change is Change.PLUS_ONE:
        return values + np.float32(1)
    return values


def stored_values(checkpoint: Checkpoint, slot: Slot) -> F32:
    """Return what the file holds for a slot, nothing undone."""
    if slot.expert is not None:
        expert: F32 = checkpoint.values(slot.stored, [slot.expert])[0]
        return expert
    return checkpoint.values(slot.stored)


class Case:
    """A suspect tensor with its two sides, decoded once and kept while it is examined."""

    def __init__(self, a: View, b: View, pair: Matched, notes: dict[Any, Any] | None = None) -> None:
        self.a, self.b, self.pair = a, b, pair
        self.notes = notes if notes is not None else {}  # what cases of one survey share: sketches, sibling layers
        self.name = pair.name
        self.kind, self.layer = kind_and_layer(pair.name)
        self.budget = budget_of(pair)
        self.memo: dict[str, Any] = {}  # what experiments found out about these two sides and ask for again
        self.settled: frozenset[str] = frozenset()  # sides whose bytes are read as they have to be

    @functools.cached_property
    def canonical_a(self) -> F32:
        """A's tensor in Hugging Face convention."""
        return undone(self.a.checkpoint, self.pair.a)

    @functools.cached_property
    def x(self) -> F32:
        """What B should hold."""
        return stored_form(self.pair.b, self.canonical_a)

    @functools.cached_property
    def y(self) -> F32:
        """What B holds."""
        return stored_values(self.b.checkpoint, self.pair.b)

    @property
    def limit(self) -> float:
        """The residual up to which a prediction counts as right on a sample: the type's review limit."""
        return max(EXACT, self.budget.limit * 1.5)

    @property
    def loose(self) -> float:
        """The same where values were computed anew and rounded again by B's type on the way."""
        row = ROWS.get(self.pair.b.dtype)
        return max(self.limit, row.review if row else 0.0)

    @property
    def tight(self) -> float:
        """The residual that leaves nothing to explain: the measured budget, without allowance for odd weights."""
        row = ROWS.get(self.pair.b.dtype)
        return max(EXACT, self.budget.limit, row.budget if row else 0.0)

    @property
    def lossy(self) -> bool:
        """Tell whether B's type cannot hold A's values exactly."""
        return self.budget.limit > EXACT

    @functools.cached_property
    def rows(self) -> Index:
        """Up to SAMPLE row numbers of Y, evenly spread, first and last included."""
        count = self.y.shape[0] if self.y.ndim else 1
        return np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.intp))

    @property
    def heads(self) -> int:
        """The head count by which this tensor's rows are ordered; 0 for a tensor without heads."""
        if self.kind.startswith(("self_attn.q_proj", "attn_q.")):
            return self.a.heads.query
        if self.kind.startswith(("self_attn.k_proj", "attn_k.")):
            return self.a.heads.key
        return 0


def residual(predicted: F32, found: F32) -> float:
    """Return ||predicted - found|| / ||predicted||, infinite for other shapes.

    A NaN or an infinity that was predicted counts as found; one that only one side has makes it infinite.
    """
    if predicted.shape != found.shape or not predicted.size:
        return float("inf")
    with np.errstate(all="ignore"):
        error = np.subtract(predicted, found, dtype=np.float32).ravel()
        norm, off = _norm(predicted.astype(np.float32, copy=False).ravel()), _norm(error)
    if not (np.isfinite(off) and np.isfinite(norm)):
        return _finite_residual(predicted.ravel(), found.ravel(), error)
    return _relative(off, norm)


def _norm(values: F32) -> float:
    """Return the norm, summed in float64: squares of small weights vanish in float32."""
    return float(np.sqrt(np.einsum("i,i->", values, values, dtype=np.float64)))


def _relative(off: float, norm: float) -> float:
    if norm == 0:
        return 0.0 if off == 0 else float("inf")
    return off / norm


def _finite_residual(predicted: F32, found: F32, error: F32) -> float:
    finite = np.isfinite(error)
    x, y = predicted[~finite], found[~finite]
    if not ((x == y) | (np.isnan(x) & np.isnan(y))).all():
        return float("inf")
    return _relative(_norm(error[finite]), _norm(predicted[finite]))
