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
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import UserError
from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, Rows, TensorInfo
from bot.formats.gguf import decoded_rows

HEADER = struct.Struct("<4sBBHIQIQQI")
MAGIC = b"APR\0"
LEGACY = {b"APRN": "APR version 1", b"APR1": "a legacy APR", b"APR2": "a legacy APR"}
ROW_MAJOR, COLUMN_MAJOR, COMPRESSED_OR_ENCRYPTED = 0x0400, 0x0800, 0x0007
ALIGNMENT = 64
# what a code can mean, most likely first; the stated size decides
CODES: dict[int, tuple[str, ...]] = {
    0: ("F32",), 1: ("F16",), 2: ("BF16", "Q4_0"), 3: ("F64", "Q4_1"), 4: ("I32",), 5: ("I64",),
    6: ("I8", "Q5_0"),
    7: ("U8", "Q5_1"), 8: ("APR_Q4", "Q8_0", "Q4_K"),
    9: ("APR_Q8", "Q8_1", "Q6_K"), 10: ("Q2_K", "Q8_0"), 11: ("Q3_K",),
    12: ("Q4_K",), 13: ("Q5_K",), 14: ("Q6_K",), 16: ("IQ2_XXS",), 17: ("IQ2_XS",), 30: ("BF16",), 128: ("APR_Q4",),
    129: ("APR_Q8",),
}  # fmt: skip


def recognises(path: Path) -> bool:
    """Tell whether the file starts as an APR of any generation does."""
    with path.open("rb") as file:
        magic = file.read(4)
    return magic == MAGIC or magic in LEGACY


