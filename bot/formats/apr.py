"""APR version 2, the container of aprender, tensors lazily. Its layout and laws are those of `apr_header`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bot.errors import UserError
from bot.formats import blocks
from bot.formats._base import F32, Bytes, Fault, FormatError, Rows, drop_pages
from bot.formats.apr_header import LEGACY, MAGIC, File
from bot.formats.gguf import decoded_rows


def recognises(path: Path) -> bool:
    """Tell whether the file starts as an APR of any generation does."""
    with path.open("rb") as file:
        magic = file.read(4)
    return magic == MAGIC or magic in LEGACY


def faults(path: Path) -> list[Fault]:
    """Return every law an APR breaks, its two checksums included."""
    return File(path, checksum=True).faults


class AprCheckpoint:
    """An open APR."""

    format = "apr"

    def __init__(self, file: File) -> None:
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
        if info.flat:
            whole = blocks.decode(info.dtype, self.raw(name))[: info.count].reshape(info.shape)
            return whole if rows is None else np.ascontiguousarray(whole[rows])
        if not info.row_padding:
            return decoded_rows(info, self.raw(name), rows)
        packed = self.raw(name).reshape(info.shape[0], -1)[slice(None) if rows is None else rows]
        values = blocks.decode(info.dtype, packed).reshape(
            len(packed), *info.shape[1:-1], info.shape[-1] + info.row_padding
        )
        return np.ascontiguousarray(values[..., : info.shape[-1]])

    def forget(self) -> None:
        """Drop the file pages read so far from memory."""
        drop_pages([self._map])

    def close(self) -> None:
        """Release the file (the map goes with its last view)."""
        self._map = b""


def open_checkpoint(path: Path) -> AprCheckpoint:
    """Open an APR; FormatError with every fault when one is fatal."""
    file = File(path)
    fatal = [fault for fault in file.faults if fault.fatal]
    if fatal:
        raise FormatError([*fatal, *(fault for fault in file.faults if not fault.fatal)])
    return AprCheckpoint(file)
