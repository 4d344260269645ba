"""Exchanged tensors: what B stores under one name is another tensor of A."""

import math
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from bot.compare.diff import EMBEDDINGS, HEAD
from bot.formats._base import F32
from bot.formats.names import Change
from bot.formats.view import Index, Slot, View, kind_and_layer, pair_rows, undone
from bot.triage.case import Case, residual, stored_form
from bot.triage.moves import Variant

PROBE = 8  # rows by which a tensor is recognised
NEAREST = 4  # tensors of like size tried under re-orderings, when none is recognised as it is
EXPERT = re.compile(r"experts\.(\d+)\.")
SAME = 4e-3  # residual of a vector and itself in the coarsest type vectors are stored in
PARALLEL = 0.6  # cosine of rows of a tensor and of what scales of blocks or columns make of it
UNLIKE = 0.7  # residual of two tensors that are neither the same nor one of them rounded


def variants(case: Case) -> Iterator[Variant]:
    """Yield the tensors of A that B may hold in this one's place: recognised ones, else those of like norm."""
    known = case.notes.get(("stands for", case.layer))
    candidates = sorted(_candidates(case), key=lambda item: kind_and_layer(item[0])[1] != known)
    recognised = 0
    for name, slot in candidates:
        # where this layer's other tensors came from was found out in full before
        if recognised and known is not None:
            return
        convention = next((c for c in _conventions(case, name) if _recognised(case, slot, c)), None)
        if convention is not None:
            recognised += 1
            case.notes["stands for", case.layer] = kind_and_layer(name)[1]
            yield _variant(case, name, slot, convention)
    if not recognised:
        likely = dict(_alike(case))
        # what belongs to a layer comes with it, changed beyond recognition or not
        likely |= {name: slot for name, slot in candidates if kind_and_layer(name) == (case.kind, _home(case))}
        for name, slot in likely.items():
            yield _variant(case, name, slot, _conventions(case, name)[0])


def _home(case: Case) -> int | None:
    """Return the layer of A whose vectors B has in this tensor's layer; None when none or several may be."""
    key = ("home", case.layer)
    if key not in case.notes:
        votes = Counter(
            layer
            for name, slot in case.b.tensors.items()
            if len(slot.shape) == 1 and case.layer is not None and kind_and_layer(name)[1] == case.layer
            for layer in [_nearest_layer(case, name, slot)] if layer is not None
        )  # fmt: skip
        most = votes.most_common(1)
        case.notes[key] = most[0][0] if most and most[0][1] * 2 > votes.total() else None
    home: int | None = case.notes[key]
    return home


def _nearest_layer(case: Case, name: str, slot: Slot) -> int | None:
    """Return the one layer whose vector of that kind is B's."""
    kind = kind_and_layer(name)[0]
    if ("vectors", kind) not in case.notes:
        like = {kind_and_layer(n)[1]: s for n, s in case.a.tensors.items() if kind_and_layer(n)[0] == kind}
        case.notes["vectors", kind] = {layer: undone(case.a.checkpoint, s) for layer, s in like.items()}
    found = undone(case.b.checkpoint, slot)
    near = [layer for layer, vector in case.notes["vectors", kind].items() if residual(vector, found) <= SAME]
    return near[0] if len(near) == 1 else None


def _candidates(case: Case) -> Iterator[tuple[str, Slot]]:
    """Yield A's other tensors of as many values: of the same layer, of that which stands in its place, of one kind."""
    own = case.pair.a
    size = case.y.size
    kind = EXPERT.sub("experts.", case.kind)
    for name, slot in case.a.tensors.items():
        if slot.name == own.name or name == case.name or math.prod(slot.shape) != size:
            continue
        other, layer = kind_and_layer(name)
        same_layer = layer in {case.layer, _home(case)} and (layer is not None or name in {HEAD, *EMBEDDINGS})
        if same_layer or EXPERT.sub("experts.", other) == kind:
            yield name, slot


def _conventions(case: Case, name: str) -> list[Slot]:
    """Return the slots by whose convention the other tensor may be stored: its own in B, then this one's."""
    other = case.b.tensors.get(name)
    own = case.pair.b
    if other is None or (other.change, other.heads) == (own.change, own.heads):
        return [own]
    return [other, own]


def _recognised(case: Case, slot: Slot, convention: Slot) -> bool:
    rows = case.rows[np.linspace(0, len(case.rows) - 1, min(PROBE, len(case.rows))).astype(np.intp)]
    predicted, found = _some_rows(case, slot, convention, rows), case.y[rows]
    if predicted is None:
        return False
    if predicted.ndim < 2:
        return residual(predicted, found) <= case.loose
    # most rows, not all: a tensor in the wrong place may be damaged besides
    with np.errstate(all="ignore"):
        off, size = (np.linalg.norm(side.reshape(len(rows), -1), axis=1) for side in (predicted - found, predicted))
    return bool(np.count_nonzero(off <= case.loose * size) * 2 > len(rows))


