"""SafeTensors, single, sharded or as a Hugging Face folder.

    u64 length N | N bytes of JSON { name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: {..} } | data

Offsets count from the end of the header, must touch without holes and end with the file.
Source: https://github.com/huggingface/safetensors (README and safetensors/src/tensor.rs).
"""

import json
import math
import mmap
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import UserError
from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, OutTensor, Rows, TensorInfo
from bot.formats._write import atomic, copy_tensor
from bot.formats.gguf import decoded_rows

MAX_HEADER = 100_000_000
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


class _BrokenError(Exception):
    def __init__(self, law: str, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail = law, cause, detail


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _BrokenError("key-twice", "FILE-008", f"the header states {key[:80]!r} twice")
        found[key] = value
    return found


class _File:
    """One file's header and the laws it breaks."""

    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, list[Fault]()
        self.tensors: dict[str, TensorInfo] = {}
        self.metadata: dict[str, str] = {}
        self.bytes: mmap.mmap | bytes = b""
        try:
            self._parse()
        except _BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, fatal=True)

    def fault(self, law: str, cause: str, detail: str, *, fatal: bool = False) -> None:
        self.faults.append(
            Fault(law=f"safetensors.{law}", cause=cause, path=str(self.path), detail=detail, fatal=fatal)
        )

    def _parse(self) -> None:
        size = self.path.stat().st_size
        if size < 8:
            raise _BrokenError("size", "FILE-001", f"{size} bytes are too few for a header")
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (length,) = struct.unpack_from("<Q", self.bytes, 0)
        if length > MAX_HEADER:
            raise _BrokenError(
                "header-length", "FILE-008", f"the header claims {length} bytes; {MAX_HEADER} is the most"
            )
        if 8 + length > size:
            raise _BrokenError("header-truncated", "FILE-001", f"the header claims {length} bytes, the file has {size}")
        self._entries(self._header(bytes(self.bytes[8 : 8 + length])), 8 + length, size)

    def _header(self, data: bytes) -> dict[str, Any]:
        try:
            header = json.loads(data, object_pairs_hook=_no_twins)
        except (ValueError, RecursionError) as error:
            raise _BrokenError("header-json", "FILE-008", f"the header is not JSON: {str(error)[:120]}") from None
        if not isinstance(header, dict):
            raise _BrokenError("header-json", "FILE-008", "the header is not a JSON object")
        stated = header.pop("__metadata__", {})
        if not isinstance(stated, dict) or not all(isinstance(value, str) for value in stated.values()):
            self.fault("metadata", "FILE-008", "__metadata__ must map strings to strings")
            stated = {}
        self.metadata = stated
        return header

    def _entries(self, header: dict[str, Any], start: int, size: int) -> None:
        spans = []
        for name, entry in header.items():
            try:
                dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
                whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
            except (TypeError, KeyError, ValueError):
                whole = False
            if not whole or not isinstance(dtype, str):
                raise _BrokenError("entry", "FILE-008", f"the entry of tensor {name[:80]!r} is malformed")
            spans.append((begin, end, name))
            self._entry(name, dtype, tuple(shape), begin, end, start)
        self._cover(sorted(spans), size - start)

    def _entry(self, name: str, dtype: str, shape: tuple[int, ...], begin: int, end: int, start: int) -> None:
        if dtype not in blocks.TYPES:
            self.fault("dtype", "ARCH-002", f"tensor {name[:80]!r} has the unknown dtype {dtype[:20]!r}", fatal=True)
            return
        if math.prod(shape) >= 1 << 62 or blocks.nbytes(dtype, shape) != end - begin:
            detail = f"tensor {name[:80]!r} of {dtype} {list(shape)} spans {end - begin} bytes"
            self.fault("size", "FILE-004", detail, fatal=True)
            return
        self.tensors[name] = TensorInfo(
            name=name, dtype=dtype, shape=shape, path=self.path, offset=start + begin, nbytes=end - begin
        )

    def _cover(self, spans: list[tuple[int, int, str]], room: int) -> None:
        at = 0
        for begin, end, name in spans:
            if begin != at:
                what = "overlaps its neighbour" if begin < at else "leaves a hole before it"
                self.fault(
                    "offsets", "FILE-004", f"tensor {name[:80]!r} begins at {begin}, not {at}: {what}", fatal=begin < at
                )
            at = max(at, end)
        if at > room:
            self.fault("data-truncated", "FILE-001", f"{at} bytes of tensors, {room} in the file", fatal=True)
        elif at < room:
            self.fault("trailing", "FILE-008", f"{room - at} bytes follow the last tensor")


def _shards(path: Path) -> tuple[list[Path], list[Fault]]:
    """Return the files an index names, and what is wrong with the set."""
    try:
        index = json.loads(path.read_bytes())
        names = index["weight_map"]
        files = sorted({str(file) for file in names.values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        detail = "no weight_map of tensor names to files in it"
        return [], [Fault(law="safetensors.index", cause="FILE-008", path=str(path), detail=detail, fatal=True)]
    found = []
    for file in files:
        if Path(file).name != file or not (path.parent / file).is_file():
            detail = "the index names this shard and it is not here"
            found.append(
                Fault(
                    law="safetensors.shard-missing",
                    cause="FILE-006",
                    path=str(path.parent / file),
                    detail=detail,
                    fatal=True,
                )
            )
    stale = sorted(p.name for p in path.parent.glob("*.safetensors") if p.name not in files)
    if stale:
        detail = f"files no index names lie beside the shards: {', '.join(stale)[:200]}"
        found.append(Fault(law="safetensors.stale", cause="FILE-007", path=str(path), detail=detail))
    return [path.parent / file for file in files if (path.parent / file).is_file()], found


def _files(path: Path) -> tuple[list[_File], list[Fault]]:
    shards, found = _shards(path) if path.name.endswith(".json") else ([path], [])
    files = [_File(shard) for shard in shards]
    seen: dict[str, Path] = {}
    for file in files:
        found += file.faults
        for name in file.tensors:
            if name in seen:
                detail = f"tensor {name[:80]!r} is in {seen[name].name} too"
                found.append(Fault(law="safetensors.twice", cause="FILE-007", path=str(file.path), detail=detail))
            seen[name] = file.path
    if path.name.endswith(".json") and not any(fault.fatal for fault in found):
        mapped = set(json.loads(path.read_bytes())["weight_map"])
        if lost := sorted(mapped - set(seen)):
            detail = f"the index names {len(lost)} tensors no shard holds, {lost[0][:80]!r} first"
            found.append(Fault(law="safetensors.index-tensor", cause="FILE-006", path=str(path), detail=detail))
    return files, found


def faults(path: Path) -> list[Fault]:
    """Return every law a SafeTensors file, or the shards of an index, break."""
    return _files(path)[1]


def _companion(path: Path) -> Any:
    if not path.is_file() or path.stat().st_size > 1 << 28:
        return None
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


class SafetensorsCheckpoint:
    """An open SafeTensors file or shard set with the configuration and tokenizer files beside it."""

    format = "safetensors"

    def __init__(self, path: Path, files: list[_File]) -> None:
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
        return decoded_rows(self.tensors[name], self.raw(name), rows)

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
        if tensor.dtype in blocks.QUANTIZED:
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
