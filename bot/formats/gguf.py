"""GGUF, versions 2 and 3: one file or all parts of a split, tensors lazily.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and ggml's own loader, gguf.cpp.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, Rows, TensorInfo, drop_pages
from bot.formats.gguf_header import MAGIC, Header

SPLIT = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf\Z")


def recognises(path: Path) -> bool:
    """Tell whether the file starts as a GGUF does."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def split_names(path: Path) -> list[str]:
    """Return the file name of every part of the split a path belongs to, in order; its own when it is no split."""
    found = SPLIT.match(path.name)
    if not found:
        return [path.name]
    count = int(found["count"])
    return [f"{found['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]


def _headers(path: Path) -> tuple[list[Header], list[Fault]]:
    """Parse every file of a split and check what the parts say about each other."""
    parts = split_names(path)
    here = {path.name} if len(parts) == 1 else {file.name for file in path.parent.iterdir()}
    missing = [name for name in parts if name not in here]
    found = []
    if missing:
        detail = f"{len(missing)} of {len(parts)} parts of the split are not here, this one first"
        found = [_fault("split-missing", "FILE-006", path.with_name(missing[0]), detail)]
    files = [path.with_name(name) for name in parts if name in here]
    headers = [Header(file) for file in files]
    for header in headers:
        found += header.faults
    if len(parts) > 1:
        found += _split_faults(headers, parts)
    elif headers and headers[0].metadata.get("split.count", 1) not in (0, 1):
        stated = headers[0].metadata
        detail = f"is part {stated.get('split.no')!r} of {stated['split.count']!r} under another name"
        found.append(_fault("split-name", "FILE-006", path, detail))
    return headers, found


def _fault(law: str, cause: str, path: Path, detail: str) -> Fault:
    return Fault(law=f"gguf.{law}", cause=cause, path=str(path), detail=detail, fatal=True)


def _split_faults(headers: list[Header], parts: list[str]) -> list[Fault]:
    found, seen = [], dict[str, Path]()
    for header in headers:
        stated, real = header.metadata.get("split.no"), parts.index(header.path.name)
        if not header.fatal and stated != real:
            detail = f"says it is part {stated!r}, its name says {real}"
            found.append(_fault("split-order", "FILE-006", header.path, detail))
        for name in header.tensors:
            if name in seen:
                detail = f"tensor {name[:80]!r} is in {seen[name].name} too"
                found.append(dataclasses.replace(_fault("tensor-twice", "FILE-008", header.path, detail), fatal=False))
            seen[name] = header.path
    total = sum(len(header.tensors) for header in headers)
    claimed = headers[0].metadata.get("split.tensors.count") if headers else None
    if isinstance(claimed, int) and claimed != total and len(headers) == len(parts):
        detail = f"{claimed} tensors expected in all parts, {total} found"
        found.append(_fault("split-tensors", "FILE-006", headers[0].path, detail))
    return found


def faults(path: Path) -> list[Fault]:
    """Return every law a GGUF and the other parts of its split break."""
    return _headers(path)[1]


class GgufCheckpoint:
    """An open GGUF, or all parts of a split one."""

    format = "gguf"

    def __init__(self, path: Path, headers: list[Header]) -> None:
        self.path = path
        self.files = tuple(header.path for header in headers)
        self.metadata: Mapping[str, Any] = headers[0].metadata
        self.tensors: dict[str, TensorInfo] = {}
        self._maps = {header.path: header.bytes for header in headers}
        for header in headers:
            for name, info in header.tensors.items():
                self.tensors.setdefault(name, info)

    def raw(self, name: str) -> Bytes:
        """Return the stored bytes of a tensor, a read-only view into the file."""
        info = self.tensors[name]
        return np.frombuffer(self._maps[info.path], np.uint8, info.nbytes, info.offset)

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return rows of a tensor (axis 0), decoded to float32; only the asked rows are decoded."""
        info = self.tensors[name]
        return decoded_rows(info, self.raw(name), rows)

    def forget(self) -> None:
        """Drop the file pages read so far from memory."""
        drop_pages(self._maps.values())

    def close(self) -> None:
        """Release the files (the maps go with their last view)."""
        self._maps = {}


def decoded_rows(info: TensorInfo, raw: Bytes, rows: Rows) -> F32:
    """Decode rows of axis 0 from a tensor's bytes, gathering packed rows before decoding them."""
    if rows is None or not info.shape:
        return blocks.decode(info.dtype, raw).reshape(info.shape)
    if not raw.size:
        return np.empty(info.shape, np.float32)[rows]
    packed = raw.reshape(info.shape[0], -1)[rows]
    return blocks.decode(info.dtype, packed).reshape(-1, *info.shape[1:])


def open_checkpoint(path: Path) -> GgufCheckpoint:
    """Open a GGUF or the split it belongs to; FormatError with every fault when one is fatal."""
    headers, found = _headers(path)
    fatal = [fault for fault in found if fault.fatal]
    if fatal:
        raise FormatError([*fatal, *(fault for fault in found if not fault.fatal)])
    return GgufCheckpoint(path, headers)
