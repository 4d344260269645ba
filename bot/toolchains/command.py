"""Any converter, by a command of the playbook's: argv with {source}, {target}, {dtype}, {from} and {to} filled in."""

import dataclasses
import shutil
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bot.errors import UserError
from bot.toolchains import _options as options
from bot.toolchains._options import WHERE, Options

NAMES = frozenset({"source", "target", "dtype", "from", "to"})
SUFFIXES = {".gguf": "gguf", ".apr": "apr", ".safetensors": "safetensors"}


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A template, and what it can be asked for."""

    argv: tuple[str, ...]
    version: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()  # none: all
    targets: Mapping[str, str] = dataclasses.field(default_factory=dict)  # format -> file or folder name

    NAME: ClassVar[str] = "command"
    FORMATS: ClassVar[tuple[str, ...]] = ("gguf", "safetensors", "apr")
    USAGE: ClassVar[frozenset[int]] = frozenset({126, 127})  # the shell's: not executable, not found

    def unavailable(self) -> str | None:
        """Return why it cannot be used here."""
        return None if shutil.which(self.argv[0]) else f"{self.argv[0]!r} is not on the PATH"

    def unsupported(self, source: str, target: str, dtype: str | None) -> str | None:
        """Return why a pair cannot be converted."""
        if self.pairs and (source, target) not in self.pairs:
            return f"the playbook's command does not convert {source} to {target}"
        if dtype and not any("{dtype}" in word for word in self.argv):
            return f"the playbook's command has no {{dtype}}, and {dtype} is asked for"
        return None

    def convert_argv(
        self, source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Fill the template; each word stays one word, whatever a path holds."""
        fmt = SUFFIXES.get(target.suffix, "safetensors")
        from_ = SUFFIXES.get(source.suffix, "safetensors")
        values = {"source": str(source), "target": str(target), "dtype": dtype or "", "from": from_, "to": fmt}
        return tuple(word.format_map(values) for word in self.argv)

    def version_argv(self) -> tuple[str, ...]:
        """Return the command that prints its version."""
        return self.version or (self.argv[0], "--version")

    def target_name(self, fmt: str) -> str:
        """Return the file or folder a result gets."""
        return self.targets.get(fmt, "safetensors" if fmt == "safetensors" else f"model.{fmt}")

    def environment(self) -> Mapping[str, str]:
        """Return nothing beside what every tool gets."""
        return {}


def of(given: Options) -> Command:
    """Make the toolchain of a playbook's options: `argv`, and `version`, `pairs`, `targets` if need be."""
    options.known(given, "argv", "version", "pairs", "targets", toolchain=Command.NAME)
    argv = options.words(given, "argv")
    _check(argv)
    targets = given.get("targets", {})
    if not isinstance(targets, Mapping) or not set(targets) <= set(Command.FORMATS):
        raise UserError("targets must map formats to names", where=WHERE, hint='such as {safetensors: "out"}')
    for name in targets.values():
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{name!r} is no name inside the work folder", where=f"{WHERE}: targets")
    pairs = tuple(_pair(text) for text in options.words(given, "pairs"))
    return Command(argv=argv, version=options.words(given, "version"), pairs=pairs, targets=dict(targets))


def _check(argv: Sequence[str]) -> None:
    if not argv:
        hint = 'such as argv: ["mytool", "{source}", "{target}"]'
        raise UserError("the toolchain `command` needs an argv", where=WHERE, hint=hint)
    try:
        used = {name for word in argv for _, name, _, _ in string.Formatter().parse(word) if name is not None}
    except ValueError as error:
        raise UserError(f"argv: {error}", where=WHERE, hint="write a literal brace twice") from None
    if unknown := used - NAMES:
        hint = f"known: {', '.join(sorted(NAMES))}"
        raise UserError(f"argv has no value for {{{min(unknown)}}}", where=WHERE, hint=hint)
    for name in ("source", "target"):
        if name not in used:
            raise UserError(f"argv lacks {{{name}}}", where=WHERE)


def _pair(text: str) -> tuple[str, str]:
    source, _, target = text.partition("-")
    if source not in Command.FORMATS or target not in Command.FORMATS:
        raise UserError(f"{text!r} is no pair of formats", where=f"{WHERE}: pairs", hint="such as gguf-apr")
    return source, target
