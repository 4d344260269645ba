"""Writes APR version 2 as aprender's in-memory writer lays it out: tensors sorted by name, both checksums."""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from bot.errors import UserError
from bot.formats._base import OutTensor
from bot.formats._write import atomic, copy_tensor, pad
from bot.formats.apr_header import ALIGNMENT, HEADER, MAGIC, ROW_MAJOR

# the newest generation's codes; 0.72.3 reads and writes these
CODES = {"F32": 0, "F16": 1, "F64": 3, "I32": 4, "I64": 5, "I8": 6, "U8": 7, "Q4_K": 12, "Q6_K": 14, "BF16": 30,
         "APR_Q4": 128, "APR_Q8": 129}  # fmt: skip


class _Checked:
    """A file that keeps the CRC-32 of what passes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.crc = file, 0

    def write(self, data: Any) -> int:
        """Write and take note."""
        self.crc = zlib.crc32(data, self.crc)
        return self.file.write(data)

    def tell(self) -> int:
        """Return the position."""
        return self.file.tell()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def _index(tensors: list[OutTensor]) -> bytes:
    parts, offset = [], 0
    for tensor in tensors:
        if tensor.dtype not in CODES:
            raise UserError(f"APR has no element type {tensor.dtype}", hint=f"known: {', '.join(CODES)}")
        name = tensor.name.encode()
        parts.append(struct.pack("<H", len(name)) + name + struct.pack("<BB", CODES[tensor.dtype], len(tensor.shape)))
        parts.append(struct.pack(f"<{len(tensor.shape)}QQQ", *tensor.shape, offset, tensor.nbytes))
        offset += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    return b"".join(parts)


def header(tensors: int, metadata: int, index: int, flags: int = ROW_MAJOR) -> bytes:
    """Return the 64 bytes of a header for that many tensors, bytes of metadata and bytes of index."""
    index_at = 64 + -(-metadata // ALIGNMENT) * ALIGNMENT
    data_at = index_at + -(-index // ALIGNMENT) * ALIGNMENT
    fields = HEADER.pack(MAGIC, 2, 0, flags, tensors, 64, metadata, index_at, data_at, 0) + bytes(20)
    return fields[:40] + struct.pack("<I", zlib.crc32(fields[:40] + fields[44:])) + fields[44:]


def write(path: Path, metadata: Mapping[str, Any], tensors: Iterable[OutTensor], *, flags: int = ROW_MAJOR) -> None:
    """Write an APR. Nothing is left under the final name when it fails."""
    listed = sorted(tensors, key=lambda tensor: tensor.name.encode())
    stated = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()
    index = _index(listed)
    with atomic(path) as file:
        checked: Any = _Checked(file)
        checked.write(header(len(listed), len(stated), len(index), flags) + _padded(stated) + _padded(index))
        for tensor in listed:
            copy_tensor(checked, tensor)
            pad(checked, ALIGNMENT)
        file.write(struct.pack("<I", checked.crc))
