"""What every checkpoint looks like from outside, and the named ways a file can be wrong.

Shapes are in C order, outermost dimension first, whatever the file writes: a matrix is (out, in)
in all three formats, so a GGUF's dimension list is reversed on reading and its data never moves.
"""

import dataclasses
import math
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bot.errors import UserError

F32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Rows = slice | npt.NDArray[np.intp] | Sequence[int] | None  # which rows of axis 0; None is all


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One broken law of one file."""

    law: str  # "gguf.magic": format and law, stable, used in tests and reports
    cause: str  # id in the catalogue of causes: "FILE-001", ...
    path: str
    detail: str  # what was found and what the law asks for
    offset: int | None = None  # byte position in the file
    fatal: bool = False  # the rest of the file cannot be read


class FormatError(UserError):
    """A file that cannot be read as a checkpoint. `faults` says which laws it breaks (never empty)."""

    def __init__(self, faults: Sequence[Fault], hint: str = "") -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        more = f" and {len(self.faults) - 1} more faults" if len(self.faults) > 1 else ""
        super().__init__(f"{first.detail} [{first.law}]{more}", where=first.path, hint=hint)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """Where one stored tensor lies and how it is encoded."""

    name: str  # as stored
    dtype: str  # "F32" "F16" "BF16" "F64" "I8".. "Q4_K" "IQ4_NL" "F8_E4M3" ... "APR_Q4" "APR_Q8"
    shape: tuple[int, ...]  # C order, (out, in)
    path: Path
    offset: int  # absolute, in bytes
    nbytes: int
    row_padding: int = 0  # elements added to each row before it was cut into blocks (APR only)
    flat: bool = False  # blocks run across rows, so that no row can be decoded apart (APR only)

    @property
    def count(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


class Checkpoint(Protocol):
    """A readable set of tensors with its metadata: one file, a shard set or a folder."""

    @property
    def format(self) -> str:
        """The format: "gguf", "safetensors" or "apr"."""

    @property
    def path(self) -> Path:
        """What the user named, after resolving folders to a file."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read, shards and companions (config.json, tokenizer.json) included."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own metadata, untranslated.

        GGUF keys, the APR JSON, or {"__metadata__": ..., "config": ...} of a folder.
        """

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """What is stored, in file order."""

    def raw(self, name: str) -> Bytes:
        """Return the stored bytes, a read-only view into the mapped file."""

    def values(self, name: str, rows: Rows = None) -> F32:
        """Return the asked rows (axis 0), decoded to float32, C-contiguous, in the shape the file states."""

    def forget(self) -> None:
        """Drop the file pages read so far from this process's memory; they can be read again."""

    def close(self) -> None:
        """Release the files."""


class Format(Protocol):
    """What a module of this package offers."""

    # whether this file claims to be of this format? looks at the bytes, never at the name
    def recognises(self, path: Path) -> bool: ...

    # raises FormatError for the first fatal fault; tolerates what `faults` merely reports
    def open_checkpoint(self, path: Path) -> Checkpoint: ...

    # every broken law, in file order; empty for a sound file; never raises for bad content
    def faults(self, path: Path) -> list[Fault]: ...


def drop_pages(mapped: Iterable[mmap.mmap | bytes]) -> None:
    """Tell the system that what was read of mapped files need not stay in memory."""
    for one in mapped:
        if isinstance(one, mmap.mmap) and hasattr(one, "madvise"):
            one.madvise(mmap.MADV_DONTNEED)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutTensor:
    """One tensor for a writer: encoded bytes, produced when the writer is ready for them."""

    name: str
    dtype: str
    shape: tuple[int, ...]  # C order
    nbytes: int
    chunks: Iterator[Bytes]  # C-contiguous pieces that add up to nbytes
