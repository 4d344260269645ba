"""What a run leaves for triage: pairs of checkpoints that were compared, with every file between them."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TestedPair:
    """Two ends of one conversion or chain, kept on disk until triage is done with them."""

    name: str  # the formats of every hop: "gguf-apr", "gguf-apr-safetensors-gguf"
    source: Path  # trusted
    result: Path
    stations: tuple[Path, ...]  # every checkpoint on the way, both ends included
    cells: tuple[str, ...]  # ids of the cells that judge this pair
    asked: str = ""  # the dtype conversions were asked for; "" is lossless
