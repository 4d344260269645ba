"""The vocabulary of experiments on one tensor: moves (re-orderings), variants (other decodings), fits (values).

An experiment predicts rows of Y, what B stores, from X, what it should store. Moves and fits compose with
variants, so a wrong shape under a wrong decoding is still found as both.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from bot.formats._base import F32
from bot.formats.view import Index

Rows = Index | slice
GAIN = 4.0  # how many times smaller an experiment has to make the residual, to be the reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A re-ordering of X that would give Y. `predict(x, rows)` returns those rows of Y, without building all of it."""

    causes: tuple[str, ...]
    label: str
    predict: Callable[[F32, Rows], F32]
    shape: tuple[int, ...]  # of Y under this move
    group: str = ""  # moves of one group are alternatives of equal kind ("head count 3" among head counts)
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Another reading of one side's stored bytes. `values` returns the whole tensor or None when it does not apply."""

    causes: tuple[str, ...]
    label: str
    side: str  # "A": a converter misread its source; "B": it wrote, or labelled, its result wrongly
    values: Callable[[], F32 | None]
    limit: float | None = None  # residual up to which it counts as right, when not the case's own
    gain: float = GAIN  # how many times smaller it has to make the residual
    whole: bool = False  # it is said of all of a tensor, so rows that were right have to be right under it too
    joined: bool = False  # two mistakes already: it is not tried under every head count besides
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A change of values estimated from the data. Returns predicted rows and what was fitted, or None.

    `freedom` orders fits by how much they can adapt: what a constant explains is no block scale.
    """

    causes: tuple[str, ...]
    label: str
    apply: Callable[[F32, F32], tuple[F32, dict[str, Any]] | None]  # (rows of X, rows of Y)
    freedom: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A prediction that came true for one tensor."""

    causes: tuple[str, ...]
    label: str
    before: float  # residual as is
    after: float  # residual of the prediction on the rows that were wrong
    rows_wrong: int
    rows: int
    facts: dict[str, object] = dataclasses.field(default_factory=dict)
    parts: tuple[str, ...] = ()  # labels of the move, variant and fit it is made of
    freedom: int = 0
    limit: float = 0.0  # residual up to which the prediction counts as right
    whole: bool = False  # its claim is about all rows, not only about those that are wrong
    rerun: Callable[[Rows], tuple[float, Mapping[str, Any]]] | None = None  # the same experiment on other rows
    confirmed: bool = False  # on every wrong row, not on a sample


def identity(shape: tuple[int, ...]) -> Move:
    """Return the move that moves nothing."""
    return Move(causes=(), label="", predict=lambda x, rows: x[rows], shape=shape)
