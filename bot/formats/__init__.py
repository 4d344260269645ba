"""Reads and writes weight files: one way in for every format, file, folder, index or split."""

from pathlib import Path

from bot.errors import UserError
from bot.formats import apr, gguf, safetensors
from bot.formats._base import Checkpoint, Fault, Format
from bot.formats.detect import refuse, resolve

__all__ = ["FORMATS", "detect", "faults", "open_checkpoint", "resolve"]

FORMATS: dict[str, Format] = {"gguf": gguf, "safetensors": safetensors, "apr": apr}


def detect(path: Path) -> str:
    """Return the format of a file by its bytes; FormatError naming what it is instead."""
    try:
        for name, module in FORMATS.items():
            if module.recognises(path):
                return name
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    raise refuse(path)


def open_checkpoint(path: Path) -> Checkpoint:
    """Open whatever a user named. Raises UserError, or FormatError listing the laws the file breaks."""
    file = resolve(path)
    return FORMATS[detect(file)].open_checkpoint(file)


def faults(path: Path) -> list[Fault]:
    """Return every broken law of what a user named; an unreadable or missing path is a fault as well."""
    try:
        file = resolve(path)
        return FORMATS[detect(file)].faults(file)
    except UserError as error:
        known = getattr(error, "faults", None)
        return list(known) if known else [
            Fault(law="file.readable", cause="FILE-002", path=str(path), detail=error.what, fatal=True)
        ]  # fmt: skip
