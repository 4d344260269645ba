"""What a probe gets: two files, a backend, and the services of the run."""

import dataclasses
from pathlib import Path

from bot.probes.services import Services


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One cell's question. For a gate on one file, `source` is that file and so is `result`."""

    source: Path
    result: Path
    backend: str | None
    services: Services
    modality: str = "run"