class _BrokenError(Exception):
    def __init__(self, law: str, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail = law, cause, detail


def typed(code: int, shape: tuple[int, ...], size: int) -> tuple[str, int] | None:
    """Return the element type and row padding under which a tensor of that shape takes `size` bytes."""
    for name in CODES.get(code, ()):
        block = blocks.TYPES[name].elements
        width = shape[-1] if shape else 1
        padding = -width % block if name not in {"APR_Q4", "APR_Q8"} else 0
        if size == blocks.nbytes(name, (*shape[:-1], width + padding) if shape else ()):
            return name, padding
    return None


class _File:
    """One APR's header and index, and the laws it breaks."""

    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, list[Fault]()
        self.tensors: dict[str, TensorInfo] = {}
        self.metadata: dict[str, Any] = {}
        self.flags = 0
        self.bytes: mmap.mmap | bytes = b""
        try:
            self._parse()
        except _BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, fatal=True)

    def fault(self, law: str, cause: str, detail: str, *, fatal: bool = False) -> None:
        self.faults.append(Fault(law=f"apr.{law}", cause=cause, path=str(self.path), detail=detail, fatal=fatal))

    def _parse(self) -> None:
        self.size = self.path.stat().st_size
        if self.size < 64:
            raise _BrokenError("size", "FILE-001", f"{self.size} bytes are too few for the header of 64")
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head = bytes(self.bytes[:64])
        magic, major, minor, self.flags, count, at, length, index, data, crc = HEADER.unpack_from(head)
        if magic in LEGACY:
            raise _BrokenError(
                "legacy", "ARCH-002", f"{LEGACY[magic]} (magic {magic!r}), which holds no language model"
            )
        if magic != MAGIC:
            raise _BrokenError("magic", "FILE-002", f"starts with {magic!r}, not with {MAGIC!r}")
        if crc != zlib.crc32(head[:40] + head[44:]):
            self.fault(
                "header-crc",
                "FILE-009",
                f"the header states CRC {crc:#010x}; it is {zlib.crc32(head[:40] + head[44:]):#010x}",
            )
        if major != 2:
            raise _BrokenError("version", "FILE-008", f"version {major}.{minor}; 2 is known")
        self._flags()
        if not 64 <= at <= at + length <= index <= data:
            raise _BrokenError(
                "regions", "FILE-008", f"metadata {at}+{length}, index {index}, data {data} are out of order"
            )
        if data > self.size:
            raise _BrokenError("truncated", "FILE-001", f"data begins at {data}, the file ends at {self.size}")
        self._metadata(at, length)
        self._index(count, index, data)

    def _flags(self) -> None:
        if self.flags & COMPRESSED_OR_ENCRYPTED:
            raise _BrokenError(
                "flags", "ARCH-002", f"flags {self.flags:#06x}: a compressed or encrypted payload is not read"
            )
        if self.flags & COLUMN_MAJOR:
            self.fault(
                "layout-flag", "LAYOUT-002", f"flags {self.flags:#06x} claim column-major data, which APR forbids"
            )

    def _metadata(self, at: int, length: int) -> None:
        try:
            found = json.loads(self.bytes[at : at + length])
        except (ValueError, RecursionError) as error:
            raise _BrokenError("metadata-json", "FILE-008", f"the metadata is not JSON: {str(error)[:120]}") from None
        if not isinstance(found, dict):
            raise _BrokenError("metadata-json", "FILE-008", "the metadata is not a JSON object")
        self.metadata = found

    def _index(self, count: int, at: int, data: int) -> None:
        if count * 20 > data - at:
            raise _BrokenError("count", "FILE-008", f"{count} tensors cannot be listed in {data - at} bytes")
        last, spans = b"", list[tuple[int, int, str]]()
        for _ in range(count):
            try:
                raw, code, shape, offset, size, at = self._entry(at, data)
            except struct.error:
                raise _BrokenError("index", "FILE-001", "the index ends inside an entry") from None
            if raw < last:
                self.fault("index-order", "FILE-008", f"tensor {raw[:80]!r} is listed after {last[:80]!r}")
            last = raw
            self._tensor(raw.decode("utf-8", "replace"), code, shape, offset, size, data)
            spans.append((offset, size, raw.decode("utf-8", "replace")))
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

    def _tensor(self, name: str, code: int, shape: tuple[int, ...], offset: int, size: int, data: int) -> None:
        short = repr(name[:80])
        if name in self.tensors:
            self.fault("tensor-twice", "FILE-008", f"tensor {short} is listed twice", fatal=True)
            return
        if offset % ALIGNMENT:
            self.fault("alignment", "FILE-003", f"tensor {short} lies at {offset}, not a multiple of {ALIGNMENT}")
        if data + offset + size > self.size:
            detail = f"tensor {short} ends at byte {data + offset + size}, the file at {self.size}"
            self.fault("data-truncated", "FILE-001", detail, fatal=True)
            return
        if code not in CODES:
            self.fault("dtype", "ARCH-002", f"tensor {short} has the unknown element type {code}", fatal=True)
            return
        kind = typed(code, shape, size) if math.prod(shape) < 1 << 62 else None
        if kind is None:
            self.fault("size", "FILE-004", f"tensor {short} of type {code} and shape {list(shape)} spans {size} bytes")
            kind, size = (CODES[code][0], 0), 0
        self.tensors[name] = TensorInfo(
            name=name,
            dtype=kind[0],
            shape=shape,
            path=self.path,
            offset=data + offset,
            nbytes=size,
            row_padding=kind[1],
        )

    def _spans(self, spans: list[tuple[int, int, str]], data: int) -> None:
        end = 0
        for offset, size, name in spans:
            if size and offset < end:
                self.fault("overlap", "FILE-004", f"tensor {name[:80]!r} begins at {offset}, inside the one before it")
            end = max(end, offset + size)
        end = data + -(-end // ALIGNMENT) * ALIGNMENT
        if self.size == end + 4:
            (crc,) = struct.unpack_from("<I", self.bytes, end)
            real = zlib.crc32(memoryview(self.bytes)[:end])
            if crc != real:
                self.fault("footer-crc", "FILE-009", f"the footer states CRC {crc:#010x}; it is {real:#010x}")
        elif self.size != end:
            self.fault(
                "length",
                "FILE-001" if self.size < end else "FILE-008",
                f"{self.size} bytes; {end} or {end + 4} expected",
            )


def faults(path: Path) -> list[Fault]:
    """Return every law an APR breaks, its two checksums included."""
    return _File(path).faults


class AprCheckpoint:
    """An open APR."""

    format = "apr"

    def __init__(self, file: _File) -> None:
        self.path, self.files = file.path, (file.path,)
        self.metadata: Mapping[str, Any] = file.metadata
        self.flags = file.flags
        self.tensors = file.tensors
        self._map = file.bytes

    def raw(self, name: str) -> Bytes:
        """Return the stored bytes of a tensor, a read-only view into the file."""
        info = self.tensors[name]
        return np.frombuffer(self._map, np.uint8, info.nbytes, info.offset)

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return rows of a tensor (axis 0), float32, without row padding.

        Raises UserError for a tensor whose bytes are not there.
        """
        info = self.tensors[name]
        if info.count and not info.nbytes:
            raise UserError(f"tensor {name[:80]!r} has a shape and no bytes", where=str(self.path))
        if info.dtype in {"APR_Q4", "APR_Q8"}:
            # blocks run over the flat tensor, so rows cannot be decoded apart
            whole = blocks.decode(info.dtype, self.raw(name))[: info.count].reshape(info.shape)
            return whole if rows is None else np.ascontiguousarray(whole[rows])
        if not info.row_padding:
            return decoded_rows(info, self.raw(name), rows)
        packed = self.raw(name).reshape(info.shape[0], -1)[slice(None) if rows is None else rows]
        values = blocks.decode(info.dtype, packed).reshape(
            len(packed), *info.shape[1:-1], info.shape[-1] + info.row_padding
        )
        return np.ascontiguousarray(values[..., : info.shape[-1]])

    def close(self) -> None:
        """Release the file (the map goes with its last view)."""
        self._map = b""


def open_checkpoint(path: Path) -> AprCheckpoint:
    """Open an APR; FormatError with every fault when one is fatal."""
    file = _File(path)
    fatal = [fault for fault in file.faults if fault.fatal]
    if fatal:
        raise FormatError([*fatal, *(fault for fault in file.faults if not fault.fatal)])
    return AprCheckpoint(file)
