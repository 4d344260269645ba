"""The command line: one file a command, imported only when it is asked for."""

import contextlib
import errno
import importlib
import io
import os
import platform
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bot import __version__
from bot.errors import Exit, UserError, spelled

# in the order `--help` lists them
COMMANDS = {
    "run": "bot.cli.run:command",
    "judge": "bot.cli.judge:command",
    "diff": "bot.cli.diff:command",
    "diagnose": "bot.cli.diagnose:command",
    "triage-log": "bot.cli.triage_log:command",
    "inspect": "bot.cli.inspect:command",
    "convert": "bot.cli.convert:command",
    "gates": "bot.cli.gates:command",
    "causes": "bot.cli.causes:command",
    "doctor": "bot.cli.doctor:command",
    "report": "bot.cli.report:command",
    "plan": "bot.cli.plan:command",
    "merge": "bot.cli.merge:command",
    "selftest": "bot.cli.selftest:command",
    "fetch": "bot.cli.fetch:command",
    "publish": "bot.cli.publish:command",
    "handle": "bot.cli.handle:command",
}

# what the system may refuse that the user can mend, and how; none of it is a bug or a verdict
REFUSALS = {
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EROFS: "write elsewhere",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "a symbolic link leads to itself",
    errno.ENOTDIR: "a part of this path is a file",
    errno.EISDIR: "name a file",
    errno.EIO: "the disk failed",
}  # fmt: skip


class _Path(click.Path):
    """A path that names something: an empty word is a variable nobody set, not the folder we are in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fsdecode(value)
        if not text or "\0" in text:
            self.fail("an empty path" if not text else "no possible path: it holds a zero", param, ctx)
        return super().convert(value, param, ctx)


class _Repository(click.ParamType):  # type: ignore[type-arg]
    """A repository as GitHub writes it: owner/name."""

    name = "OWNER/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        owner, _, name = str(value).partition("/")
        if not re.fullmatch(r"[A-Za-z0-9-]{1,39}", owner) or not re.fullmatch(r"[\w.-]{1,100}", name, re.ASCII):
            self.fail(f"{str(value)[:60]!r} is no OWNER/NAME", param, ctx)
        return str(value)


PATH = _Path(path_type=Path)
REPOSITORY = _Repository()


def make_folder(path: Path) -> Path:
    """Make the folder that results go to; UserError when that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", where=str(path), hint="choose another --out") from None
    return path


class _Lazy(click.Group):
    """A group whose commands are modules, so that `handle` never waits for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        try:
            found: click.Command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            raise _lacking(error) from None
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; most import what they need only then."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise _lacking(error) from None


def _lacking(error: ModuleNotFoundError) -> Exception:
    """Return what to tell of a missing package: only a module of our own is a bug."""
    if error.name is None or error.name.split(".")[0] == "bot":
        return error
    hint = "install the suite: from a checkout, pip install -c constraints.txt '.[suite]'"
    return UserError(f"this command needs {error.name}", hint=hint)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="requalify")
def group() -> None:
    """Qualify conversions of language-model weights, and find out why one is wrong."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit by what it found: see `bot.errors.Exit`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name or a dash that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    sys.exit(int(_ended(argv)))


def _ended(argv: Sequence[str] | None) -> int:
    """Run a command, say what went wrong, and return what to exit with."""
    try:
        code = group.main(args=list(argv) if argv is not None else None, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return int(code or 0)
    except UserError as error:
        click.echo(f"error: {error}", err=True)
    except click.ClickException as error:
        _usage(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 128 + signal.SIGINT
    except (BrokenPipeError, SystemExit) as end:
        return _unheard(end)
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug of ours must not look like a verdict
        return _refused(error) if isinstance(error, OSError) and error.errno in REFUSALS else _ours(error)
    return Exit.USER


def _usage(error: click.ClickException) -> None:
    """Say what is wrong with the words given, and where to read how they go."""
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see `{error.ctx.command_path} --help`"
    click.echo(f"error: {UserError(error.format_message().rstrip('.'), hint=hint)}", err=True)


def _unheard(end: BaseException) -> int:
    """Return the status of a command whose reader had enough; click and rich exit with 1 then, which is a verdict."""
    if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
        raise end
    _drop_output()
    return 128 + signal.SIGPIPE


def _refused(error: OSError) -> int:
    """Say what the system refused: no right, no such name, no space."""
    where, hint = str(error.filename or "the output"), REFUSALS.get(error.errno or 0, "")
    click.echo(f"error: {UserError(str(error.strerror), where=where, hint=hint)}", err=True)
    _drop_output()
    return Exit.USER


def _drop_output() -> None:
    """Let what is still buffered go nowhere, or the interpreter would stumble over it once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ours(error: Exception) -> Exit:
    """Say that the failure is ours and where the details lie."""
    details = f"requalify {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    details += "".join(traceback.format_exception(error))
    click.echo(f"error: requalify failed: {type(error).__name__}: {spelled(str(error))}", err=True)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="requalify-", suffix=".log", delete=False) as file:
            file.write(details)
        place = file.name
    except OSError:
        click.echo(spelled(details), err=True)
        place = "the lines above"
    click.echo(f"This is a bug of requalify; please report it with {place}", err=True)
    return Exit.BUG


def finish(code: Exit) -> Any:
    """End a command with an exit code."""
    raise click.exceptions.Exit(int(code))
