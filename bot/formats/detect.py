"""Finds out what a path is: by its bytes, never by its name."""

import re
import stat
from pathlib import Path

from bot.errors import UserError
from bot.formats._base import Fault
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
# where a folder keeps its model, in the order they are tried (transformers takes the single file first)
INSIDE = ("model.safetensors", INDEX, "model.gguf", "model.apr")
SHARD = re.compile(r"(?P<stem>.*)-\d{5}-of-\d{5}\.safetensors\Z")
SUFFIXES = {".gguf": "gguf", ".safetensors": "safetensors", ".apr": "apr"}


def resolve(path: Path) -> Path:
    """Return the file to open for what a user named: a file, a Hugging Face folder, an index, a split's part.

    Raises UserError when there is nothing to open, or when a folder leaves a choice.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UserError("no such file or folder", where=str(path), hint="check the path") from None
    except ValueError:
        raise UserError("is no possible path", where=repr(str(path))) from None
    except OSError as error:
        raise UserError(f"cannot be opened: {error.strerror}", where=str(path)) from None
    if stat.S_ISDIR(mode):
        return _inside(path)
    if not stat.S_ISREG(mode):
        raise UserError("is neither a file nor a folder", where=str(path))
    shard = SHARD.match(path.name)
    index = path.with_name(f"{shard['stem']}.safetensors.index.json") if shard else path
    return index if shard and index.is_file() else path


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
        raise UserError(
            "is a directory without a model file (.gguf, .safetensors, .apr) in it",
            where=str(folder),
            hint="name a file",
        )
    raise UserError(f"holds {len(found)} model files, {found[0].name} among them", where=str(folder), hint="name one")


def impostor(path: Path) -> Fault:
    """Return the fault of a file that is no model at all, naming what it is instead."""
    with path.open("rb") as file:
        head = file.read(64)
    law, what = "file.magic", f"not a GGUF, SafeTensors or APR file (it starts with {head[:8]!r})"
    if not head:
        law, what = "file.empty", "an empty file"
    elif not head.strip(b"\0"):
        law, what = "file.zeros", "full of zeros where a header should be: a download that did not finish"
    elif path.suffix == ".safetensors" and head[8:9] != b"{":
        law, what = "safetensors.header-json", f"no SafeTensors: byte 8 is {head[8:9]!r}, not the '{{' of a header"
    for start, name, hint in IMPOSTORS:
        if head.lstrip().startswith(start):
            law, what = "file.magic", f"{name}: {hint}"
    cause = "FILE-001" if law in {"file.empty", "file.zeros"} else "FILE-002"
    return Fault(law=law, cause=cause, path=str(path), detail=f"is {what}", offset=0, fatal=True)


def misnamed(path: Path, fmt: str) -> Fault | None:
    """Return the fault of a model whose suffix promises another format than its bytes are."""
    promised = SUFFIXES.get(path.suffix)
    if promised in {None, fmt}:
        return None
    detail = f"is named {path.suffix} and its bytes are {fmt.upper()}: rename it to .{fmt}"
    return Fault(law="file.name", cause="FILE-002", path=str(path), detail=detail, offset=0, fatal=True)