def _some_rows(case: Case, slot: Slot, convention: Slot, rows: Index) -> F32 | None:
    """Return rows of the other tensor as B would store it, reading no more of it than they need."""
    if convention.change is Change.TRANSPOSED:
        whole = stored_form(convention, undone(case.a.checkpoint, slot))
        return whole[rows] if whole.shape == case.y.shape else None
    if slot.shape != case.y.shape:
        return None
    if convention.change in {Change.Q_ROWS, Change.KV_ROWS}:
        rows = np.argsort(pair_rows(slot.shape[0], convention.heads))[rows]
    values = undone(case.a.checkpoint, slot)[rows] if len(slot.shape) < 2 else _rows(case.a, slot, rows)
    return values + np.float32(1) if convention.change is Change.PLUS_ONE else values


def _alike(case: Case) -> Iterator[tuple[str, Slot]]:
    """Yield the candidates of this tensor's norm, as near as rounding leaves it, and those that point its way."""
    with np.errstate(all="ignore"):
        norm = float(np.linalg.norm(case.y))
    if not np.isfinite(norm):
        return
    ranked = sorted(
        ((abs(_norm(case, name, slot) - norm), name, slot) for name, slot in _candidates(case)),
        key=lambda item: item[0],
    )
    for place, (off, name, slot) in enumerate(ranked):
        if (place < NEAREST and off <= max(1e-5, case.limit / 4) * norm) or _parallel(case, name, slot):
            yield name, slot


def _parallel(case: Case, name: str, slot: Slot) -> bool:
    """Tell whether the rows of another tensor point where those of B do: scaled, it may be the same."""
    rows = case.rows[:: max(1, len(case.rows) // PROBE)]
    predicted, found = _some_rows(case, slot, _conventions(case, name)[0], rows), case.y[rows]
    if predicted is None or predicted.ndim < 2:
        return False
    with np.errstate(all="ignore"):
        dots = np.abs(np.einsum("ij,ij->i", predicted, found))
        sizes = np.linalg.norm(predicted, axis=1) * np.linalg.norm(found, axis=1)
        return bool(np.median(dots / sizes) >= PARALLEL)


def _norm(case: Case, name: str, slot: Slot) -> float:
    if ("norm", name) not in case.notes:
        values = undone(case.a.checkpoint, slot)
        case.notes["norm", name] = float(np.linalg.norm(values))
    found: float = case.notes["norm", name]
    return found


def _variant(case: Case, name: str, slot: Slot, convention: Slot) -> Variant:
    causes, label = _relation(case, name)
    return Variant(
        causes=causes, label=label, side="A", facts={"source": name},
        values=lambda: stored_form(convention, undone(case.a.checkpoint, slot)),
    )  # fmt: skip


def _relation(case: Case, name: str) -> tuple[tuple[str, ...], str]:
    """Say what another tensor is to this one: of another layer, another expert, another role."""
    kind, layer = kind_and_layer(name)
    if layer != case.layer and kind != case.kind and layer == _home(case):
        return ("NAME-004", "NAME-006"), f"the values of {kind}, of another layer as all of its layer"
    if layer != case.layer:
        if layer is not None and case.layer is not None and _whole_layer(case, case.layer, layer):
            return ("NAME-004",), "the same tensor of another layer, as all of its layer"
        return ("NAME-006",), "the same tensor of another layer"
    if EXPERT.search(kind) and EXPERT.sub("experts.", kind) == EXPERT.sub("experts.", case.kind):
        return ("LAYOUT-005",), "the same tensor of another expert"
    return ("NAME-006",), f"the values of {EXPERT.sub('experts.', kind)}"


def _whole_layer(case: Case, here: int, there: int) -> bool:
    """Tell whether most tensors of B's layer `here` are those of A's layer `there`."""
    key = ("layer", here, there)
    if key not in case.notes:
        votes = [_moved(case, name, there) for name in _siblings(case, here)]
        decided = [vote for vote in votes if vote is not None]
        # a layer of one tensor, or of others that look alike, has nothing that stayed behind
        case.notes[key] = sum(decided) * 2 > len(decided) or not decided
    return bool(case.notes[key])


def _siblings(case: Case, layer: int) -> list[str]:
    return [n for n in case.b.tensors if kind_and_layer(n)[1] == layer and n != case.name and "experts" not in n]


def _moved(case: Case, name: str, there: int) -> bool | None:
    """Tell whether B's tensor is that of A's other layer rather than its own; None when the two look alike."""
    kind = kind_and_layer(name)[0]
    theirs = next((n for n in case.a.tensors if kind_and_layer(n) == (kind, there)), None)
    if theirs is None or name not in case.a.tensors or case.b.tensors[name].shape != case.a.tensors[theirs].shape:
        return None
    count = case.b.tensors[name].shape[0] if case.b.tensors[name].shape else 1
    rows = np.unique(np.linspace(0, count - 1, min(PROBE, count)).astype(np.intp))
    found = _rows(case.b, case.b.tensors[name], rows)
    own, other = (_rows(case.a, case.a.tensors[n], rows) for n in (name, theirs))
    near, far = residual(other, found), residual(own, found)
    return None if near == far or min(near, far) > UNLIKE else near < far


def _rows(view: View, slot: Slot, rows: Index) -> F32:
    """Return those rows in Hugging Face convention; a vector comes whole."""
    return undone(view.checkpoint, slot, rows if len(slot.shape) > 1 else None)
