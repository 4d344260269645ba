"""Plants a cause in a conversion and returns what diagnose calls it."""

import functools
from pathlib import Path

import tiny

from bot.records import CauseKind, Finding
from bot.toolchains.conversion import convert
from bot.toolchains.plants import parse
from bot.triage.investigate import Diagnosis, diagnose

TARGETS = {"gguf": "model.gguf", "apr": "model.apr", "safetensors": "folder"}


@functools.cache
def source(root: Path, arch: str) -> Path:
    """A tiny model, written once for a folder."""
    return tiny.hf(root / arch, arch)


def planted(source: Path, folder: Path, target: str, *causes: str, dtype: str | None = None) -> Diagnosis:
    result = folder / "-".join((source.name, *causes)).replace(":", "_").replace("*", "x") / TARGETS[target]
    result.parent.mkdir()
    convert(source, result, dtype=dtype, plants=[parse(cause) for cause in causes])
    return diagnose(source, result, asked=dtype or "")


def defects(found: Diagnosis) -> list[str]:
    return [finding.id for finding in found.findings if finding.kind is not CauseKind.CLEARS]


def named(found: Diagnosis, cause: str) -> Finding:
    return next(finding for finding in found.findings if finding.id == cause)
