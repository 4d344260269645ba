"""Plans of invented fleets, and journals as their shards would leave them."""
# ruff: noqa: E501 - one row, one line

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.gates import ALL
from bot.journal import Header, Writer
from bot.playbook import ModelSpec, Plan, Playbook, plan
from bot.records import Evidence


def book(name: str = "b", parameters: int = 10**9, **changes: Any) -> Playbook:
    model = ModelSpec(name=f"o/{name}", parameters=parameters)
    return Playbook(path=Path(f"{name}.playbook.yaml"), sha256="0" * 64, name=name, version="1", tier="quick", model=model, **changes)  # fmt: skip


def planned(of: Playbook, gates: Sequence[str] = ()) -> Plan:
    return plan(of, source="gguf", known=ALL.values(), backends_missing={}, gates=gates)


def fleet(count: int, cells: int, seed: int = 0) -> list[Plan]:
    """Return plans of models of 0.1B to 70B parameters, all sizes of magnitude alike."""
    size, first = (
        random.Random(seed),
        planned(book(), ["F-CONV-?-?", "F-CONV-RT-0*", "F-GOLDEN-RULE-001", "G0-FORMAT-*"]),
    )
    first = dataclasses.replace(first, cells=first.cells[:cells])
    return [
        dataclasses.replace(first, playbook=book(f"model-{n}", int(10 ** size.uniform(8, 10.85)))) for n in range(count)
    ]


def header(of: Plan, **changes: Any) -> Header:
    told: dict[str, Any] = {
        "playbook": of.playbook.name, "playbook_sha256": of.playbook.sha256, "tier": "quick", "model": of.playbook.model.name,
        "toolchain": "reference", "commit": "c0ffee", "started": "2026-01-01T00:00:00+00:00",
        "environment": {"requalify": "1", "gpu": "H100", "toolchain reference": "1"}, "cells": tuple(item.cell for item in of.cells),
        "request": {"dtype": None, **of.as_request()},
    }  # fmt: skip
    return Header(**{**told, **changes})


def journal(folder: Path, of: Plan, *, ended: bool = True, seconds: float = 1.0, **changes: Any) -> Path:
    """Write what a run of this plan leaves: each cell skipped, with its time."""
    folder.mkdir(parents=True, exist_ok=True)
    with Writer(folder / "evidence.jsonl", header(of, **changes)) as writer:
        for item in of.cells:
            data = {"reason": f"by {folder.name}"}
            writer.append(Evidence(cell=item.cell.id, kind="skip", data=data, provenance={"seconds": seconds}))
        if ended:
            writer.end()
    return folder
