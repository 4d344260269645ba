"""GGUF, versions 2 and 3: header, metadata and tensor table read strictly, tensors lazily.

    'GGUF' | version u32 | tensors u64 | keys u64
    keys x    { name: string, type u32, value }
    tensors x { name: string, dims u32, dim u64 x dims (fastest first), type u32, offset u64 }
    zeros to the alignment | data
    string = u64 length + UTF-8; array = element type u32, count u64, elements

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and ggml's own loader, gguf.cpp.
"""

import mmap
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, Rows, TensorInfo

MAGIC = b"GGUF"
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
MAX_STRING = 1 << 26  # bytes: far above any real key or token, far below a hostile length
MAX_NAME = 64  # GGML_MAX_NAME, terminating zero included
SPLIT = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf\Z")


def recognises(path: Path) -> bool:
    """Tell whether the file starts as a GGUF does."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


class _BrokenError(Exception):
    """A law broken so that nothing after it can be read."""

    def __init__(self, law: str, cause: str, detail: str, offset: int) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail, self.offset = law, cause, detail, offset


class _Header:
    """One file's header, parsed as far as it can be; `faults` lists the laws it breaks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, TensorInfo] = {}
        self.alignment = 32
        self.data = 0
        with path.open("rb") as file:
            self.size = path.stat().st_size
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        self.at = 0
        try:
            self._parse()
        except _BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, bad.offset, fatal=True)

    def fault(self, law: str, cause: str, detail: str, offset: int | None = None, *, fatal: bool = False) -> None:
        self.faults.append(
            Fault(law=f"gguf.{law}", cause=cause, path=str(self.path), detail=detail, offset=offset, fatal=fatal)
        )

    @property
    def fatal(self) -> bool:
        return any(fault.fatal for fault in self.faults)

    def _parse(self) -> None:
        if self.size < 24:
            raise _BrokenError("size", "FILE-001", f"{self.size} bytes are too few for a GGUF header of 24", 0)
        magic, version, tensors, keys = struct.unpack_from("<4sIQQ", self.bytes, 0)
        self.at = 24
        if magic != MAGIC:
            raise _BrokenError("magic", "FILE-002", f"starts with {magic!r}, not with {MAGIC!r}", 0)
        if version & 0xFFFF == 0 and version:
            raise _BrokenError("byte-order", "FILE-005", f"version reads 0x{version:08x}: the file is big-endian", 4)
        if version not in {2, 3}:
            raise _BrokenError("version", "FILE-008", f"version {version}; 2 and 3 are known", 4)
        # a key takes 13 bytes at least and a tensor 33, so a count the file cannot hold is a lie
        for count, least, what in ((keys, 13, "keys"), (tensors, 24, "tensors")):
            if count * least > self.size:
                raise _BrokenError("count", "FILE-008", f"{count} {what} cannot fit in {self.size} bytes", 8)
        for _ in range(keys):
            self._key()
        self._align()
        table = [self._tensor() for _ in range(tensors)]
        self.data = -(-self.at // self.alignment) * self.alignment
        self._place(table)

    def _take(self, count: int, what: str) -> int:
        """Advance over `count` bytes; return where they start."""
        start = self.at
        if count > self.size - start:
            raise _BrokenError(
                "truncated", "FILE-001", f"ends inside {what}: {count} bytes wanted at byte {start}", start
            )
        self.at = start + count
        return start

    def _string(self, what: str) -> str:
        start = self._take(8, what)
        (length,) = struct.unpack_from("<Q", self.bytes, start)
        if length > MAX_STRING:
            raise _BrokenError("string-length", "FILE-008", f"{what} claims {length} bytes", start)
        start = self._take(length, what)
        return bytes(self.bytes[start : start + length]).decode("utf-8", "replace")

    def _key(self) -> None:
        start = self.at
        name = self._string("a key")
        (kind,) = struct.unpack_from("<I", self.bytes, self._take(4, f"the type of {name!r}"))
        value = self._value(kind, f"key {name[:80]!r}")
        if not name:
            self.fault("key-empty", "FILE-008", "a key has no name", start)
        if name in self.metadata:
            self.fault("key-twice", "FILE-008", f"key {name[:80]!r} is stated twice", start)
        else:
            self.metadata[name] = value

    def _value(self, kind: int, what: str) -> Any:
        if kind in SCALARS:
            code = "<" + SCALARS[kind]
            return struct.unpack_from(code, self.bytes, self._take(struct.calcsize(code), what))[0]
        if kind == STRING:
            return self._string(what)
        if kind == ARRAY:
            return self._array(what)
        raise _BrokenError("value-type", "FILE-008", f"{what} has the unknown value type {kind}", self.at)

    def _array(self, what: str) -> list[Any]:
        kind, count = struct.unpack_from("<IQ", self.bytes, self._take(12, what))
        if kind in SCALARS:
            item = struct.calcsize("<" + SCALARS[kind])
            if count * item > self.size - self.at:
                raise _BrokenError("array-length", "FILE-008", f"{what} claims {count} elements", self.at)
            start = self._take(count * item, what)
            code = "?" if kind == 7 else "<" + SCALARS[kind]
            return np.frombuffer(self.bytes, np.dtype(code), count, start).tolist()
        if kind != STRING:
            raise _BrokenError("array-type", "FILE-008", f"{what} is an array of value type {kind}", self.at)
        if count * 8 > self.size - self.at:
            raise _BrokenError("array-length", "FILE-008", f"{what} claims {count} strings", self.at)
        return self._strings(count, what)

    def _strings(self, count: int, what: str) -> list[str]:
        """Read an array of strings: a loop without calls, since vocabularies have 150 000 of them."""
        data, at, size, unpack = self.bytes, self.at, self.size, struct.Struct("<Q").unpack_from
        found = []
        for _ in range(count):
            if at + 8 > size:
                raise _BrokenError("truncated", "FILE-001", f"ends inside {what}", at)
            (length,) = unpack(data, at)
            at += 8
            if length > MAX_STRING or at + length > size:
                raise _BrokenError("string-length", "FILE-008", f"a string of {what} claims {length} bytes", at - 8)
            found.append(data[at : at + length].decode("utf-8", "replace"))
            at += length
        self.at = at
        return found

    def _align(self) -> None:
        stated = self.metadata.get("general.alignment", 32)
        if not isinstance(stated, int) or stated <= 0 or stated & (stated - 1) or stated > 1 << 20:
            raise _BrokenError("alignment", "FILE-003", f"general.alignment is {stated!r}, not a power of two", 0)
        self.alignment = stated

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int, int]:
        start = self.at
        name = self._string("a tensor name")
        (count,) = struct.unpack_from("<I", self.bytes, self._take(4, f"the dimensions of {name[:80]!r}"))
        if count > 4:
            raise _BrokenError(
                "dimensions", "FILE-008", f"tensor {name[:80]!r} has {count} dimensions; 4 is the most", start
            )
        dims = struct.unpack_from(f"<{count}Q", self.bytes, self._take(8 * count, f"the shape of {name[:80]!r}"))
        kind, offset = struct.unpack_from("<IQ", self.bytes, self._take(12, f"the entry of {name[:80]!r}"))
        return name, dims[::-1], kind, offset, start

    def _place(self, table: list[tuple[str, tuple[int, ...], int, int, int]]) -> None:
        """Check every entry against the laws of the table and keep those that can be read."""
        expected = 0
        for name, shape, kind, offset, start in table:
            info = self._entry(name, shape, kind, offset, start)
            if info is None:
                expected = -1
                continue
            if expected >= 0 and offset != expected:
                detail = f"tensor {name[:80]!r} lies at {offset}; its neighbours leave it {expected}"
                self.fault("offset", "FILE-003" if offset % self.alignment else "FILE-004", detail, start)
                expected = offset
            if name in self.tensors:
                self.fault("tensor-twice", "FILE-008", f"tensor {name[:80]!r} is listed twice", start, fatal=True)
            else:
                self.tensors[name] = info
            end = offset + info.nbytes
            expected = -(-end // self.alignment) * self.alignment if expected >= 0 else -1
            if self.data + end > self.size:
                detail = f"tensor {name[:80]!r} ends at byte {self.data + end}, the file at {self.size}"
                self.fault("data-truncated", "FILE-001", detail, start, fatal=True)
        if expected >= 0 and self.size > self.data + expected:
            self.fault("trailing", "FILE-008", f"{self.size - self.data - expected} bytes follow the last tensor")

    def _entry(self, name: str, shape: tuple[int, ...], kind: int, offset: int, start: int) -> TensorInfo | None:
        if len(name.encode()) >= MAX_NAME:
            self.fault(
                "name-length", "FILE-008", f"tensor name {name[:80]!r} is longer than {MAX_NAME - 1} bytes", start
            )
        block = blocks.BY_ID.get(kind)
        if block is None:
            detail = f"tensor {name[:80]!r} has the unknown element type {kind}"
            self.fault("tensor-type", "ARCH-002", detail, start, fatal=True)
            return None
        count = 1
        for dim in shape:
            count *= dim
        if count >= 1 << 62 or offset >= 1 << 62:
            self.fault("size", "FILE-008", f"tensor {name[:80]!r} claims shape {shape} at {offset}", start, fatal=True)
            return None
        try:
            size = blocks.nbytes(block.name, shape)
        except ValueError as error:
            self.fault("block", "FILE-008", f"tensor {name[:80]!r}: {error}", start, fatal=True)
            return None
        return TensorInfo(
            name=name, dtype=block.name, shape=shape, path=self.path, offset=self.data + offset, nbytes=size
        )


def split_files(path: Path) -> list[Path]:
    """Return every file of the split a path belongs to, in order; the path alone when it is no split."""
    found = SPLIT.match(path.name)
    if not found:
        return [path]
    count = int(found["count"])
    return [path.with_name(f"{found['stem']}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]


def _headers(path: Path) -> tuple[list[_Header], list[Fault]]:
    """Parse every file of a split and check what the parts say about each other."""
    files = split_files(path)
    missing = [file for file in files if not file.is_file()]
    found = [
        Fault(
            law="gguf.split-missing",
            cause="FILE-006",
            path=str(file),
            detail="this part of the split is not here",
            fatal=True,
        )
        for file in missing
    ]
    headers = [_Header(file) for file in files if file not in missing]
    for header in headers:
        found += header.faults
    if len(files) > 1:
        found += _split_faults(headers, files)
    elif headers and int(headers[0].metadata.get("split.count") or 1) > 1:
        detail = (
            f"is part {headers[0].metadata.get('split.no')} of {headers[0].metadata['split.count']} under another name"
        )
        found.append(Fault(law="gguf.split-name", cause="FILE-006", path=str(path), detail=detail, fatal=True))
    return headers, found


def _split_faults(headers: list[_Header], files: list[Path]) -> list[Fault]:
    found = []
    for header in headers:
        stated, real = header.metadata.get("split.no"), files.index(header.path)
        if not header.fatal and stated != real:
            detail = f"says it is part {stated!r}, its name says {real}"
            found.append(
                Fault(law="gguf.split-order", cause="FILE-006", path=str(header.path), detail=detail, fatal=True)
            )
    total = sum(len(header.tensors) for header in headers)
    claimed = headers[0].metadata.get("split.tensors.count") if headers else None
    if isinstance(claimed, int) and claimed != total and len(headers) == len(files):
        detail = f"{claimed} tensors expected in all parts, {total} found"
        found.append(Fault(law="gguf.split-tensors", cause="FILE-006", path=str(files[0]), detail=detail, fatal=True))
    return found


def faults(path: Path) -> list[Fault]:
    """Return every law a GGUF and the other parts of its split break."""
    return _headers(path)[1]


class GgufCheckpoint:
    """An open GGUF, or all parts of a split one."""

    format = "gguf"

    def __init__(self, path: Path, headers: list[_Header]) -> None:
        self.path = path
        self.files = tuple(header.path for header in headers)
        self.metadata: Mapping[str, Any] = headers[0].metadata
        self.tensors: dict[str, TensorInfo] = {}
        self._maps = {header.path: header.bytes for header in headers}
        for header in headers:
            self.tensors.update(header.tensors)

    def raw(self, name: str) -> Bytes:
        """Return the stored bytes of a tensor, a read-only view into the file."""
        info = self.tensors[name]
        return np.frombuffer(self._maps[info.path], np.uint8, info.nbytes, info.offset)

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return rows of a tensor (axis 0), decoded to float32; only the asked rows are decoded."""
        info = self.tensors[name]
        return decoded_rows(info, self.raw(name), rows)

    def close(self) -> None:
        """Release the files (the maps go with their last view)."""
        self._maps = {}


def decoded_rows(info: TensorInfo, raw: Bytes, rows: Rows) -> F32:
    """Decode rows of axis 0 from a tensor's bytes, gathering packed rows before decoding them."""
    if rows is None or not info.shape:
        return blocks.decode(info.dtype, raw).reshape(info.shape)
    packed = raw.reshape(info.shape[0], -1)[rows]
    return blocks.decode(info.dtype, packed).reshape(-1, *info.shape[1:])


def open_checkpoint(path: Path) -> GgufCheckpoint:
    """Open a GGUF or the split it belongs to; FormatError with every fault when one is fatal."""
    headers, found = _headers(path)
    fatal = [fault for fault in found if fault.fatal]
    if fatal:
        raise FormatError([*fatal, *(fault for fault in found if not fault.fatal)])
    return GgufCheckpoint(path, headers)
