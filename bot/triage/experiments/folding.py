"""Scales folded from a norm into the matrices after it: harmless when taken out of the one and put into all others."""

import re

import numpy as np
import numpy.typing as npt

from bot.formats._base import F32
from bot.formats.names import Change
from bot.formats.view import View, kind_and_layer
from bot.triage.case import Case

F64 = npt.NDArray[np.float64]
# kind of a norm -> kinds of the matrices that read what it wrote
AFTER = {
    "input_layernorm.weight": r"self_attn\.(q|k|v|qkv)_proj\.weight",
    "post_attention_layernorm.weight": r"mlp\.(gate|up|gate_up)_proj\.weight",
    "pre_feedforward_layernorm.weight": r"mlp\.(gate|up|gate_up)_proj\.weight",
    "norm.weight": r"lm_head\.weight",
}
PLUS_ONE = ("gemma",)  # these multiply by 1 + w
CLOSE = 1e-2


def norm_before(case: Case) -> str | None:
    """Return the name of the norm whose output a matrix reads."""
    for name in case.a.tensors:
        kind, layer = kind_and_layer(name)
        if layer == case.layer and kind in AFTER and re.fullmatch(AFTER[kind], case.kind):
            gemma = (case.a.architecture or "").startswith(PLUS_ONE)
            # in gemma the norm called "post attention" writes to the residual
            if not (gemma and kind == "post_attention_layernorm.weight"):
                return name
    return None


def compensated(case: Case, scale: F64) -> str | None:
    """Return the norm that was divided by what the columns of its reader were multiplied with; None when none was."""
    norm = norm_before(case)
    if norm is None or norm not in case.b.tensors or case.pair.b.change is Change.TRANSPOSED:
        return None
    before, after = _multiplier(case.a, norm), _multiplier(case.b, norm)
    if before.shape != after.shape or before.shape != scale.shape:
        return None
    if not bool((np.abs(scale * after - before) <= CLOSE * np.abs(before).max()).all()):
        return None
    others = [_column_scale(case, name) for name in _readers(case, kind_and_layer(norm)[0]) if name != case.name]
    return norm if all(other is not None and _agree(other, scale) for other in others) else None


def undone_by_readers(case: Case, x: F32) -> F32 | None:
    """Predict a norm from what the columns of all its readers were multiplied with; None when they disagree."""
    if case.kind not in AFTER or case.pair.b.change is Change.TRANSPOSED:
        return None
    scales = [_column_scale(case, name) for name in _readers(case, case.kind)]
    if not scales or any(scale is None or scale.shape != x.shape for scale in scales):
        return None
    first = scales[0]
    if first is None or not all(scale is not None and _agree(scale, first) for scale in scales):
        return None
    # X is in B's convention; a norm that is read as 1 + w is stored so by a GGUF and as w elsewhere
    extra = np.float32(1 if _adds_one(case.a) and case.pair.b.change is not Change.PLUS_ONE else 0)
    predicted: F32 = ((x + extra) / first - extra).astype(np.float32)
    return predicted


def _readers(case: Case, norm: str) -> list[str]:
    """Return the matrices of this layer that read what a norm of that kind wrote."""
    places = ((name, *kind_and_layer(name)) for name in case.a.tensors)
    return [name for name, kind, layer in places if layer == case.layer and re.fullmatch(AFTER[norm], kind)]


def _agree(one: F64, other: F64) -> bool:
    return one.shape == other.shape and bool((np.abs(one - other) <= CLOSE * np.abs(other)).all())


def _column_scale(case: Case, name: str) -> F64 | None:
    if name not in case.b.tensors or case.b.tensors[name].shape != case.a.tensors[name].shape:
        return None
    x, y = (view.values(name).astype(np.float64) for view in (case.a, case.b))
    under = (x * x).sum(axis=0)
    return None if not under.all() else (x * y).sum(axis=0) / under


def _multiplier(view: View, norm: str) -> F64:
    values = view.values(norm).astype(np.float64)
    return values + 1 if _adds_one(view) else values


def _adds_one(view: View) -> bool:
    return (view.architecture or "").startswith(PLUS_ONE)
