"""APR version 2, the container of aprender: read with every law checked, tensors lazily.

    0   header 64 B: magic 'APR\\0' | u8 major, minor | u16 flags | u32 tensors | u64 metadata at | u32 metadata size
                     | u64 index at | u64 data at | u32 CRC of the other 60 bytes | 20 reserved
    64  metadata JSON, zeros to 64
    T   index entries { u16 name length, name, u8 dtype, u8 dims, u64 x dims, u64 offset, u64 size }, zeros to 64
    D   tensors, each padded to 64
    end CRC-32 of all before it (absent in files of some writers)

Source: paiml/aprender, src/format/v2. Element type codes changed meaning over its history, so what a
code means is decided by the size the tensor states.
"""

import json
import math
import mmap
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from bot.formats import blocks
from bot.formats._base import Fault, TensorInfo

HEADER = struct.Struct("<4sBBHIQIQQI")
MAGIC = b"APR\0"
LEGACY = {b"APRN": "APR version 1", b"APR1": "a legacy APR", b"APR2": "a legacy APR"}
ROW_MAJOR, COLUMN_MAJOR, COMPRESSED, ENCRYPTED = 0x0400, 0x0800, 0x0003, 0x0004
ALIGNMENT = 64
# far above any real file
MAX_METADATA = 1 << 28
MAX_ENTRIES = 1 << 20
MAX_DIMENSION = 1 << 62
MAX_FAULTS = 200  # kept of one file
ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# what a code can mean, most likely first; the stated size decides
CODES: dict[int, tuple[str, ...]] = {
    0: ("F32",), 1: ("F16",), 2: ("BF16", "Q4_0"), 3: ("F64", "Q4_1"), 4: ("I32",), 5: ("I64",),
    6: ("I8", "Q5_0"),
    7: ("U8", "Q5_1"), 8: ("APR_Q4", "Q8_0", "Q4_K"),
    9: ("APR_Q8", "Q8_1", "Q6_K"), 10: ("Q2_K", "Q8_0"), 11: ("Q3_K",),
    12: ("Q4_K",), 13: ("Q5_K",), 14: ("Q6_K",), 16: ("IQ2_XXS",), 17: ("IQ2_XS",), 30: ("BF16",), 128: ("APR_Q4",),
    129: ("APR_Q8",),
}  # fmt: skip


class BrokenError(Exception):
    """A law broken so that nothing after it can be read."""

    def __init__(self, law: str, cause: str, detail: str, offset: int) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail, self.offset = law, cause, detail, offset


