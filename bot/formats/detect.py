"""Finds out what a path is: by its bytes, never by its name."""

import stat
from pathlib import Path

from bot.errors import UserError
from bot.formats._base import Fault, FormatError
from bot.formats.safetensors import INDEX

# what people have instead of a model
IMPOSTORS = (
    (b"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull` where it came from"),
    (b"<!DOCTYPE", "an HTML page", "the download went to a web page; use the file's resolve link"),
    (b"<!doctype", "an HTML page", "the download went to a web page; use the file's resolve link"),
    (b"<html", "an HTML page", "the download went to a web page; use the file's resolve link"),
    (b"PK\x03\x04", "a zip archive or a PyTorch checkpoint", "convert it to SafeTensors first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"ggjt", "a GGML file of before 2023-08", "convert it again from the original weights"),
)
# where a folder keeps its model, in the order they are tried
INSIDE = (INDEX, "model.safetensors", "model.gguf", "model.apr")


def resolve(path: Path) -> Path:
    """Return the file to open for what a user named: a file, a Hugging Face folder, an index, a split's part.

    Raises UserError when there is nothing to open, or when a folder leaves a choice.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UserError("no such file or folder", where=str(path), hint="check the path") from None
    except OSError as error:
        raise UserError(f"cannot be opened: {error.strerror}", where=str(path)) from None
    if stat.S_ISDIR(mode):
        return _inside(path)
    if not stat.S_ISREG(mode):
        raise UserError("is neither a file nor a folder", where=str(path))
    return path


def _inside(folder: Path) -> Path:
    try:
        for name in INSIDE:
            if (folder / name).is_file():
                return folder / name
        found = sorted(p for suffix in ("*.safetensors", "*.gguf", "*.apr") for p in folder.glob(suffix) if p.is_file())
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(folder)) from None
    firsts = [p for p in found if "-of-" not in p.stem or "-00001-of-" in p.stem]
    if len(firsts) == 1:
        return firsts[0]
    if not found:
        raise UserError("is a folder without a model in it", where=str(folder), hint="name the model file")
    raise UserError(f"holds {len(found)} model files, {found[0].name} among them", where=str(folder), hint="name one")


def impostor(path: Path) -> Fault | None:
    """Return the fault of a file that is no model at all, naming what it is instead; None when it may be one."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    what = "an empty file" if not head else f"not a GGUF, SafeTensors or APR file (it starts with {head[:8]!r})"
    for start, name, hint in IMPOSTORS:
        if head.lstrip().startswith(start):
            what = f"{name}: {hint}"
    return Fault(
        law="file.magic", cause="FILE-002" if head else "FILE-001", path=str(path), detail=f"is {what}", fatal=True
    )


def refuse(path: Path) -> FormatError:
    """Return the error for a file no format recognises."""
    fault = impostor(path)
    return FormatError([fault] if fault else [])
