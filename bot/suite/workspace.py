"""The folder a run works in: conversions by what they are made of, scratch for logits. Removed when a run is done."""

import os
import shutil
import tempfile
from pathlib import Path

from bot.errors import UserError

NAME = ".work"
MIB = 2**20


class Workspace:
    """Folders under `root`, which is ours alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.conversions, self.scratch = root / "conversions", root / "scratch"
        self._parts: list[Path] = []

    def prepare(self, *, resume: bool) -> None:
        """Make the folders; keep finished conversions of an interrupted run only when it is resumed."""
        if not resume:
            shutil.rmtree(self.root, ignore_errors=True)
        try:
            for folder in (self.conversions, self.scratch):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot be made: {error.strerror}", where=str(self.root), hint="choose --out") from None
        for part in (*self.conversions.glob("*.part"), *self.scratch.iterdir()):
            shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)

    def part(self, key: str) -> Path:
        """Return a new folder for one attempt at a conversion, so that an orphan of a killed run disturbs nobody."""
        return Path(tempfile.mkdtemp(prefix=f"{key}.", suffix=".part", dir=self.conversions))

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.root, ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """Raise UserError when `folder`, or where it will be made, lacks `needed` bytes of free space."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f"{needed / MIB:,.0f} MiB are needed for conversions, {free / MIB:,.0f} MiB are free",
            where=str(folder), hint="free some space, choose --out on another disk, or fewer --gates",
        )  # fmt: skip


def total_memory() -> int:
    """Return the bytes of memory this machine has, or its control group allows."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(machine, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return machine
