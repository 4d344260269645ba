"""Writes a draft under its target's name: whole, with its companion files, or not at all."""

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.errors import UserError
from bot.formats import apr_write, gguf_write, safetensors
from bot.formats._write import atomic
from bot.toolchains.draft import Draft, DraftTensor


def write(draft: Draft, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write a draft under its target path; nothing is left there when it fails."""
    if not target.parent.is_dir():
        raise UserError("no such folder", where=str(target.parent), hint="create it first")
    tensors = [_counted(tensor, i, len(draft.tensors), progress) for i, tensor in enumerate(draft.tensors, 1)]
    if draft.format == "gguf":
        gguf_write.write(target, draft.metadata, tensors)
    elif draft.format == "apr":
        apr_write.write(target, draft.metadata, tensors)
    elif target.suffix == ".safetensors":
        _write_beside(draft, target, tensors)
    else:
        _write_folder(draft, target, tensors)


def _write_beside(draft: Draft, target: Path, tensors: Sequence[Any]) -> None:
    """Write a SafeTensors and its companions into a folder that has none yet, the weights last."""
    companions = {target.parent / name: text for name, text in draft.folder.items()}
    if there := [file.name for file in companions if file.exists()]:
        hint = "name a folder of its own, or a target elsewhere"
        raise UserError(
            f"{', '.join(there)} of another model would be overwritten", where=str(target.parent), hint=hint
        )
    try:
        for file, text in companions.items():
            with atomic(file) as out:
                out.write(text.encode())
        safetensors.write(target, _strings(draft.metadata), tensors)
    except BaseException:
        for file in companions:
            file.unlink(missing_ok=True)
        raise


def _strings(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in metadata.items()}


def _counted(tensor: DraftTensor, number: int, total: int, progress: Callable[[int, int], None] | None) -> Any:
    out = tensor.out()
    if progress is None:
        return out

    def chunks() -> Any:
        progress(number, total)
        yield from out.chunks

    return dataclasses.replace(out, chunks=chunks())


def _write_folder(draft: Draft, target: Path, tensors: Sequence[Any]) -> None:
    """Build the folder under a temporary name beside the target, then move it there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("already exists and is not empty", where=str(target), hint="name another target")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise UserError(f"cannot write here: {error.strerror}", where=str(target)) from None
    try:
        temporary.chmod(0o755)
        safetensors.write(temporary / "model.safetensors", _strings(draft.metadata), tensors)
        for name, text in draft.folder.items():
            (temporary / name).write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"cannot write: {error.strerror}", where=str(target)) from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
