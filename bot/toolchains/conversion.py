"""The embedded converter: reads one checkpoint, drafts another, writes it whole or not at all.

Without a dtype it loses nothing: what the target can hold is copied byte for byte, what it cannot is
widened to float32. One tensor is in memory at a time.
"""

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import UserError
from bot.formats import apr_write, blocks, names, open_checkpoint
from bot.formats import config as configs
from bot.formats import tokenizer as tokenizers
from bot.formats._base import F32, Bytes
from bot.formats.config_keys import FILE_TYPES
from bot.formats.config_rope import factors
from bot.formats.names import Change
from bot.formats.view import Slot, View, canonical, pair_rows
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants import NothingToPlantError, Plant, in_order, plant
from bot.toolchains.writing import write

SUFFIXES = {".gguf": "gguf", ".safetensors": "safetensors", ".apr": "apr"}
FLOATS = frozenset({"F32", "F16", "BF16"})
# what each container can hold byte for byte
HOLDS: dict[str, frozenset[str]] = {
    "gguf": frozenset(name for name, kind in blocks.TYPES.items() if kind.ggml_id is not None),
    "safetensors": FLOATS | {"F64", "F8_E4M3", "F8_E5M2"},
    "apr": frozenset(apr_write.CODES),
}


def target_format(path: Path) -> str:
    """Return the format a target path asks for: by suffix, a folder being SafeTensors."""
    if path.suffix in SUFFIXES:
        return SUFFIXES[path.suffix]
    if path.suffix in {"", "."} or path.is_dir():
        return "safetensors"
    # "Qwen2.5-0.5B" is a folder's name
    return "safetensors" if path.suffix[1:2].isdigit() else _unknown_suffix(path)


def _unknown_suffix(path: Path) -> str:
    raise UserError(
        f"no format is known by the suffix {path.suffix!r}", where=str(path),
        hint="end it in .gguf, .apr or .safetensors, or name a folder",
    )  # fmt: skip


