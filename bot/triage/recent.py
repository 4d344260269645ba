"""Keeps what was decoded last, so that a tensor compared and found wrong is not decoded again for its experiments."""

import copy
from typing import Any

import numpy as np

from bot.compare.diff import CHUNK
from bot.formats._base import F32, Checkpoint, Rows
from bot.formats.view import View


class Recent:
    """A checkpoint that remembers the values of one tensor, when it is small enough to be compared whole."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._name = ""
        self._values: F32 | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoint, name)

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return decoded rows; whole tensors are kept until the next one is asked for."""
        info = self._checkpoint.tensors[name]
        if info.count > CHUNK or not info.shape:
            return self._checkpoint.values(name, rows)
        if name != self._name and not _all(rows, info.shape[0]):
            return self._checkpoint.values(name, rows)
        if name != self._name or self._values is None:
            self._values = self._checkpoint.values(name)
            self._values.flags.writeable = False
            self._name = name
        if rows is None or (isinstance(rows, slice) and _all(rows, info.shape[0])):
            return self._values
        return np.ascontiguousarray(self._values[rows])


def _all(rows: Rows, count: int) -> bool:
    """Tell whether every row is asked for, in whatever order."""
    if rows is None:
        return True
    if isinstance(rows, slice):
        return rows.indices(count) == (0, count, 1)
    return len(rows) == count


def remembering(view: View) -> View:
    """Return the view with a checkpoint that remembers."""
    made = copy.copy(view)
    made.checkpoint = Recent(view.checkpoint)
    return made
