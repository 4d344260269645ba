"""SafeTensors, single, sharded or as a Hugging Face folder, with what lies beside the weights.

Source: https://github.com/huggingface/safetensors (README and safetensors/src/tensor.rs).
"""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import UserError
from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, OutTensor, Rows, TensorInfo, drop_pages
from bot.formats._write import atomic, copy_tensor
from bot.formats.gguf import decoded_rows
from bot.formats.safetensors_header import DTYPES, MAX_FAULTS, BrokenError, File, no_twins

MAX_JSON = 1 << 28  # bytes of an index or companion
INDEX = "model.safetensors.index.json"
COMPANIONS = {
    "config": "config.json",
    "tokenizer": "tokenizer.json",
    "tokenizer_config": "tokenizer_config.json",
    "generation_config": "generation_config.json",
    "special_tokens_map": "special_tokens_map.json",
}


def recognises(path: Path) -> bool:
    """Tell whether the file is a SafeTensors, or the index of a sharded one."""
    with path.open("rb") as file:
        head = file.read(9)
    if len(head) < 9:
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return (head[8:9] == b"{" and 2 <= length <= 1 << 40) or (path.name.endswith(".index.json") and head[:1] == b"{")


def _index(path: Path) -> dict[str, str]:
    """Return which file an index says holds each tensor."""
    if path.stat().st_size > MAX_JSON:
        raise BrokenError("index", "FILE-008", f"more than {MAX_JSON} bytes")
    try:
        found = json.loads(path.read_bytes().decode(), object_pairs_hook=no_twins)["weight_map"]
        if found and all(isinstance(file, str) for file in found.values()):
            return dict(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise BrokenError("index", "FILE-008", "no weight_map of tensor names to files in it")


def _fault(law: str, cause: str, path: Path, detail: str, *, fatal: bool = False) -> Fault:
    return Fault(law=f"safetensors.{law}", cause=cause, path=str(path), detail=detail, fatal=fatal)


def _files(path: Path) -> tuple[list[File], list[Fault]]:
    if not path.name.endswith(".json"):
        file = File(path)
        return [file], file.faults
    try:
        index = _index(path)
    except BrokenError as bad:
        return [], [_fault(bad.law, bad.cause, path, bad.detail, fatal=True)]
    shards = sorted(set(index.values()))
    missing = [shard for shard in shards if Path(shard).name != shard or not _is_file(path.parent / shard)]
    found = []
    if missing:
        detail = f"{len(missing)} of the {len(shards)} shards the index names are not here, this one first"
        found.append(_fault("shard-missing", "FILE-006", path.parent / missing[0][:200], detail, fatal=True))
    stale = sorted(p.name for p in path.parent.glob("*.safetensors") if p.name not in shards)
    if stale:
        detail = f"the index does not name files that lie beside the shards: {', '.join(stale)[:200]}"
        found.append(_fault("stale", "FILE-007", path, detail))
    files = [File(path.parent / shard) for shard in shards if shard not in missing]
    for file in files:
        found += file.faults
    return files, found + _against_index(path, index, files, complete=not missing)


def _is_file(path: Path) -> bool:
    """Tell whether a file is there; a name no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _against_index(path: Path, index: dict[str, str], files: list[File], *, complete: bool) -> list[Fault]:
    """Compare what the index promises with what the shards hold."""
    found, seen = [], dict[str, Path]()
    for file in files:
        for name in file.tensors:
            if name in seen:
                detail = f"tensor {name[:80]!r} is in {seen[name].name} too"
                found.append(_fault("twice", "FILE-007", file.path, detail))
            elif index.get(name) != file.path.name:
                detail = f"tensor {name[:80]!r} is in this shard; the index says {index.get(name)!r}"
                found.append(_fault("index-place", "FILE-007", file.path, detail))
            seen[name] = file.path
    lost = sorted(set(index) - set(seen))
    if lost and complete and not any(fault.fatal for file in files for fault in file.faults):
        detail = f"the index names {len(lost)} tensors no shard holds, {lost[0][:80]!r} first"
        found.append(_fault("index-tensor", "FILE-006", path, detail))
    return found[:MAX_FAULTS]


def faults(path: Path) -> list[Fault]:
    """Return every law a SafeTensors file, or the shards of an index, break."""
    return _files(path)[1]


def _companion(path: Path) -> Any:
    if not path.is_file() or path.stat().st_size > MAX_JSON:
        return None
    try:
        return json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError):
        return None


class SafetensorsCheckpoint:
    """An open SafeTensors file or shard set with the configuration and tokenizer files beside it."""

    format = "safetensors"

    def __init__(self, path: Path, files: list[File]) -> None:
        self.path = path
        folder = path.parent
        beside = {key: folder / name for key, name in COMPANIONS.items()}
        found = {key: value for key, file in beside.items() if (value := _companion(file)) is not None}
        template = folder / "chat_template.jinja"
        if template.is_file():
            found["chat_template"] = template.read_text("utf-8", "replace")
        stated = {key: value for file in files for key, value in file.metadata.items()}
        self.metadata: Mapping[str, Any] = {"__metadata__": stated, **found}
        self.files = (*(file.path for file in files), *(file for key, file in beside.items() if key in found))
        self.tensors: dict[str, TensorInfo] = {}
        self._maps = {file.path: file.bytes for file in files}
        for file in files:
            self.tensors.update(file.tensors)

    def raw(self, name: str) -> Bytes:
        """Return the stored bytes of a tensor, a read-only view into the file."""
        info = self.tensors[name]
        return np.frombuffer(self._maps[info.path], np.uint8, info.nbytes, info.offset)

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return rows of a tensor (axis 0), float32."""
        info = self.tensors[name]
        if info.dtype not in blocks.TYPES:
            raise UserError(f"tensor {name[:80]!r}: no decoder for element type {info.dtype}", where=str(self.path))
        return decoded_rows(info, self.raw(name), rows)

    def forget(self) -> None:
        """Drop the file pages read so far from memory."""
        drop_pages(self._maps.values())

    def close(self) -> None:
        """Release the files (the maps go with their last view)."""
        self._maps = {}


def open_checkpoint(path: Path) -> SafetensorsCheckpoint:
    """Open a SafeTensors file or an index; FormatError with every fault when one is fatal."""
    files, found = _files(path)
    fatal = [fault for fault in found if fault.fatal]
    if fatal:
        raise FormatError([*fatal, *(fault for fault in found if not fault.fatal)])
    return SafetensorsCheckpoint(path, files)


def write(path: Path, metadata: Mapping[str, str], tensors: Iterable[OutTensor]) -> None:
    """Write one SafeTensors file; tensors keep their order. Nothing is left under the final name when it fails."""
    listed, header, at = list(tensors), dict[str, Any](), 0
    if metadata:
        header["__metadata__"] = dict(metadata)
    for tensor in listed:
        if tensor.dtype not in DTYPES:
            raise UserError(f"SafeTensors has no element type {tensor.dtype}", where=str(path))
        header[tensor.name] = {
            "dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes],
        }  # fmt: skip
        at += tensor.nbytes
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    with atomic(path) as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in listed:
            copy_tensor(file, tensor)
