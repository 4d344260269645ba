# ruff: noqa: E501
"""Small journals as a run would write them: one that holds, one with transposed matrices, one whose disk was full."""

from pathlib import Path
from typing import Any

from bot.journal import Header, Writer
from bot.records import Cell, Evidence, Experiment

CELLS = tuple(
    Cell(gate=f"F-CONV-{gate}", chain=chain, backend="cpu")
    for gate, chain in (
        ("G-A", ("gguf", "apr")), ("A-G", ("apr", "gguf")), ("G-S", ("gguf", "safetensors")), ("S-G", ("safetensors", "gguf")),
    )
)  # fmt: skip
BROKEN = CELLS[:2]  # by the transposed matrices: what reads or writes APR
MODEL = "org/demo-0.5b"


def write(
    folder: Path, what: str, commit: str | None, tool: str = "apr 0.2.12", cells: tuple[Cell, ...] = CELLS
) -> Path:
    """Write the journal of a run: `what` is "good", "planted" or "infra"."""
    folder.mkdir(parents=True, exist_ok=True)
    header = Header(
        playbook="demo-quick", playbook_sha256="0" * 64, tier="quick", model=MODEL, toolchain="apr", commit=commit,
        started="2026-03-01T12:00:00+00:00", environment={"requalify": "0.1.0", "toolchain apr": tool, "driver": "570.207"},
        cells=cells, request={"dtype": None},
    )  # fmt: skip
    with Writer(folder / "evidence.jsonl", header) as out:
        for cell in cells:
            for kind, data in _evidence(cell, what).items():
                out.append(Evidence(cell=cell.id, kind=kind, data=data))
        if what == "planted":
            for experiment in _experiments(tuple(cell.id for cell in cells if cell in BROKEN)):
                out.append(experiment)
        if what != "infra":
            out.end()
    return folder


def _evidence(cell: Cell, what: str) -> dict[str, dict[str, Any]]:
    if what == "infra":
        tail = "OSError: [Errno 28] No space left on device\n"
        return {"failure": {"outcome": "error", "reason": "the disk is full", "stderr_tail": tail}}
    bad = what == "planted" and cell in BROKEN
    tensors = {
        "compared": 290, "differ": 168 if bad else 0, "missing": [], "unexpected": [], "worst_rel_rmse": 1.414 if bad else 0.0,
        "map": [["self_attn.q_proj", layer, 6.1 if bad else "-inf"] for layer in range(12)],
    }  # fmt: skip
    logits = {"positions": 24, "rel_l2": 0.761 if bad else 0.0, "bound": 1e-6, "expected": "< 1e-6 (same arithmetic)"}
    return {"tensors": tensors, "reference": {"sane": True}, "logits": logits}


def _experiments(cells: tuple[str, ...]) -> list[Experiment]:
    stands = {
        "stands": True, "plane": "T", "side": "B", "confirmed": True, "explained": 168, "suspect": 168, "before": 1.414, "after": 0.0,
        "floor": 0.0, "tensors": ["model.layers.0.self_attn.q_proj.weight"], "refuted": ["LAYOUT-001", "ROPE-001"], "unrefuted": [],
        "pattern": "self_attn.q_proj.weight in layers 0-11, 12 of 12", "for": ["transposing: 168 tensors restored"], "against": [],
        "a": "/models/demo.gguf", "b": "/tmp/demo.apr",
    }  # fmt: skip
    fallen = {"stands": False, "before": 1.414, "after": 1.39, "suspect": 168}
    pairs = dict(zip(("gguf-apr", "apr-gguf"), cells, strict=False))
    made = [Experiment(pair=pair, cause="LAYOUT-002", data=stands, cells=(cell,)) for pair, cell in pairs.items()]
    rivals = ("LAYOUT-001", "ROPE-001")
    return made + [
        Experiment(pair=pair, cause=cause, data=fallen, cells=(cell,))
        for pair, cell in pairs.items()
        for cause in rivals
    ]
