"""Finds the model: a file, a folder, a Hugging Face cache or an apr-models folder. Reads it, never writes there."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from bot import formats
from bot.errors import UserError
from bot.formats.config import read_config
from bot.playbook.model import ModelSpec

ENDINGS = {"gguf": ".gguf", "apr": ".apr", "safetensors": ".safetensors"}


def locate(spec: ModelSpec, given: Path | None = None, *, beside: Path | None = None) -> Path:
    """Return the model's path: the one given, the playbook's, or the first cache that holds it.

    A playbook's relative path counts from the playbook (`beside`). Raises UserError saying where it was sought.
    """
    if given is not None:
        return _inside(given.expanduser(), spec)
    if spec.path is not None:
        path = spec.path.expanduser()
        return _inside(path if path.is_absolute() else (beside or Path()) / path, spec)
    sought = list(caches(spec.name))
    for place in sought:
        if place.exists():
            return _inside(place, spec)
    places = ", ".join(str(place) for place in sought)
    raise UserError(f"{spec.name} was not found", where="model", hint=f"give --model PATH; sought in {places}")


def caches(name: str) -> Iterator[Path]:
    """Yield where a model of that name would lie: this machine's own store, the hub's cache, then apr-models."""
    if store := os.environ.get("REQUALIFY_MODELS"):
        yield from _spellings(Path(store), name)
    home = Path.home()
    hub = os.environ.get("HUGGINGFACE_HUB_CACHE") or os.environ.get("HF_HUB_CACHE")
    hf_home = Path(os.environ.get("HF_HOME") or home / ".cache" / "huggingface")
    yield (Path(hub) if hub else hf_home / "hub") / _hub_name(name)
    yield from list(_spellings(home / ".cache" / "apr-models", name))[1:]


def _hub_name(name: str) -> str:
    return f"models--{name.replace('/', '--')}"


def _spellings(store: Path, name: str) -> Iterator[Path]:
    """Yield a model's folders in a store: the hub's spelling, the slug of apr-models, owner and name."""
    owner, _, repository = name.rpartition("/")
    yield store / _hub_name(name)
    yield store / repository.lower().replace(".", "-")
    if owner:
        yield store / owner / repository


def _inside(path: Path, spec: ModelSpec) -> Path:
    """Step into the layouts of caches; anything else is left to the reader of formats."""
    if not path.is_dir():
        return path
    if (path / "snapshots").is_dir():
        return _snapshot(path)
    for fmt in spec.formats:
        folder = path / fmt
        if folder.is_dir():
            return folder if fmt == "safetensors" else folder / f"model{ENDINGS[fmt]}"
    return path


def _snapshot(repository: Path) -> Path:
    """Return the snapshot `refs/main` names, else the only one."""
    main = repository / "refs" / "main"
    if main.is_file():
        return repository / "snapshots" / main.read_text().strip()
    found = sorted(p for p in (repository / "snapshots").iterdir() if p.is_dir())
    if len(found) != 1:
        raise UserError(f"{len(found)} snapshots and no refs/main", where=str(repository), hint="name a snapshot")
    return found[0]


def checked(path: Path, spec: ModelSpec, fmt: str) -> Path:
    """Return the path of a model in that format when its SHA-256 is the playbook's, or when that states none."""
    wanted = spec.pinned(fmt)
    if wanted is None:
        return path
    if not path.is_file():
        raise UserError("the playbook's sha256 is that of a file; this is a folder", where=str(path))
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.lower():
        hint = f"the playbook wants {wanted}; download it again, or mend model.sha256"
        raise UserError(f"its SHA-256 is {found}", where=str(path), hint=hint)
    return path


def as_expected(path: Path, spec: ModelSpec) -> None:
    """Raise UserError when a model states other sizes than the playbook expects of it."""
    if not spec.expected:
        return
    with contextlib.closing(formats.open_checkpoint(path)) as checkpoint:
        stated = read_config(checkpoint).values
    wrong = [
        f"{key} is {stated.get(key)}, not {value}" for key, value in spec.expected.items() if stated.get(key) != value
    ]
    if wrong:
        raise UserError("; ".join(wrong), where=str(path), hint="the playbook's model.expected_* name another model")
