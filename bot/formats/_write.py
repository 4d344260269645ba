"""Writes files that either exist whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bot.errors import UserError
from bot.formats._base import OutTensor


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path` for writing and give it the final name when all went well."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise UserError(f"cannot write here: {error.strerror}", where=str(path)) from None
    except ValueError:
        raise UserError("is no possible path", where=repr(str(path))) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write: {error.strerror}", where=str(path)) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def copy_tensor(file: BinaryIO, tensor: OutTensor) -> None:
    """Write a tensor's chunks; what they add up to must be what was announced."""
    written = 0
    for chunk in tensor.chunks:
        # safetensors 0.8.0 writes such arrays in memory order; a plain write would do the same
        written += file.write(np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data)
    if written != tensor.nbytes:
        raise ValueError(f"tensor {tensor.name!r} gave {written} bytes of {tensor.nbytes}")


def pad(file: BinaryIO, alignment: int) -> None:
    """Write zeros up to the next multiple of `alignment`."""
    file.write(bytes(-file.tell() % alignment))
