"""Which tensor of B is which of A: by name, else by value; and what has no partner."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from bot.compare.diff import HEAD, DiffReport, empty
from bot.formats._base import F32, Checkpoint, TensorInfo
from bot.formats.view import View
from bot.triage.pair import Pair

SAME = 1e-6  # relative difference up to which two decoded tensors are one
LOOKED_AT = 1024  # values by which a tensor is recognised before all of it is read


class Names:
    """The names of one compared pair, sorted into what became of them."""

    def __init__(self, pair: Pair, report: DiffReport, explained: Collection[str] = ()) -> None:
        if pair.b is None:
            raise ValueError("the suspect side could not be read")
        self.pair, self.a, self.b = pair, pair.a, pair.b
        both = set(report.missing_in_a) & set(report.missing_in_b)  # unknown names that both sides hold
        self.explained = frozenset(explained)  # differing tensors that some transformation restores
        hollow = {name for name, slot in pair.a.tensors.items() if empty(slot)}  # A promises them and holds nothing
        self.missing = [name for name in report.missing_in_b if name not in both and name not in hollow]
        self.extra = [name for name in report.missing_in_a if name not in both]
        self.shared = [tensor.name for tensor in report.tensors] + sorted(both)
        self.head = next((tensor for tensor in report.tensors if tensor.name == HEAD), None)
        self.renamed = dict(renamed(self.a, self.b, self.missing, self.extra))
        self.missing = [name for name in self.missing if name not in self.renamed]
        self.extra = [name for name in self.extra if name not in set(self.renamed.values())]


def renamed(a: View, b: View, missing: Sequence[str], extra: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (name only A has, name only B has) of tensors with the same values, in the same shape or its reverse."""
    free = {name: (info := _info(b, name), _start(b.checkpoint, info)) for name in extra}
    for lost in missing:
        info = _info(a, lost)
        start = _start(a.checkpoint, info)
        for candidate, (other, head) in free.items():
            if sorted(info.shape) != sorted(other.shape) or not equal(start, head):
                continue
            if equal(a.checkpoint.values(info.name).ravel(), b.checkpoint.values(other.name).ravel()):
                del free[candidate]
                yield lost, candidate
                break


def _info(view: View, name: str) -> TensorInfo:
    slot = view.tensors.get(name)
    return slot.info if slot else view.checkpoint.tensors[name]


def _start(checkpoint: Checkpoint, info: TensorInfo) -> F32:
    """Return the first values of a tensor; none for one that has no bytes."""
    if not info.nbytes:
        return np.empty(0, np.float32)
    if len(info.shape) < 2:
        return checkpoint.values(info.name).ravel()[:LOOKED_AT]
    width = max(1, int(np.prod(info.shape[1:], dtype=np.int64)))
    rows = slice(0, min(info.shape[0], max(1, LOOKED_AT // width)))
    return checkpoint.values(info.name, rows).ravel()[:LOOKED_AT]


def equal(x: F32, y: F32) -> bool:
    """Tell whether two runs of values are the same numbers; constant ones cannot tell."""
    size = min(x.size, y.size)
    x, y = x[:size], y[:size]
    if not size or not np.isfinite(x).all() or x.min() == x.max():
        return False
    return bool(np.linalg.norm(x - y) <= SAME * np.linalg.norm(x))
