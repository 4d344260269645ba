"""What a machine needs to qualify models, checked one by one. Other programs are asked; nothing heavy is imported."""

import dataclasses
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot import process
from bot.suite import host
from bot.suite.workspace import total_memory

GIB = 2**30
LEAST_DISK, LEAST_MEMORY = 10 * GIB, 4 * GIB
LEAST_VRAM_SHARE = 0.9  # of a card that nobody else uses
ASK_TORCH = (
    "import json, torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.version.cuda, "
    "'available': torch.cuda.is_available(), 'devices': torch.cuda.device_count()}))"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: "ok", a "note" that needs nothing, or something to "mend"."""

    name: str
    state: str
    found: str
    mend: str = ""


def examine(*, runner: bool) -> list[Check]:
    """Check this machine; `runner`: it is to run models on a GPU."""
    cards = host.cards()
    torch = _torch()
    return [
        *_gpu(cards, runner), *_leftovers(cards), *_cuda(cards, torch, runner), *_packages(torch), _memory(), *_disk(),
        *_tokens(), *_tools(),
    ]  # fmt: skip


def _gpu(cards: list[dict[str, Any]] | str, runner: bool) -> Iterator[Check]:
    if isinstance(cards, str):
        mend = "install the NVIDIA driver, or take the gpu label off this runner" if runner else ""
        yield Check(name="GPU", state="mend" if runner else "note", found=cards, mend=mend)
        return
    for number, card in enumerate(cards):
        free, total = card["free_mib"] or 0, card["memory_mib"] or 0
        words = f"{card['name']}, driver {card['driver']}, {free} of {total} MiB free"
        busy = bool(total) and free < LEAST_VRAM_SHARE * total
        mend = "end what else uses the card, or wait for it" if busy else ""
        yield Check(
            name=f"GPU {number}", state="mend" if busy and runner else "note" if busy else "ok", found=words, mend=mend
        )


def _leftovers(cards: list[dict[str, Any]] | str) -> Iterator[Check]:
    """Processes that still hold memory of the card, most often of a job that was killed."""
    if isinstance(cards, str):
        return
    rows = host.smi("--query-compute-apps=pid,process_name,used_memory")
    if isinstance(rows, str):
        yield Check(name="processes on the card", state="note", found=rows)
    elif rows:
        words = "; ".join(f"{row[0]} {row[1]} {row[2]} MiB" for row in rows if len(row) == 3)
        yield Check(
            name="processes on the card",
            state="mend",
            found=words,
            mend="end them: kill " + " ".join(row[0] for row in rows),
        )
    else:
        yield Check(name="processes on the card", state="ok", found="none")


def _torch() -> dict[str, Any] | str:
    """Ask torch in a child; return what it says or why it cannot be asked."""
    done = process.run((sys.executable, "-c", ASK_TORCH), timeout_s=120)
    try:
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return "timed out" if done.timed_out else last[:200]
    return told


def _cuda(cards: list[dict[str, Any]] | str, torch: dict[str, Any] | str, runner: bool) -> Iterator[Check]:
    if isinstance(torch, str):
        return
    works = bool(torch.get("available"))
    words = f"torch {torch.get('version')} for CUDA {torch.get('cuda') or '(none)'}: {torch.get('devices')} devices"
    if works:
        yield Check(name="CUDA", state="ok", found=words)
    elif isinstance(cards, str):
        yield Check(name="CUDA", state="note", found=words)
    else:
        mend = "install a torch built for this driver's CUDA: https://pytorch.org/get-started/locally"
        yield Check(name="CUDA", state="mend" if runner else "note", found=words, mend=mend)


def _packages(torch: dict[str, Any] | str) -> Iterator[Check]:
    found = host.packages()
    missing = [name for name in host.PACKAGES if name not in found]
    words = ", ".join(f"{name} {version}" for name, version in found.items()) or "none"
    mend = f"pip install 'requalify[suite]' ({', '.join(missing)} missing)" if missing else ""
    yield Check(name="packages", state="mend" if missing else "ok", found=words, mend=mend)
    if isinstance(torch, str) and "torch" in found:
        yield Check(
            name="torch", state="mend", found=torch, mend="torch is installed and does not import: reinstall it"
        )


def _memory() -> Check:
    total = total_memory()
    small = total < LEAST_MEMORY
    mend = f"{LEAST_MEMORY / GIB:.0f} GiB are the least for a small model" if small else ""
    return Check(name="memory", state="mend" if small else "ok", found=f"{total / GIB:.1f} GiB", mend=mend)


def _disk() -> Iterator[Check]:
    places = {"work folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    for name, place in places.items():
        free = shutil.disk_usage(place).free
        small = free < LEAST_DISK
        mend = f"less than {LEAST_DISK / GIB:.0f} GiB: a run of a 0.5B model needs about as much" if small else ""
        yield Check(
            name=f"disk, {name}", state="mend" if small else "ok", found=f"{free / GIB:.1f} GiB free", mend=mend
        )


def _tokens() -> Iterator[Check]:
    """Say which tokens are there; a runner that tests other people's code should have none. Values are never shown."""
    present = [
        name for name in ("GITHUB_TOKEN", "GH_TOKEN", "HF_TOKEN", "ACTIONS_RUNTIME_TOKEN") if os.environ.get(name)
    ]
    hint = "the qualifying job needs none: only `publish` and `handle` write, on hosted runners"
    words = f"in the environment: {', '.join(present)}. {hint}" if present else "none in the environment"
    yield Check(name="tokens", state="note" if present else "ok", found=words)


def _tools() -> Iterator[Check]:
    for name, why in (
        ("git", "the commit under test is not recorded without it"),
        ("apr", "only the toolchain `apr` needs it"),
    ):
        place = shutil.which(name)
        yield Check(name=name, state="ok" if place else "note", found=place or f"not on the PATH; {why}")
