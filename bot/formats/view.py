"""A checkpoint seen by Hugging Face names and in Hugging Face conventions, whatever its container.

The conventions a container is known for are undone lazily, tensor by tensor, so two checkpoints of any
two formats can be compared value by value. What a *wrong* converter did is not undone: that is the finding.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bot.formats import names
from bot.formats._base import F32, Checkpoint, Rows, TensorInfo
from bot.formats.config import ModelConfig, read_config
from bot.formats.names import Change, Spelling

Index = npt.NDArray[np.intp]
MAX_EXPERTS = 4096  # of one tensor; more is no model but a hostile shape


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The head geometry rotary row orders depend on."""

    query: int
    key: int
    dimension: int | None = None  # of one head; rows / heads when not stated

    @classmethod
    def of(cls, config: ModelConfig) -> "Heads":
        """Read the geometry from a configuration; one head where it says nothing."""
        query = int(config.values.get("num_attention_heads") or 1)
        return cls(query=query, key=int(config.values.get("num_key_value_heads") or query))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One Hugging Face tensor and where the checkpoint keeps it."""

    name: str
    stored: str
    shape: tuple[int, ...]  # in Hugging Face convention, as far as the file's shape allows
    dtype: str
    spelling: Spelling
    change: Change  # what has to be undone on reading
    usual: Change = Change.NONE  # what a GGUF does to a tensor of this role
    heads: int = 0  # for Q_ROWS and KV_ROWS
    expert: int | None = None
    layer: int | None = None
    info: TensorInfo


def pair_rows(rows: int, heads: int) -> Index:
    """Return where each Hugging Face row (halves) lies in ggml order (adjacent pairs): `hf = gguf[index]`.

    Rows of one head are (2, d/2) in Hugging Face order and (d/2, 2) in ggml order, d = rows / heads
    (permute() of llama.cpp's convert_hf_to_gguf.py). Rows that do not divide stay where they are.
    """
    index = np.arange(rows, dtype=np.intp)
    if heads <= 0 or rows % (2 * heads):
        return index
    return np.ascontiguousarray(index.reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(rows))


class View:
    """The tensors of a checkpoint by Hugging Face name."""

    def __init__(self, checkpoint: Checkpoint, config: ModelConfig, architecture: str | None, heads: Heads) -> None:
        self.checkpoint, self.config, self.architecture, self.heads = checkpoint, config, architecture, heads
        self.tensors: dict[str, Slot] = {}
        self.unmapped: list[str] = []  # stored names no table row has
        self.derived: list[str] = []  # ggml tensors computed from the configuration, and saved buffers
        self.twice: list[str] = []  # stored names whose Hugging Face tensor is already here
        for stored, info in checkpoint.tensors.items():
            self._place(stored, info)

    def _place(self, stored: str, info: TensorInfo) -> None:
        if stored in names.DERIVED or names.BUFFER.search(stored):
            self.derived.append(stored)
            return
        found = names.role(self.architecture, stored)
        if found is None:
            self.unmapped.append(stored)
            return
        for slot in self._slots(found, stored, info):
            if slot.name in self.tensors:
                self.twice.append(stored)
            else:
                self.tensors[slot.name] = slot

    def _slots(self, found: names.Role, stored: str, info: TensorInfo) -> list[Slot]:
        change = self._to_undo(found)
        heads = {Change.Q_ROWS: self.heads.query, Change.KV_ROWS: self.heads.key}.get(change, 0)
        shape = info.shape[::-1] if change is Change.TRANSPOSED else info.shape
        slot = Slot(
            name=found.hf, stored=stored, shape=shape, dtype=info.dtype, spelling=found.spelling,
            change=change, usual=found.change, heads=heads, layer=found.layer, info=info,
        )  # fmt: skip
        if not found.stacked:
            return [slot]
        each = range(min(info.shape[0], MAX_EXPERTS) if info.shape else 0)
        return [
            dataclasses.replace(
                slot, name=found.hf.replace("{e}", str(e)), expert=e, shape=info.shape[1:], change=Change.EXPERT
            )
            for e in each
        ]

    def _to_undo(self, found: names.Role) -> Change:
        """Return the change this container applies to a tensor of that role."""
        if self.checkpoint.format == "gguf":
            return found.change
        rotated = found.change in {Change.Q_ROWS, Change.KV_ROWS}
        if self.checkpoint.format == "apr" and rotated and self._pairs(found.spelling):
            return found.change
        return Change.NONE

    def _pairs(self, spelling: Spelling) -> bool:
        """Tell whether an APR keeps rotary rows in adjacent pairs: rope_type says so, else its names do."""
        stated = self.checkpoint.metadata.get("rope_type")
        return stated == 0 if isinstance(stated, int) else spelling is Spelling.GGUF

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return rows of a Hugging Face tensor, float32, with the container's conventions undone."""
        slot = self.tensors[name]
        return undone(self.checkpoint, slot, rows)


def undone(checkpoint: Checkpoint, slot: Slot, rows: Rows = None) -> F32:
    """Return rows of one slot in Hugging Face convention."""
    if slot.expert is not None:
        whole = checkpoint.values(slot.stored, [slot.expert])[0]
        return whole if rows is None else np.ascontiguousarray(whole[rows])
    if slot.change is Change.TRANSPOSED and len(slot.info.shape) == 2:
        whole = checkpoint.values(slot.stored).T
        return np.ascontiguousarray(whole if rows is None else whole[rows])
    if slot.change in {Change.Q_ROWS, Change.KV_ROWS} and slot.shape:
        order = pair_rows(slot.shape[0], slot.heads)
        return checkpoint.values(slot.stored, order if rows is None else order[rows])
    values = checkpoint.values(slot.stored, rows)
    # in float32 and back: exact unless the weight is below 2**-16 (see compare.tolerance)
    with np.errstate(invalid="ignore"):  # what is read wrongly may be no number
        return values - np.float32(1) if slot.change is Change.PLUS_ONE else values


def canonical(checkpoint: Checkpoint, *, trusted: "View | None" = None) -> View:
    """View a checkpoint by Hugging Face names.

    With `trusted`, names and row orders are read by that view's architecture and heads, so that wrong
    metadata of this checkpoint is found as wrong metadata and not as a hundred wrong tensors.
    """
    config = read_config(checkpoint)
    if trusted is not None:
        return View(checkpoint, config, trusted.architecture, trusted.heads)
    return View(checkpoint, config, config.architecture, Heads.of(config))


def kind_and_layer(name: str) -> tuple[str, int | None]:
    """Split a Hugging Face name into what it is and which layer: ("self_attn.k_proj.weight", 3)."""
    parts = name.split(".")
    for position, part in enumerate(parts):
        if part.isdigit() and position and parts[position - 1] in {"layers", "h", "blk"}:
            return ".".join(parts[position + 1 :]), int(part)
    return name.removeprefix("model.").removeprefix("transformer."), None


def settings(view: View) -> Mapping[str, object]:
    """Return what the view was read by, for reports."""
    return {"architecture": view.architecture, "query_heads": view.heads.query, "key_heads": view.heads.key}
