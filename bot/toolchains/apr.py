"""The `apr` of aprender: what it can do is asked of its `--help`, for one version string stands for many builds.

Builds with `rosetta convert` do all pairs by it; older ones import to APR and export from it. Its temporary file for
GGUF to SafeTensors has one fixed name, so each process gets a TMPDIR of its own (the suite sees to that).
"""

import dataclasses
import functools
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bot import process
from bot.toolchains import _options as options
from bot.toolchains._options import Options

PROBE_S = 60.0
# its own words for element types; the others it has no word for
QUANTIZE = {"f16": "fp16"}


@functools.cache
def commands(binary: str) -> frozenset[str]:
    """Return the commands this build lists; none when it cannot be started."""
    done = process.run((binary, "--help"), timeout_s=PROBE_S, env={"NO_COLOR": "1"})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return frozenset(re.findall(r"^ {2}([a-z][a-z0-9-]*)(?: |$)", plain, re.MULTILINE)) if done.ok else frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Apr:
    """One `apr` binary."""

    binary: str = "apr"

    NAME: ClassVar[str] = "apr"
    FORMATS: ClassVar[tuple[str, ...]] = ("gguf", "safetensors", "apr")
    # 2 is clap's usage error, 3 "file not found" and "not a file", 9 a feature that was not compiled in
    USAGE: ClassVar[frozenset[int]] = frozenset({2, 3, 9})

    def unavailable(self) -> str | None:
        """Return why it cannot be used here."""
        if shutil.which(self.binary) is None:
            return f"{self.binary!r} is not on the PATH; `cargo install apr-cli`, or give its place as option `binary`"
        return None if commands(self.binary) else f"`{self.binary} --help` lists no commands"

    def unsupported(self, source: str, target: str, dtype: str | None) -> str | None:
        """Return why a pair cannot be converted by this build."""
        if source not in self.FORMATS or target not in self.FORMATS:
            return f"no conversion from {source} to {target}"
        if dtype and dtype.lower() not in QUANTIZE:
            return f"apr has no word for {dtype.lower()}: its int8 and int4 are types of its own"
        if (dtype or not self._rosetta) and "apr" not in {source, target}:
            return f"this build of apr has no command from {source} to {target}" + (f" as {dtype}" if dtype else "")
        return None

    @property
    def _rosetta(self) -> bool:
        # without a binary to ask, the newer command line is assumed: `unavailable` says the rest
        found = commands(self.binary) if shutil.which(self.binary) else frozenset({"rosetta"})
        return "rosetta" in found

    def convert_argv(
        self, source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the command that converts `source` into `target`."""
        given = str(_file(source))
        quantize = ("--quantize", QUANTIZE[dtype.lower()]) if dtype else ()
        if self._rosetta and not dtype:  # its --quantize is accepted and not looked at
            return (self.binary, "rosetta", "convert", given, str(target))
        if target.suffix == ".apr":
            return (self.binary, "import", given, "-o", str(target), *quantize)
        fmt = "gguf" if target.suffix == ".gguf" else "safetensors"
        return (self.binary, "export", given, "--format", fmt, "-o", str(target), *quantize)

    def version_argv(self) -> tuple[str, ...]:
        """Return the command that prints its version."""
        return (self.binary, "--version")

    def target_name(self, fmt: str) -> str:
        """Return the file a result gets; beside a SafeTensors file apr writes a config.json."""
        return "safetensors/model.safetensors" if fmt == "safetensors" else f"model.{fmt}"

    def environment(self) -> Mapping[str, str]:
        """Return nothing beside what every tool gets."""
        return {}


def _file(source: Path) -> Path:
    """Return the file of a folder: apr takes files, and reads config and tokenizer beside them."""
    for name in ("model.safetensors.index.json", "model.safetensors"):
        if (source / name).is_file():
            return source / name
    return source


def of(given: Options) -> Apr:
    """Make the toolchain of a playbook's options: `binary`, where apr lies."""
    options.known(given, "binary", toolchain=Apr.NAME)
    return Apr(options.text(given, "binary") or "apr")
