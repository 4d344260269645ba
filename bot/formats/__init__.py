"""Reads and writes weight files: one way in for every format, file, folder, index or split."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bot.errors import UserError
from bot.formats import apr, gguf, safetensors
from bot.formats._base import Checkpoint, Fault, Format, FormatError
from bot.formats.detect import impostor, misnamed, resolve

__all__ = ["FORMATS", "detect", "faults", "open_checkpoint", "resolve"]

FORMATS: dict[str, Format] = {"gguf": gguf, "safetensors": safetensors, "apr": apr}


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one sentence that the system does not let us read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(error.filename or path)) from None


def detect(path: Path) -> str:
    """Return the format of a file by its bytes; FormatError naming what it is instead."""
    with _readable(path):
        for name, module in FORMATS.items():
            if module.recognises(path):
                if fault := misnamed(path, name):
                    raise FormatError([fault])
                return name
        raise FormatError([impostor(path)])


def open_checkpoint(path: Path) -> Checkpoint:
    """Open whatever a user named. Raises UserError, or FormatError listing the laws the file breaks."""
    file = resolve(path)
    with _readable(file):
        return FORMATS[detect(file)].open_checkpoint(file)


def faults(path: Path) -> list[Fault]:
    """Return every broken law of what a user named; an unreadable or missing path is a fault as well."""
    try:
        file = resolve(path)
        with _readable(file):
            return FORMATS[detect(file)].faults(file)
    except FormatError as error:
        return list(error.faults)
    except UserError as error:
        return [Fault(law="file.readable", cause="FILE-002", path=str(path), detail=error.what, fatal=True)]
