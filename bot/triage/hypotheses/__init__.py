"""The catalogue of causes, one module each: what is claimed, what it predicts, what refutes it. Imports no numpy.

A module whose name has no leading underscore is a cause; it is found here by being in the folder.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import cast

from bot.triage.hypotheses._base import Hypothesis

__all__ = ["ALL", "FAMILIES"]

# in report order: what the bytes are, which tensors, in which order, with which values; then what the files say
FAMILIES = (
    "FILE", "NAME", "LAYOUT", "ROPE", "VALUE", "DTYPE", "QUANT", "META", "TOK", "ARCH", "ENGINE", "PATH", "HARNESS",
    "INFRA", "UNKNOWN",
)  # fmt: skip


def order(cause: str) -> tuple[int, str]:
    """Return the sort key of a cause's id: its family's place, then its number."""
    family = cause.partition("-")[0]
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), cause)


def _modules() -> Iterator[Hypothesis]:
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            yield cast(Hypothesis, importlib.import_module(f"{__name__}.{found.name}"))


ALL: dict[str, Hypothesis] = {module.ID: module for module in sorted(_modules(), key=lambda module: order(module.ID))}
