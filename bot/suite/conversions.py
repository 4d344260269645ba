"""Makes the files a plan needs: each hop a process of the toolchain, made once for what goes in and what is asked.

Hops of a chain and gates that need the same file share it. What is kept on disk says what it is made of and its
digest, so an interrupted run finds it again and believes it only after reading it.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from bot import formats, process
from bot.errors import UserError
from bot.probes.once import Once
from bot.probes.services import content_digest
from bot.process import Completed
from bot.suite.failures import Unmade, ended, failure, skip
from bot.suite.workspace import Workspace
from bot.toolchains import Toolchain

RECORD = "made.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One checkpoint on a way: where it lies, and the hops that made it."""

    path: Path
    format: str
    digest: str
    hops: tuple[Mapping[str, Any], ...] = ()
    broken: str | None = None  # why it cannot be read
    faults: tuple[Mapping[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A toolchain as one run uses it."""

    toolchain: Toolchain
    version: str
    dtype: str | None = None
    plants: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How long and how large one conversion may become."""

    timeout_s: float
    memory_bytes: int | None


def version_of(toolchain: Toolchain, *, timeout_s: float = 60.0) -> str:
    """Return the first line a toolchain says of its version, or that it says none."""
    done = process.run(toolchain.version_argv(), timeout_s=timeout_s, env={**toolchain.environment(), "NO_COLOR": "1"})
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0][:120] if done.ok and lines else "unknown"


class Conversions:
    """Everything a run converts. Thread-safe; what cannot be made raises Unmade, every time the same."""

    def __init__(
        self, workspace: Workspace, caps: Caps,
        admit: Callable[[Path], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:  # fmt: skip
        self.workspace, self.caps, self.admit = workspace, caps, admit
        self._made: Once[Station] = Once()

    def given(self, path: Path) -> Station:
        """Return the station of a checkpoint that is there already. Raises UserError when it cannot be read."""
        checkpoint = formats.open_checkpoint(path)
        return Station(path=path, format=checkpoint.format, digest=content_digest(checkpoint))

    def hop(self, tool: Tool, source: Station, fmt: str, *, copy: int = 0, astray: bool = False) -> Station:
        """Convert a station. `copy` tells apart conversions that must not be shared; `astray` hands over no model."""
        name = f"{source.format}-{fmt}"
        if source.broken:
            reason = f"the result of {source.hops[-1]['hop']} cannot be read: {source.broken}"
            raise failure("falsified", reason, f"read {source.format}", faults=list(source.faults))
        if cannot := tool.toolchain.unsupported(source.format, fmt, tool.dtype):
            raise skip(f"{tool.toolchain.NAME}: {cannot}")
        made_of = [tool.toolchain.NAME, tool.version, tool.dtype, tool.plants, source.digest, fmt, copy, astray]
        key = f"{name}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]}"
        made = self._made.get(key, lambda: self._found(key) or self._convert(tool, source, fmt, key, astray))
        return dataclasses.replace(made, hops=(*source.hops, *made.hops))

    def _found(self, key: str) -> Station | None:
        """Return what an interrupted run left, when it still is what it was."""
        folder = self.workspace.conversions / key
        try:
            told = json.loads((folder / RECORD).read_text())
            station = _read(folder / told["target"], told["format"], (told["hop"],))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if station.digest == told["digest"]:
            return station
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _convert(self, tool: Tool, source: Station, fmt: str, key: str, astray: bool) -> Station:
        stage, part = f"convert {source.format}-{fmt}", self.workspace.part(key)
        target = part / tool.toolchain.target_name(fmt)
        handed = part / "empty" if astray else source.path
        for folder in (part / "tmp", *([handed] if astray else []), target.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self.admit(source.path):
            done = self._process(tool, handed, target, part / "tmp")
        done = _told(done, part, self.workspace.conversions / key)
        if problem := ended(done, usage=tool.toolchain.USAGE, fair=not astray):
            shutil.rmtree(part, ignore_errors=True)
            reason = f"{tool.toolchain.NAME} {source.format} to {fmt}: {problem[1]}"
            raise failure(
                problem[0], reason, stage, done, **_before(source, self.workspace.conversions / key, tool, fmt)
            )
        if not target.exists():
            shutil.rmtree(part, ignore_errors=True)
            before = _before(source, self.workspace.conversions / key, tool, fmt)
            raise failure("falsified", f"{tool.toolchain.NAME} ended well and wrote nothing", stage, done, **before)
        return self._keep(part, key, target, fmt, _hop(tool, source, fmt, done))

    def _process(self, tool: Tool, source: Path, target: Path, scratch: Path) -> Completed:
        # a folder for temporary files of its own: some tools use one fixed name there
        own = {"NO_COLOR": "1", "TMPDIR": str(scratch), **tool.toolchain.environment()}
        argv = tool.toolchain.convert_argv(source.absolute(), target.absolute(), tool.dtype, tool.plants)
        caps = self.caps
        return process.run(argv, timeout_s=caps.timeout_s, memory_bytes=caps.memory_bytes, cwd=scratch, env=own)

    def _keep(self, part: Path, key: str, target: Path, fmt: str, hop: dict[str, Any]) -> Station:
        """Move a finished conversion under its key, its record written first; the rename makes both appear at once."""
        shutil.rmtree(part / "tmp", ignore_errors=True)
        relative, folder = target.relative_to(part), self.workspace.conversions / key
        station = _read(target, fmt, ())
        final = {**hop, "result_sha256": station.digest, "target": str(folder / relative)}
        told = {"target": str(relative), "format": fmt, "digest": station.digest, "hop": final}
        (part / RECORD).write_text(json.dumps(told))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return dataclasses.replace(station, path=folder / relative, hops=(final,))


def _before(source: Station, folder: Path, tool: Tool, fmt: str) -> dict[str, Any]:
    """Return what makes a failure's source again, and where its result would have gone."""
    target = folder / tool.toolchain.target_name(fmt)
    return {"conversions": list(source.hops), "target": str(target), "hop": f"{source.format}-{fmt}"}


def _told(done: Completed, part: Path, folder: Path) -> Completed:
    """Return what a process said by the names that stay: one failure reads alike every time."""
    argv = tuple(word.replace(str(part.absolute()), str(folder)) for word in done.argv)
    streams = (text.replace(f"{part.absolute()}/", "") for text in (done.stdout, done.stderr))
    stdout, stderr = streams
    return dataclasses.replace(done, argv=argv, stdout=stdout, stderr=stderr)


def _hop(tool: Tool, source: Station, fmt: str, done: Completed) -> dict[str, Any]:
    return {
        "hop": f"{source.format}-{fmt}", "toolchain": tool.toolchain.NAME, "version": tool.version,
        "argv": list(done.argv), "exit_code": done.exit_code, "seconds": round(done.seconds, 3),
        "peak_bytes": done.peak_rss, "source_sha256": source.digest, "plants": list(tool.plants),
    }  # fmt: skip


def _read(path: Path, fmt: str, hops: tuple[Mapping[str, Any], ...]) -> Station:
    """Look at a result: what it is made of, and whether it can be read at all as what it was to be."""
    found = formats.faults(path)
    broken = next((fault.detail for fault in found if fault.fatal), None)
    faults = tuple({**dataclasses.asdict(fault), "path": path.name} for fault in found)
    try:
        checkpoint = formats.open_checkpoint(path)
        digest = content_digest(checkpoint)
        if checkpoint.format != fmt:
            broken = f"it is a {checkpoint.format} file, not {fmt}"
        checkpoint.close()
    except UserError as error:
        broken, digest = broken or error.what, files_digest(path)
    return Station(path=path, format=fmt, digest=digest, hops=hops, broken=broken, faults=faults)


def files_digest(path: Path) -> str:
    """Return the SHA-256 over whatever files are there, for what no format can read."""
    total = hashlib.sha256()
    for file in sorted(p for p in (path, *path.rglob("*")) if p.is_file()):
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()


def chain(step: Callable[[Station, str], Station], start: Station, rest: Sequence[str]) -> tuple[Station, ...]:
    """Return the stations from `start` through the formats of `rest`."""
    stations = [start]
    for fmt in rest:
        stations.append(step(stations[-1], fmt))
    return tuple(stations)


__all__ = ["Caps", "Conversions", "Station", "Tool", "Unmade", "chain", "version_of"]
