"""Moves of the layout family: transposes, reversed shapes, fused and shifted rows."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from bot.formats._base import F32
from bot.formats.names import Change
from bot.formats.view import Index
from bot.triage.case import Case
from bot.triage.moves import Move, Rows

Shape = tuple[int, ...]
REVERSED = "shape reversed, bytes untouched"


def _numbers(rows: Rows, count: int) -> Index:
    return np.arange(count, dtype=np.intp)[rows]


def transposed(x: F32, rows: Rows) -> F32:
    """Rows of X.T, stated in the shape of X.T."""
    return np.ascontiguousarray(x[:, rows].T)


def column_order(x: F32, rows: Rows) -> F32:
    """Rows of the bytes of X.T under the shape of X: what a Fortran-ordered array leaves in a file."""
    height, width = x.shape
    flat = _numbers(rows, height)[:, None] * width + np.arange(width, dtype=np.intp)
    found: F32 = x[flat % height, flat // height]
    return found


def reread_then_transposed(x: F32, rows: Rows) -> F32:
    """Rows of (bytes of X read in reversed shape).T: a transpose that believed the file was column-major."""
    return transposed(x.reshape(x.shape[::-1]), rows)


def reversed_shape(x: F32, rows: Rows) -> F32:
    """Rows of X's bytes under the reversed shape: dimensions listed in the wrong order, data untouched."""
    return x.reshape(x.shape[::-1])[rows]


def gathered(order: Index) -> "Rowwise":
    """Return a prediction that takes X's rows in `order`."""
    return Rowwise(order)


class Rowwise:
    """Predicts Y[r] = X[order[r]]."""

    def __init__(self, order: Index) -> None:
        self.order = order

    def __call__(self, x: F32, rows: Rows) -> F32:
        """Return those rows of Y."""
        return x[self.order[rows]]


class Columnwise(Rowwise):
    """Predicts Y[:, c] = X[:, order[c]]."""

    def __call__(self, x: F32, rows: Rows) -> F32:
        """Return those rows of Y."""
        return x[rows][:, self.order]


def moves(case: Case, x_shape: Shape, y_shape: Shape) -> Iterator[Move]:
    """Yield the layout moves that fit the two shapes, cheapest argument first."""
    if len(x_shape) == 2:
        yield from _axes(case, x_shape, y_shape)
    elif len(x_shape) > 2:
        yield from _convolution(x_shape, y_shape)
    if x_shape == y_shape and x_shape:
        yield from _fused(case, x_shape)


def _axes(case: Case, x_shape: Shape, y_shape: Shape) -> Iterator[Move]:
    square, kept, turned = x_shape[0] == x_shape[1], y_shape == x_shape, y_shape == x_shape[::-1]
    if turned:
        yield Move(causes=("LAYOUT-002",), label="data transposed, shape with it", predict=transposed, shape=y_shape)
    if turned and not square:
        yield Move(causes=("LAYOUT-001",), label=REVERSED, predict=reversed_shape, shape=y_shape)
    if kept and _takes_arrays_as_they_lie(case):
        yield Move(causes=("LAYOUT-010",), label="array in column order written raw", predict=column_order,
                   shape=y_shape)  # fmt: skip
    if kept and not square:
        yield Move(causes=("LAYOUT-002",), label="data in column order, shape kept", predict=column_order,
                   shape=y_shape)  # fmt: skip
        yield Move(causes=("LAYOUT-002",), label="read as column-major, then transposed",
                   predict=reread_then_transposed, shape=y_shape)  # fmt: skip


def _takes_arrays_as_they_lie(case: Case) -> bool:
    """Tell whether the writer of B can have taken a strided array by its memory.

    safetensors 0.8.0 does with numpy arrays (safetensors/safetensors#825); writers of the other two
    formats serialise in C order. The bytes are those of transposed data under the right shape, so where
    both can be, both stay on record.
    """
    return case.b.checkpoint.format == "safetensors"


def _convolution(x_shape: Shape, y_shape: Shape) -> Iterator[Move]:
    for axes in itertools.permutations(range(len(x_shape))):
        moved = tuple(x_shape[axis] for axis in axes)
        if axes == tuple(range(len(x_shape))) or math.prod(moved) != math.prod(y_shape):
            continue

        def predict(x: F32, rows: Rows, axes: tuple[int, ...] = axes) -> F32:
            return np.ascontiguousarray(x.transpose(axes)).reshape(y_shape)[rows]

        yield Move(causes=("LAYOUT-008",), label=f"axes in order {axes}", predict=predict, shape=y_shape)


def _fused(case: Case, shape: Shape) -> Iterator[Move]:
    rows = shape[0]
    if case.kind.startswith(("self_attn.qkv_proj", "attn.c_attn")):
        # only GPT-2 keeps its fused matrix as (in, out)
        across = case.kind == "attn.c_attn.weight" and case.pair.b.change is not Change.TRANSPOSED
        for label, order in qkv_orders(shape[-1] if across else rows, case.a.heads.query, case.a.heads.key):
            predict = Columnwise(order) if across else gathered(order)
            yield Move(causes=("LAYOUT-003",), label=label, predict=predict, shape=shape, group="qkv")
    if case.kind.startswith("mlp.gate_up_proj") and rows % 2 == 0:
        halves = np.arange(rows, dtype=np.intp).reshape(2, rows // 2)
        for label, order in (
            ("halves exchanged", halves[::-1].ravel()),
            ("halves interleaved", halves.T.ravel()),
            ("interleaved rows taken for halves", np.argsort(halves.T.ravel())),
        ):
            yield Move(causes=("LAYOUT-004",), label=label, predict=gathered(order), shape=shape, group="gate-up")


def qkv_orders(rows: int, query: int, key: int) -> Iterator[tuple[str, Index]]:
    """Yield the row orders in which fused q, k, v are found in the wild, as gathers from [Q|K|V]."""
    if rows % (query + 2 * key):
        return
    d = rows // (query + 2 * key)
    index = np.arange(rows, dtype=np.intp)
    parts = {"Q": index[: query * d], "K": index[query * d : (query + key) * d], "V": index[(query + key) * d :]}
    for order in itertools.permutations("QKV"):
        if order != ("Q", "K", "V"):
            yield f"[{'|'.join(order)}]", np.concatenate([parts[part] for part in order])
    grouped = [
        np.concatenate([parts["Q"].reshape(key, -1)[g], parts["K"].reshape(key, -1)[g], parts["V"].reshape(key, -1)[g]])
        for g in range(key)
    ]
    if query % key == 0:
        whole = np.concatenate(grouped)
        yield "[q..q k v] for each key head", whole
        yield "[q..q k v] groups taken for [Q|K|V]", np.argsort(whole)
