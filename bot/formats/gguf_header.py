"""The header of one GGUF file: its keys and its table of tensors, each law checked.

'GGUF' | version u32 | tensors u64 | keys u64
keys x    { name: string, type u32, value }
tensors x { name: string, dims u32, dim u64 x dims (fastest first), type u32, offset u64 }
zeros to the alignment | data
"""

import struct
from pathlib import Path
from typing import Any

from bot.formats import blocks
from bot.formats._base import TensorInfo
from bot.formats.gguf_values import BrokenError, Cursor

MAGIC = b"GGUF"
MAX_ENTRIES = 1 << 20  # keys, and tensors
MAX_DIMENSION = 1 << 62
MAX_NAME = 64  # GGML_MAX_NAME, terminating zero included


class Header(Cursor):
    """One file's header, parsed as far as it can be; `faults` lists the laws it breaks."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.metadata: dict[str, Any] = {}
        self.tensors: dict[str, TensorInfo] = {}
        self.alignment = 32
        self.data = 0
        try:
            self._parse()
        except BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, bad.offset, fatal=True)

    def _parse(self) -> None:
        if self.size < 24:
            raise BrokenError("size", "FILE-001", f"{self.size} bytes are too few for a GGUF header of 24", 0)
        magic, version, tensors, keys = struct.unpack_from("<4sIQQ", self.bytes, 0)
        self.at = 24
        if magic != MAGIC:
            raise BrokenError("magic", "FILE-002", f"starts with {magic!r}, not with {MAGIC!r}", 0)
        if version & 0xFFFF == 0 and version:
            raise BrokenError("byte-order", "FILE-005", f"version reads 0x{version:08x}: the file is big-endian", 4)
        if version not in {2, 3}:
            raise BrokenError("version", "FILE-008", f"version {version}; 2 and 3 are known", 4)
        # a key takes 13 bytes at least and a tensor 24
        for count, least, what, at in ((keys, 13, "keys", 16), (tensors, 24, "tensors", 8)):
            if count > MAX_ENTRIES:
                raise BrokenError("count", "FILE-008", f"{count} {what} claimed", at)
            if count * least > self.size:
                raise BrokenError("truncated", "FILE-001", f"{count} {what} cannot be in {self.size} bytes", at)
        for _ in range(keys):
            self._key()
        self._align()
        table = [self._tensor() for _ in range(tensors)]
        self.data = -(-self.at // self.alignment) * self.alignment
        self._place(table)

    def _key(self) -> None:
        start = self.at
        name = self.string("a key")
        (kind,) = struct.unpack_from("<I", self.bytes, self.take(4, f"the type of {name!r}"))
        value = self.value(kind, f"key {name[:80]!r}")
        if not name:
            self.fault("key-empty", "FILE-008", "a key has no name", start)
        if name in self.metadata:
            self.fault("key-twice", "FILE-008", f"key {name[:80]!r} is stated twice", start)
        else:
            self.metadata[name] = value

    def _align(self) -> None:
        stated = self.metadata.get("general.alignment", 32)
        if not isinstance(stated, int) or stated <= 0 or stated & (stated - 1) or stated > 1 << 20:
            raise BrokenError("alignment", "FILE-003", f"general.alignment is {stated!r}, not a power of two", 0)
        self.alignment = stated

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int, int]:
        start = self.at
        name = self.string("a tensor name")
        (count,) = struct.unpack_from("<I", self.bytes, self.take(4, f"the dimensions of {name[:80]!r}"))
        if count > 4:
            raise BrokenError(
                "dimensions", "FILE-008", f"tensor {name[:80]!r} has {count} dimensions; 4 is the most", start
            )
        dims = struct.unpack_from(f"<{count}Q", self.bytes, self.take(8 * count, f"the shape of {name[:80]!r}"))
        kind, offset = struct.unpack_from("<IQ", self.bytes, self.take(12, f"the entry of {name[:80]!r}"))
        return name, dims[::-1], kind, offset, start

    def _place(self, table: list[tuple[str, tuple[int, ...], int, int, int]]) -> None:
        """Check every entry against the laws of the table and keep those that can be read."""
        expected, first = 0, dict[int, TensorInfo]()
        for name, shape, kind, offset, start in table:
            info = self._entry(name, shape, kind, offset, start)
            if name in self.tensors:
                self.fault("tensor-twice", "FILE-008", f"tensor {name[:80]!r} is listed twice", start)
            elif info:
                self.tensors[name] = info
            if info is None:
                expected = -1
            elif expected >= 0 and self._shares(info, first.get(offset), start):
                continue
            elif expected >= 0:
                expected = self._after(info, offset, expected, start)
                first[offset] = info
            if info and self.data + offset + info.nbytes > self.size:
                detail = f"tensor {name[:80]!r} ends at byte {info.offset + info.nbytes}, the file at {self.size}"
                self.fault("data-truncated", "FILE-001", detail, start, fatal=True)
        if expected >= 0 and self.size > self.data + expected:
            self.fault("trailing", "FILE-008", f"{self.size - self.data - expected} bytes follow the last tensor")

    def _after(self, info: TensorInfo, offset: int, expected: int, start: int) -> int:
        """Check that a tensor begins where the one before it left off; return where the next must begin."""
        if offset != expected:
            what = "overlaps what is before it" if offset < expected else "leaves a gap before it"
            detail = f"tensor {info.name[:80]!r} lies at {offset}, not at {expected}: {what}"
            self.fault("offset", "FILE-003" if offset % self.alignment else "FILE-004", detail, start)
        return -(-(offset + info.nbytes) // self.alignment) * self.alignment

    def _shares(self, info: TensorInfo, other: TensorInfo | None, start: int) -> bool:
        """Tell whether a tensor is stored as the very bytes of another, as some writers store a tied head."""
        if other is None or not info.nbytes or (info.dtype, info.shape) != (other.dtype, other.shape):
            return False
        detail = f"tensor {info.name[:80]!r} is stored as the bytes of {other.name[:80]!r}, which ggml's loader refuses"
        tied = {info.name, other.name} == {"token_embd.weight", "output.weight"}
        self.fault("shared", "NAME-008" if tied else "FILE-004", detail, start)
        return True

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
        if max(count, offset, *shape, 0) >= MAX_DIMENSION:
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
