"""Plans built by hand, so that the runner is tested without the planner."""

from pathlib import Path
from typing import Any

from bot.gates import ALL
from bot.playbook.model import ModelSpec, Plan, Planned, Playbook
from bot.records import Cell


def playbook(**changes: Any) -> Playbook:
    values: dict[str, Any] = {
        "path": Path("tiny.playbook.yaml"), "sha256": "0" * 64, "name": "tiny-quick", "version": "1.0.0",
        "tier": "quick", "model": ModelSpec(name="tiny/llama"), "backends": ("cpu",),
    }  # fmt: skip
    return Playbook(**(values | changes))


def cells(gate: str, source: str = "gguf", backend: str = "cpu") -> list[Cell]:
    """Every cell of a gate on one backend, all formats in play."""
    found, formats = ALL[gate], ("gguf", "apr", "safetensors")
    at = backend if found.backends else None
    chains: list[tuple[str, ...]] = []
    for chain in found.chains:
        if chain == ("*",):
            chains += [(fmt,) for fmt in formats]
        elif chain == ("source",):
            chains.append((source,))
        elif chain == ("*result",):
            chains += [(source, fmt) for fmt in formats if fmt != source]
        else:
            chains.append(chain)
    return [Cell(gate=gate, chain=chain, backend=at) for chain in chains]


def plan(*gates: str, source: str = "gguf", skip: str | None = None, **changes: Any) -> Plan:
    wanted = [cell for gate in gates for cell in cells(gate, source)]
    return Plan(
        playbook=playbook(**changes), source=source, cells=tuple(Planned(cell=cell, skip=skip) for cell in wanted)
    )


EVERY = tuple(name for name, gate in ALL.items() if gate.only != "gpu" and name not in {"F-BACKEND-001", "F-PERF-001"})
