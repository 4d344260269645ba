"""Narrows a plant: which tensors it may touch, and which rows of them.

Terms are joined by commas: a pattern on Hugging Face tensor names, `layer=3`, `layers=0-14`, `head=1`.
"""

import dataclasses
import fnmatch
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bot.formats._base import F32
from bot.formats.view import Index, kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor

Reorder = Callable[[Index], Index]


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """What a plant was narrowed to; asked with a tensor, it says whether that one is meant."""

    text: str = ""

    def __call__(self, tensor: DraftTensor) -> bool:
        """Tell whether a tensor is among those meant."""
        return chosen(tensor.hf, self.text)

    @property
    def head(self) -> int | None:
        """Return the one head meant; None for all rows."""
        found = re.search(r"(?:^|,)head=(\d+)(?:,|$)", self.text)
        return int(found[1]) if found else None


def chosen(name: str, where: str) -> bool:
    """Tell whether a tensor name meets every term."""
    return all(_meets(name, term) for term in where.split(",") if term and not term.startswith("head="))


def _meets(name: str, term: str) -> bool:
    if found := re.fullmatch(r"layers?=(\d+)(?:-(\d+))?", term):
        layer = kind_and_layer(name)[1]
        return layer is not None and int(found[1]) <= layer <= int(found[2] or found[1])
    return fnmatch.fnmatchcase(name, term) or fnmatch.fnmatchcase(name, f"*{term}*")


def heads_of(config: Mapping[str, Any], name: str) -> int:
    """Return the head count of q or k rows; 0 for a tensor without heads."""
    query = int(config.get("num_attention_heads") or 0)
    key = int(config.get("num_key_value_heads") or query)
    kind = kind_and_layer(name)[0]
    if kind.startswith("self_attn.q_proj"):
        return query
    return key if kind.startswith(("self_attn.k_proj", "self_attn.v_proj")) else 0


def touched(draft: Draft, tensor: DraftTensor, where: Callable[[DraftTensor], bool]) -> Index:
    """Return the rows of a tensor a plant may change: all, or those of one head."""
    rows = np.arange(tensor.shape[0] if tensor.shape else 1, dtype=np.intp)
    head = getattr(where, "head", None)
    if head is None:
        return rows
    count = heads_of(draft.config.values, tensor.hf)
    if not count or head >= count or len(rows) % count:
        return rows[:0]
    own: Index = rows.reshape(count, -1)[head]
    return own


def on_rows(values: F32, rows: Index, change: Callable[[F32], F32]) -> F32:
    """Return values changed on those rows only."""
    if len(rows) == (values.shape[0] if values.ndim else 1):
        return change(values)
    changed = values.copy()
    changed[rows] = change(values)[rows]
    return changed
