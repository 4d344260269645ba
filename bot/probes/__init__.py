"""Measures: evidence out, no opinion. One function for each kind of evidence, listed here by kind."""

from collections.abc import Callable
from typing import Any

from bot.probes import files, metadata, models, tensors
from bot.probes._base import Context

Probe = Callable[[Context], dict[str, Any]]

PROBES: dict[str, Probe] = {
    "faults": files.faults,
    "integrity": files.integrity,
    "names": files.names,
    "dtypes": files.dtypes,
    "bytes_equal": tensors.bytes_equal,
    "tensors": tensors.tensors,
    "metadata": metadata.metadata,
    "tokenizer": metadata.tokenizer,
    "load": models.load,
    "reference": models.reference,
    "stability": models.stability,
    "logits": models.logits,
    "generation": models.generation,
    "backend_pair": models.backend_pair,
    "performance": models.performance,
}
# kinds that do not depend on the backend, so one measurement serves all
ANYWHERE = frozenset({"faults", "integrity", "names", "dtypes", "bytes_equal", "tensors", "metadata", "tokenizer"})
