"""The nouns of a playbook once it was read: what to test, and the cells it amounts to."""

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.records import Cell


class FailurePolicy(enum.StrEnum):
    """When a run gives up."""

    COLLECT_ALL = "collect_all"
    STOP_ON_P0 = "stop_on_p0"
    STOP_ON_FIRST = "stop_on_first"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Which model, and where its files may be found."""

    name: str  # "HuggingFaceTB/SmolLM2-135M-Instruct"
    path: Path | None = None  # a file or folder; relative to the playbook
    sha256: str | None = None  # of that file, when it is one
    formats: tuple[str, ...] = ("gguf", "apr", "safetensors")
    expected: Mapping[str, int] = dataclasses.field(default_factory=dict)  # canonical configuration key -> value
    parameters: int | None = None  # how many, for estimates of cost

    def pinned(self, form: str) -> str | None:
        """Return the hash a model of this format must have: `sha256` is that of a file of the first format."""
        return self.sha256 if form == self.formats[0] else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How long and how large things may become, and how far results may stray."""

    convert_s: float = 1800.0
    model_s: float = 900.0  # one request to a running model
    memory_bytes: int | None = None  # of one child
    disk_bytes: int | None = None  # of the work folder; None: estimated
    gpu_memory_bytes: int | None = None  # needed to run the model on a GPU; None: estimated


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """What to test. `path` and `sha256` say which file said so."""

    path: Path
    sha256: str
    name: str
    version: str
    tier: str  # "quick", "mvp" or "full"
    model: ModelSpec
    description: str = ""
    toolchain: str = "reference"
    toolchain_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of the toolchain "command", say
    dtype: str | None = None  # what conversions are asked for; None: lossless
    backends: tuple[str, ...] = ("cpu", "gpu")
    modalities: tuple[str, ...] = ("run",)
    prompts: tuple[str, ...] = ()  # empty: the built-in probes
    prompt_limit: int | None = None  # at most so many of them
    seed: int = 0
    gates: tuple[str, ...] = ("*",)  # globs on gate ids and cell ids; "!GLOB" leaves out
    wanted: tuple[str, ...] = ()  # globs of gates that must not be missing from the plan
    policy: FailurePolicy = FailurePolicy.COLLECT_ALL
    budgets: Budgets = dataclasses.field(default_factory=Budgets)
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One cell of a plan; `skip` says why it will not be run."""

    cell: Cell
    skip: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every cell of a playbook on one machine, in report order."""

    playbook: Playbook
    source: str  # format of the model the run starts from
    cells: tuple[Planned, ...]
    part: tuple[int, int] | None = None  # (which, of how many) when others run the rest
    whole: tuple[Cell, ...] = ()  # then: every cell of all parts, in report order

    def as_request(self) -> dict[str, Any]:
        """Return what a journal's header has to say of a part, so that `merge` finds what is missing."""
        if self.part is None:
            return {}
        whole = [{**dataclasses.asdict(cell), "chain": list(cell.chain)} for cell in self.whole]
        return {"shard": list(self.part), "whole": whole}
