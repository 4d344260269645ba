"""The embedded converter as a toolchain: run as a process like any other, so that it can crash like any other."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "reference"
FORMATS = ("gguf", "safetensors", "apr")
USAGE: frozenset[int] = frozenset()  # it exits 2 for what it refuses to convert as well
_PACKAGE = Path(__file__).parents[2]


def unavailable() -> str | None:
    """It is part of this program."""
    return None


def unsupported(source: str, target: str, dtype: str | None) -> str | None:
    """Return why a pair cannot be converted, None when it can."""
    if source not in FORMATS or target not in FORMATS:
        return f"no conversion from {source} to {target}"
    if dtype and dtype.upper() not in {"F32", "F16", "BF16"} and target == "safetensors":
        return f"SafeTensors cannot hold {dtype}"
    return None


def convert_argv(source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command that converts `source` into `target`."""
    asked = ("--dtype", dtype) if dtype else ()
    planted = tuple(word for plant in plants for word in ("--plant", plant))
    lenient = ("--plant-where-possible",) if plants else ()
    return (sys.executable, "-m", "bot", "convert", str(source), str(target), *asked, *planted, *lenient)


def version_argv() -> tuple[str, ...]:
    """Return the command that prints its version."""
    return (sys.executable, "-m", "bot", "--version")


def target_name(fmt: str) -> str:
    """Return the file or folder name a result of that format gets."""
    return {"gguf": "model.gguf", "apr": "model.apr", "safetensors": "safetensors"}[fmt]


def environment() -> Mapping[str, str]:
    """Return what makes this very package importable, wherever the run was started."""
    paths = [str(_PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}