def convert(
    source: Path, target: Path, *, dtype: str | None = None, plants: Sequence[Plant] = (),
    progress: Callable[[int, int], None] | None = None, where_possible: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Convert a checkpoint; return what was done, as JSON. Raises UserError for what cannot be done.

    With `where_possible`, a plant that finds nothing to change is left out: "planted" says which were not.
    """
    view = canonical(open_checkpoint(source))
    fmt = target_format(target)
    _refuse_overwriting(view, target)
    draft = draft_of(view, fmt, dtype.upper() if dtype is not None else None)

    def told(number: int, total: int) -> None:
        view.checkpoint.forget()
        if progress:
            progress(number, total)

    with _compatible(plants):
        draft, planted = _planted(draft, in_order(plants), where_possible=where_possible)
        write(draft, target, told)
    for item in planted:
        if item.after:
            item.after(_written_file(target), item.where)
    return {
        "source": str(source), "target": str(target), "from": view.checkpoint.format, "to": fmt, "dtype": dtype,
        "tensors": len(draft.tensors), "planted": [item.label for item in planted],
    }  # fmt: skip


@contextlib.contextmanager
def _compatible(plants: Sequence[Plant]) -> Iterator[None]:
    """Refuse plants of which one leaves bytes or shapes that another cannot work on."""
    try:
        yield
    except ValueError as error:
        if len(plants) < 2:
            raise
        labels = " and ".join(item.label for item in plants)
        raise UserError(
            f"{labels} cannot be planted together: {error}", hint="plant one at a time, or in other tensors"
        ) from None


def _planted(draft: Draft, plants: Sequence[Plant], *, where_possible: bool) -> tuple[Draft, list[Plant]]:
    done = []
    for item in plants:
        try:
            draft = plant(draft, item)
        except NothingToPlantError:
            if not where_possible:
                raise
        else:
            done.append(item)
    return draft, done


def _written_file(target: Path) -> Path:
    return target / "model.safetensors" if target.is_dir() else target


def _refuse_overwriting(view: View, target: Path) -> None:
    read = {os.path.realpath(file) for file in view.checkpoint.files}
    folders = {Path(file).parent for file in read}
    wanted = os.path.realpath(target)
    if wanted in read or (target.is_dir() and Path(wanted) in folders):
        raise UserError("is the source itself", where=str(target), hint="name another target")


def draft_of(view: View, fmt: str, dtype: str | None) -> Draft:
    """Draft a view in another format. `dtype` is that of the matrices; None loses nothing."""
    if dtype is not None and dtype not in (blocks.QUANTIZERS & HOLDS[fmt]):
        known = ", ".join(sorted(name.lower() for name in blocks.QUANTIZERS & HOLDS[fmt]))
        raise UserError(f"{fmt} with {dtype.lower() or 'no name'} cannot be written", hint=f"known: {known}")
    if view.unmapped:
        raise UserError(
            f"{len(view.unmapped)} tensors have no place in {view.architecture!r}, {view.unmapped[0]!r} first",
            where=str(view.checkpoint.path),
        )
    names.table(view.architecture)
    tokenizer = tokenizers.read_tokenizer(view.checkpoint)
    tensors = (
        _gguf_tensors(view, dtype)
        if fmt == "gguf"
        else [_plain(view, slot, fmt, dtype) for slot in view.tensors.values()]
    )
    draft = Draft(format=fmt, config=view.config, tokenizer=tokenizer, metadata={}, tensors=tuple(tensors))
    return described(draft, view)


def described(draft: Draft, view: View) -> Draft:
    """Fill in the metadata of a draft from its configuration and tokenizer."""
    metadata, folder = _METADATA[draft.format](draft, view)
    return dataclasses.replace(draft, metadata=metadata, folder=folder)


def _name(view: View) -> str:
    metadata = view.checkpoint.metadata
    stated = metadata.get("general.name") or metadata.get("name")
    return stated if isinstance(stated, str) and stated else view.checkpoint.path.parent.name or "model"


def _gguf_metadata(draft: Draft, view: View) -> tuple[dict[str, Any], dict[str, str]]:
    keys = configs.to_gguf(draft.config)
    embedding = next((t for t in draft.tensors if t.name == "token_embd.weight"), None)
    matrices = [t.dtype for t in draft.tensors if t.is_matrix]
    common = max(set(matrices), key=matrices.count) if matrices else "F32"
    found = {"general.architecture": keys.pop("general.architecture"), "general.name": _name(view), **keys}
    stated = view.checkpoint.metadata.get("general.file_type")
    kept = isinstance(stated, int) and [t.dtype for t in draft.tensors] == [
        i.dtype for i in view.checkpoint.tensors.values()
    ]
    found["general.file_type"] = stated if kept else FILE_TYPES.get(common, 0)
    if draft.tokenizer:
        found |= tokenizers.to_gguf(draft.tokenizer, embedding.shape[0] if embedding else None)
    return found, {}


def _apr_metadata(draft: Draft, view: View) -> tuple[dict[str, Any], dict[str, str]]:
    found = {**configs.to_apr(draft.config), "name": _name(view), "original_format": view.checkpoint.format}
    if view.architecture != "gpt2":
        found["rope_type"] = 2  # rows are written in halves, whatever the architecture
    if draft.tokenizer:
        found |= tokenizers.to_apr(draft.tokenizer)
    found["param_count"] = int(sum(np.prod(t.shape, dtype=np.int64) for t in draft.tensors))
    return found, {}


def _folder_metadata(draft: Draft, view: View) -> tuple[dict[str, Any], dict[str, str]]:
    words = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    matrices = [t.dtype for t in draft.tensors if t.is_matrix]
    dtype = words.get(max(set(matrices), key=matrices.count)) if matrices else None
    files = {"config.json": json.dumps(configs.to_hf(draft.config, dtype), indent=2)}
    if draft.tokenizer:
        files |= tokenizers.hf_files(draft.tokenizer)
    generation = view.checkpoint.metadata.get("generation_config")
    if isinstance(generation, dict):
        files["generation_config.json"] = json.dumps(generation, indent=2)
    return {"format": "pt"}, files


_METADATA = {"gguf": _gguf_metadata, "apr": _apr_metadata, "safetensors": _folder_metadata}


def _keeps_bytes(slot: Slot, wanted: Change) -> bool:
    """Tell whether the stored bytes, rows re-ordered at most, are what the target needs."""
    moved = {Change.Q_ROWS, Change.KV_ROWS, Change.NONE, Change.EXPERT}
    return slot.change in moved and wanted in moved and not (slot.info.row_padding or slot.info.flat)


def _packed(view: View, slot: Slot, wanted: Change) -> Bytes:
    raw = view.checkpoint.raw(slot.stored)
    if slot.expert is not None:
        expert: Bytes = raw.reshape(slot.info.shape[0], -1)[slot.expert]
        return expert
    rotary = {Change.Q_ROWS, Change.KV_ROWS}
    if (slot.change in rotary) == (wanted in rotary):
        return raw
    rows = slot.shape[0]
    heads = slot.heads or (view.heads.query if wanted is Change.Q_ROWS else view.heads.key)
    order = pair_rows(rows, heads)
    moved: Bytes = raw.reshape(rows, -1)[order if slot.change in rotary else np.argsort(order)]
    return moved


def _target_dtype(slot: Slot, fmt: str, dtype: str | None, *, small: bool, width: int) -> str:
    """Return the element type a tensor gets: llama.cpp's policy in GGUF, the source's elsewhere."""
    if fmt == "gguf" and small:
        return "F32"
    if dtype is None or (small and dtype not in FLOATS):
        return slot.dtype if slot.dtype in HOLDS[fmt] else "F32"
    return dtype if width % blocks.TYPES[dtype].elements == 0 else "F16"


def _plain(view: View, slot: Slot, fmt: str, dtype: str | None) -> DraftTensor:
    """Draft a tensor for a container of Hugging Face conventions."""
    kind = _target_dtype(slot, fmt, dtype, small=len(slot.shape) < 2, width=slot.shape[-1] if slot.shape else 1)
    if slot.change is Change.PLUS_ONE and kind != "F32" and dtype is None:
        kind = "F32"
    copy = kind == slot.dtype and _keeps_bytes(slot, Change.NONE)
    kind = kind if copy or kind in blocks.QUANTIZERS else "F32"
    values = functools.partial(_fitting, slot.name, kind, functools.partial(view.values, slot.name))
    return DraftTensor(
        name=slot.name, hf=slot.name, dtype=kind, shape=slot.shape, values=values,
        packed=functools.partial(_packed, view, slot, Change.NONE) if copy else None, was=slot.change,
    )  # fmt: skip


def _gguf_tensors(view: View, dtype: str | None) -> list[DraftTensor]:
    """Draft all tensors for a GGUF, experts stacked, factors of rotary scaling added."""
    stacks: dict[str, list[Slot]] = {}
    for slot in view.tensors.values():
        found = names.to_gguf(view.architecture, slot.name)
        if found is None:
            raise UserError(f"a GGUF of {view.architecture!r} has no name for tensor {slot.name!r}")
        stacks.setdefault(found.name, []).append(slot)
    tensors = [_gguf_tensor(view, name, slots, dtype) for name, slots in stacks.items()]
    values = view.config.values
    rotary = configs.rotary_dim(view.config)
    extra = factors(values.get("rope_scaling"), float(values.get("rope_theta") or 1e4), rotary) if rotary else {}
    for name, array in extra.items():
        tensors.append(
            DraftTensor(name=name, hf=name, dtype="F32", shape=array.shape, values=functools.partial(np.asarray, array))
        )
    return tensors


def _gguf_tensor(view: View, name: str, slots: Sequence[Slot], dtype: str | None) -> DraftTensor:
    stored = names.to_gguf(view.architecture, slots[0].name)
    change = stored.change if stored else Change.NONE
    first = slots[0]
    shape = first.shape[::-1] if change is Change.TRANSPOSED and len(first.shape) == 2 else first.shape
    shape = (len(slots), *shape) if change is Change.EXPERT else shape
    # the converter's policy: vectors, norms and routers stay float32
    small = len(shape) < 2 or "_norm" in name or name.endswith(("ffn_gate_inp.weight", "position_embd.weight"))
    kind = _target_dtype(first, "gguf", dtype, small=small, width=shape[-1])
    copy = all(slot.dtype == kind and _keeps_bytes(slot, change) for slot in slots)
    kind = kind if copy or kind in blocks.QUANTIZERS else "F32"
    return DraftTensor(
        name=name, hf=first.name, dtype=kind, shape=shape,
        values=functools.partial(_fitting, name, kind, functools.partial(_gguf_values, view, slots, change)),
        packed=functools.partial(_stacked, view, slots, change) if copy else None, was=first.change, asks=change,
    )  # fmt: skip


def _fitting(name: str, kind: str, values: Callable[[], F32]) -> F32:
    """Return the values of a tensor; UserError for what the type would turn into an infinity."""
    found = values()
    if kind == "F16" and found.size:
        largest = float(np.max(np.abs(found), where=np.isfinite(found), initial=0.0))
        if largest >= 65520.0:
            raise UserError(f"tensor {name!r} holds {largest:g}, too large for float16", hint="use bf16 or f32")
    return found


def _gguf_values(view: View, slots: Sequence[Slot], change: Change) -> F32:
    if change is Change.EXPERT:
        return np.stack([view.values(slot.name) for slot in slots])
    values = view.values(slots[0].name)
    if change is Change.TRANSPOSED and values.ndim == 2:
        return np.ascontiguousarray(values.T)
    if change in {Change.Q_ROWS, Change.KV_ROWS} and values.ndim:
        heads = view.heads.query if change is Change.Q_ROWS else view.heads.key
        return np.ascontiguousarray(values[np.argsort(pair_rows(values.shape[0], heads))])
    return values + np.float32(1) if change is Change.PLUS_ONE else values


def _stacked(view: View, slots: Sequence[Slot], change: Change) -> Bytes:
    parts = [np.ascontiguousarray(_packed(view, slot, change)).reshape(-1) for slot in slots]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