def _stored(name: str, shape: tuple[int, ...], size: int) -> tuple[str, int, bool] | None:
    """Return type, row padding and flatness if a tensor of that type and shape can take `size` bytes."""
    block, width = blocks.TYPES[name].elements, shape[-1] if shape else 1
    flat = name in {"APR_Q4", "APR_Q8"}
    padding = 0 if flat else -width % block
    if size == blocks.nbytes(name, (*shape[:-1], width + padding)):
        return name, padding, flat
    # before rows were padded, the whole tensor was cut into blocks (aprender's GH-370)
    if padding and size == -(-math.prod(shape) // block) * blocks.TYPES[name].nbytes:
        return name, 0, True
    return None


def typed(code: int, shape: tuple[int, ...], size: int) -> tuple[str, int, bool] | None:
    """Return the first type of a code under which a tensor of that shape takes `size` bytes, with its layout."""
    return next((found for name in CODES.get(code, ()) if (found := _stored(name, shape, size))), None)


class File:
    """One APR's header and index, and the laws it breaks; its checksum over everything only when asked for."""

    def __init__(self, path: Path, *, checksum: bool = False) -> None:
        self.path, self.faults, self.checksum = path, list[Fault](), checksum
        self.tensors: dict[str, TensorInfo] = {}
        self.metadata: dict[str, Any] = {}
        self.flags = 0
        self.bytes: mmap.mmap | bytes = b""
        try:
            self._parse()
        except BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, bad.offset, fatal=True)

    def fault(self, law: str, cause: str, detail: str, offset: int, *, fatal: bool = False) -> None:
        """Note a broken law."""
        if len(self.faults) >= MAX_FAULTS and (not fatal or any(fault.fatal for fault in self.faults)):
            return
        self.faults.append(
            Fault(law=f"apr.{law}", cause=cause, path=str(self.path), detail=detail, offset=offset, fatal=fatal)
        )

    def _parse(self) -> None:
        self.size = self.path.stat().st_size
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic = bytes(self.bytes[:4])
        if magic in LEGACY:
            detail = f"{LEGACY[magic]} (magic {magic!r}), which holds no language model"
            raise BrokenError("legacy", "ARCH-002", detail, 0)
        if self.size < 64:
            raise BrokenError("size", "FILE-001", f"{self.size} bytes are too few for the header of 64", 0)
        head = bytes(self.bytes[:64])
        _, major, minor, self.flags, count, at, length, index, data, crc = HEADER.unpack_from(head)
        real = zlib.crc32(head[:40] + head[44:])
        if crc != real:
            self.fault("header-crc", "FILE-009", f"the header states CRC {crc:#010x}; it is {real:#010x}", 40)
        if major != 2:
            raise BrokenError("version", "FILE-008", f"version {major}.{minor}; 2 is known", 4)
        self._flags(at)
        if not 64 <= at <= at + length <= index <= data:
            detail = f"metadata {at}+{length}, index {index}, data {data} are out of order"
            raise BrokenError("regions", "FILE-008", detail, 12)
        if data > self.size:
            raise BrokenError("truncated", "FILE-001", f"data begins at {data}, the file ends at {self.size}", 32)
        self._metadata(at, length)
        self._index(count, index, data)

    def _flags(self, metadata: int) -> None:
        if self.flags & ENCRYPTED:
            raise BrokenError("flags", "ARCH-002", f"flags {self.flags:#06x}: an encrypted payload is not read", 6)
        if self.flags & COMPRESSED:
            detail = f"flags {self.flags:#06x} claim a compressed payload"
            # a writer of aprender sets the bit and compresses nothing
            plain = self.bytes[metadata : metadata + 1] == b"{"
            self.fault("flags", "ARCH-002", detail + (" and it is plain" if plain else ""), 6, fatal=not plain)
        if self.flags & COLUMN_MAJOR:
            detail = f"flags {self.flags:#06x} claim column-major data, which APR forbids"
            self.fault("layout-flag", "LAYOUT-002", detail, 6)

    def _metadata(self, at: int, length: int) -> None:
        if length > MAX_METADATA:
            raise BrokenError("metadata-size", "FILE-008", f"{length} bytes of metadata", 20)
        raw = bytes(self.bytes[at : at + length])
        try:
            found = json.loads(raw.decode())
            if ESCAPED_SURROGATE.search(raw):
                json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            detail = f"the metadata is not JSON: {str(error)[:120]}"
            raise BrokenError("metadata-json", "FILE-008", detail, at) from None
        if not isinstance(found, dict):
            raise BrokenError("metadata-json", "FILE-008", "the metadata is not a JSON object", at)
        self.metadata = found

    def _index(self, count: int, at: int, data: int) -> None:
        if count * 20 > data - at or count > MAX_ENTRIES:
            raise BrokenError("count", "FILE-008", f"{count} tensors cannot be listed in {data - at} bytes", 8)
        last, spans = b"", list[tuple[int, int, str, int]]()
        for _ in range(count):
            start = at
            try:
                raw, code, shape, offset, size, at = self._entry(at, data)
            except struct.error:
                raise BrokenError("index", "FILE-001", "the index ends inside an entry", start) from None
            if raw < last:
                self.fault("index-order", "FILE-008", f"tensor {raw[:80]!r} is listed after {last[:80]!r}", start)
            last = raw
            try:
                name = raw.decode()
            except UnicodeDecodeError:
                self.fault("utf-8", "FILE-008", f"tensor name {raw[:80]!r} is not UTF-8", start)
                name = raw.decode("utf-8", "replace")
            self._tensor(name, code, shape, offset, size, data, start)
            spans.append((offset, size, name, start))
        self._spans(sorted(spans), data)

    def _entry(self, at: int, data: int) -> tuple[bytes, int, tuple[int, ...], int, int, int]:
        (length,) = struct.unpack_from("<H", self.bytes, at)
        at += 2
        raw = bytes(self.bytes[at : at + length])
        code, dims = struct.unpack_from("<BB", self.bytes, at + length)
        at += length + 2
        if dims > 8 or at + 8 * dims + 16 > data:
            raise struct.error
        shape = struct.unpack_from(f"<{dims}Q", self.bytes, at)
        offset, size = struct.unpack_from("<QQ", self.bytes, at + 8 * dims)
        return raw, code, shape, offset, size, at + 8 * dims + 16

    def _tensor(
        self, name: str, code: int, shape: tuple[int, ...], offset: int, size: int, data: int, start: int
    ) -> None:
        short = repr(name[:80])
        if name in self.tensors:
            self.fault("tensor-twice", "FILE-008", f"tensor {short} is listed twice", start)
            return
        if offset % ALIGNMENT:
            detail = f"tensor {short} lies at {offset}, not a multiple of {ALIGNMENT}"
            self.fault("alignment", "FILE-003", detail, start)
        if data + offset + size > self.size:
            detail = f"tensor {short} ends at byte {data + offset + size}, the file at {self.size}"
            self.fault("data-truncated", "FILE-001", detail, start, fatal=True)
            return
        if code not in CODES:
            self.fault("dtype", "ARCH-002", f"tensor {short} has the unknown element type {code}", start, fatal=True)
            return
        sane = max((*shape, math.prod(shape))) < MAX_DIMENSION
        kind = typed(code, shape, size) if sane else None
        if kind is None:
            detail = f"tensor {short} of type {code} and shape {list(shape)} spans {size} bytes"
            self.fault("size", "FILE-004", detail, start, fatal=not sane)
            # listed without bytes, so that whoever wants its values is told
            kind, size = (CODES[code][0], 0, False), 0
        self.tensors[name] = TensorInfo(
            name=name, dtype=kind[0], shape=shape, path=self.path, offset=data + offset, nbytes=size,
            row_padding=kind[1], flat=kind[2],
        )  # fmt: skip

    def _spans(self, spans: list[tuple[int, int, str, int]], data: int) -> None:
        end = 0
        for offset, size, name, start in spans:
            if size and offset < end:
                detail = f"tensor {name[:80]!r} begins at {offset}, inside the one before it"
                self.fault("overlap", "FILE-004", detail, start)
            end = max(end, offset + size)
        self._end(data + -(-end // ALIGNMENT) * ALIGNMENT)

    def _end(self, end: int) -> None:
        """Check what follows the last tensor: nothing, or the checksum of all before it."""
        if self.size not in {end, end + 4}:
            cause = "FILE-001" if self.size < end + 4 else "FILE-008"
            detail = f"{self.size} bytes; {end} or, with a checksum, {end + 4} expected"
            self.fault("length", cause, detail, min(end, self.size))
        elif self.size == end + 4 and self.checksum:
            (crc,) = struct.unpack_from("<I", self.bytes, end)
            with memoryview(self.bytes) as whole:
                real = zlib.crc32(whole[:end])
            if crc != real:
                self.fault("footer-crc", "FILE-009", f"the footer states CRC {crc:#010x}; it is {real:#010x}", end)
