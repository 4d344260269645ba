"""What --fail-fast leaves: the cell that failed, its files, the machine, and how to repeat it."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import UserError
from bot.journal import encode
from bot.records import Verdict
from bot.suite.conversions import Station
from bot.suite.failures import Unmade

if TYPE_CHECKING:
    from bot.suite.runner import Run

NAME = "diagnostics"


def write(run: "Run", verdict: Verdict) -> Path:
    """Write the folder of one verdict; return it."""
    folder = run.out / NAME / verdict.cell.id.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    evidence = run.done[verdict.cell.id]
    files = {
        "verdict.json": encode("verdict", verdict),
        "evidence.jsonl": "".join(encode("evidence", item) for item in evidence.values()),
        "environment.json": json.dumps(dict(run.header.environment), indent=2, default=str) + "\n",
        "files.json": json.dumps(_stations(run, verdict), indent=2, default=str) + "\n",
        "repeat.sh": _script(run, verdict),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _stations(run: "Run", verdict: Verdict) -> list[dict[str, Any]]:
    try:
        route = run.routes.of(verdict.cell)
    except Unmade as problem:
        return [{"made": False, **problem.data}]
    return [
        _facts(station) for station in {station.path: station for station in (route.source, *route.stations)}.values()
    ]


def _facts(station: Station) -> dict[str, Any]:
    from bot import formats

    facts: dict[str, Any] = {
        "path": str(station.path), "format": station.format, "sha256": station.digest, "broken": station.broken,
        "faults": list(station.faults), "made_by": list(station.hops),
    }  # fmt: skip
    try:
        checkpoint = formats.open_checkpoint(station.path)
    except UserError:
        return facts
    shown = {key: str(value)[:200] for key, value in checkpoint.metadata.items()}
    facts |= {
        "tensors": len(checkpoint.tensors),
        "bytes": [file.stat().st_size for file in checkpoint.files],
        "metadata": shown,
    }
    checkpoint.close()
    return facts


def _script(run: "Run", verdict: Verdict) -> str:
    """Return the commands that repeat what was done: this one cell, and each conversion by itself."""
    again = [
        "requalify",
        "run",
        str(run.plan.playbook.path),
        "--model",
        str(run.options.model),
        "--gates",
        verdict.cell.id,
    ]
    again += [word for plant in run.options.plants for word in ("--plant", plant)]
    lines = ["#!/bin/sh", "# the cell again, alone", shlex.join(again)]
    hops = next(iter(run.done[verdict.cell.id].values())).provenance.get("conversions") or []
    commands = [hop["argv"] for hop in hops] or [_failed(run, verdict)]
    lines += ["# its conversions, by themselves", *(shlex.join(argv) for argv in commands if argv)]
    return "\n".join(lines) + "\n"


def _failed(run: "Run", verdict: Verdict) -> list[str]:
    found = run.done[verdict.cell.id].get("failure")
    return list(found.data.get("argv") or []) if found else []
