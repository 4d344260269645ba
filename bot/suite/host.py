"""What this machine is, for the header of a run: found by asking, never guessed. Loads no model library."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import __version__, process
from bot.playbook.model import Playbook
from bot.suite.workspace import total_memory

PACKAGES = ("torch", "transformers", "gguf", "safetensors", "tokenizers", "numpy")
SMI = ("nvidia-smi", "--format=csv,noheader,nounits")
CARD = ("name", "driver_version", "memory.total", "memory.free")


def smi(query: str) -> list[list[str]] | str:
    """Ask nvidia-smi one query; return its rows, or why there are none."""
    if shutil.which(SMI[0]) is None:
        return "no GPU: nvidia-smi is not on this machine"
    done = process.run((*SMI, query), timeout_s=30)
    if not done.ok:
        words = (done.stderr or done.stdout).strip().splitlines()
        return f"no GPU: nvidia-smi failed: {words[-1][:200] if words else f'exit code {done.exit_code}'}"
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def cards() -> list[dict[str, Any]] | str:
    """Return the GPUs of this machine: name, driver, memory in MiB; or why there are none."""
    rows = smi(f"--query-gpu={','.join(CARD)}")
    if isinstance(rows, str):
        return rows
    found = [
        {"name": row[0], "driver": row[1], "memory_mib": _number(row[2]), "free_mib": _number(row[3])}
        for row in rows
        if len(row) == len(CARD)
    ]
    return found or "no GPU: nvidia-smi lists none"


def missing(playbook: Playbook) -> dict[str, str]:
    """Return why each backend a playbook asks for cannot be had here; empty when all can."""
    if "gpu" not in playbook.backends:
        return {}
    found = cards()
    if isinstance(found, str):
        return {"gpu": found}
    wanted, free = playbook.budgets.gpu_memory_bytes, max(card["free_mib"] or 0 for card in found) * 2**20
    if wanted and free < wanted:
        return {"gpu": f"{wanted / 2**30:.1f} GiB of GPU memory are needed, {free / 2**30:.1f} GiB are free"}
    from bot.reference.client import unavailable

    reason = unavailable("gpu")
    return {"gpu": reason} if reason else {}


def _number(text: str) -> int | None:
    with contextlib.suppress(ValueError):
        return int(float(text))
    return None


def processor() -> str:
    """Return the name of the processor as the kernel tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def packages() -> dict[str, str]:
    """Return the versions of what runs models, of those installed."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def commit(folder: Path | None = None) -> str | None:
    """Return the commit being tested: the working tree's; GITHUB_SHA may be another when a run was asked for one."""
    if shutil.which("git") is not None:
        done = process.run(("git", "rev-parse", "HEAD"), timeout_s=30, cwd=folder)
        if done.ok:
            return done.stdout.strip()
    return os.environ.get("GITHUB_SHA") or None


def environment(extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a report says of this machine."""
    found = cards()
    return {
        "requalify": __version__, "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": processor(), "cores": len(os.sched_getaffinity(0)), "memory_gib": round(total_memory() / 2**30, 1),
        "gpu": found[0]["name"] if not isinstance(found, str) else None,
        "driver": found[0]["driver"] if not isinstance(found, str) else None,
        **packages(), **(extra or {}),
    }  # fmt: skip
