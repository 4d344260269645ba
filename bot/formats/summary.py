"""What a model file says about itself, short enough to read: for `requalify inspect`."""

import dataclasses
import itertools
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.errors import UserError
from bot.formats import detect, faults, names, open_checkpoint, resolve
from bot.formats._base import Checkpoint, Fault
from bot.formats.apr_header import COLUMN_MAJOR, HEADER, ROW_MAJOR
from bot.formats.view import View, canonical

TEXT, ITEMS, KEYS = 120, 3, 200  # characters, list elements and keys that are shown


def summary(path: Path) -> dict[str, Any]:
    """Describe a file, folder, index or split. Raises UserError (FormatError) for what is no model at all."""
    file = resolve(path)
    found: dict[str, Any] = {"path": str(path), "format": detect(file)}
    broken = faults(path)
    try:
        checkpoint = open_checkpoint(file)
    except UserError:
        return {**found, "readable": False, "faults": [_fault(fault) for fault in broken]}
    view = canonical(checkpoint)
    found |= {
        "readable": True,
        "version": _version(checkpoint),
        "architecture": view.config.architecture,
        "files": [str(each) for each in checkpoint.files],
        "parameters": sum(info.count for info in checkpoint.tensors.values()),
        "bytes": sum(info.nbytes for info in checkpoint.tensors.values()),
        "dtypes": _dtypes(checkpoint),
        "layout": _layout(checkpoint, view),
        "metadata": shortened(checkpoint.metadata),
        "tensors": [
            {"name": info.name, "dtype": info.dtype, "shape": list(info.shape), "count": info.count,
             "bytes": info.nbytes, "offset": info.offset, "file": info.path.name}
            for info in checkpoint.tensors.values()
        ],
        "faults": [_fault(fault) for fault in broken],
    }  # fmt: skip
    checkpoint.close()
    return found


def _fault(fault: Fault) -> dict[str, Any]:
    return dataclasses.asdict(fault)


def _dtypes(checkpoint: Checkpoint) -> dict[str, int]:
    kinds = sorted(info.dtype for info in checkpoint.tensors.values())
    return {kind: len(list(group)) for kind, group in itertools.groupby(kinds)}


def _head(checkpoint: Checkpoint) -> bytes:
    with checkpoint.files[0].open("rb") as file:
        return file.read(64)


def _version(checkpoint: Checkpoint) -> str | None:
    if checkpoint.format == "gguf":
        return str(struct.unpack_from("<I", _head(checkpoint), 4)[0])
    return "{}.{}".format(*_head(checkpoint)[4:6]) if checkpoint.format == "apr" else None


def _layout(checkpoint: Checkpoint, view: View) -> dict[str, Any]:
    """Return the facts of layout and convention that decide how the bytes are to be read."""
    first = min((info.offset for info in checkpoint.tensors.values() if info.nbytes), default=None)
    rotated = any(
        slot.change in {names.Change.Q_ROWS, names.Change.KV_ROWS} for slot in view.tensors.values()
    )  # fmt: skip
    found: dict[str, Any] = {
        "data_offset": first,
        "rotary_rows": "adjacent pairs" if rotated else "as Hugging Face",
        "names": sorted({slot.spelling.value for slot in view.tensors.values()}),
        "unknown_names": len(view.unmapped),
        "row_padding": sum(bool(info.row_padding) for info in checkpoint.tensors.values()),
    }
    if checkpoint.format == "gguf":
        found["alignment"] = checkpoint.metadata.get("general.alignment", 32)
    if checkpoint.format == "apr":
        flags = HEADER.unpack_from(_head(checkpoint))[3]
        order = {ROW_MAJOR: "row-major", COLUMN_MAJOR: "column-major"}.get(flags & (ROW_MAJOR | COLUMN_MAJOR))
        found |= {"flags": f"{flags:#06x}", "layout_flag": order or ("none" if not flags & COLUMN_MAJOR else "both")}
        found["rope_type"] = shortened(checkpoint.metadata.get("rope_type"))
    return found


def shortened(value: Any, depth: int = 0) -> Any:
    """Return metadata cut to what a person reads: long texts, lists and objects by their beginning and size."""
    if isinstance(value, Mapping):
        if depth > 2:
            return f"object of {len(value)} keys"
        shown = {inert(str(key)): shortened(item, depth + 1) for key, item in itertools.islice(value.items(), KEYS)}
        return shown if len(value) <= KEYS else {**shown, "...": f"{len(value) - KEYS} more keys"}
    if isinstance(value, (list, tuple)):
        if len(value) <= 2 * ITEMS and depth <= 2:
            return [shortened(item, depth + 1) for item in value]
        return {"count": len(value), "first": [shortened(item, 3) for item in value[:ITEMS]]}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return inert(value) if isinstance(value, str) else value


def inert(text: str, limit: int = TEXT) -> str:
    """Return text that no terminal obeys: cut, and what cannot be printed spelled out."""
    cut = text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
