"""The command line: one file a command, imported only when it is asked for."""

import importlib
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import click

from bot import __version__
from bot.errors import Exit, UserError

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
            if error.name is None or error.name.startswith("bot"):
                raise
            raise UserError(
                f"`{cmd_name}` needs {error.name}", hint="install the suite: pip install 'requalify[suite]'"
            ) from None
        return found


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="requalify")
def group() -> None:
    """Qualify conversions of language-model weights, and find out why one is wrong."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit by what it found: see `bot.errors.Exit`."""
    try:
        code = group.main(args=list(argv) if argv is not None else None, standalone_mode=False)
    except UserError as error:
        click.echo(f"error: {error}", err=True)
        code = Exit.USER
    except click.ClickException as error:
        error.show()
        code = Exit.USER
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    except BrokenPipeError:
        # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.HELD
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug of ours must not look like a verdict
        code = _ours(error)
    sys.exit(int(code or 0))


def _ours(error: Exception) -> Exit:
    """Say that the failure is ours and where the details lie."""
    with tempfile.NamedTemporaryFile("w", prefix="requalify-", suffix=".log", delete=False) as file:
        file.write(f"requalify {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write("".join(traceback.format_exception(error)))
    click.echo(f"error: requalify failed: {type(error).__name__}: {error}", err=True)
    click.echo(f"This is a bug of requalify; please report it with {file.name}", err=True)
    return Exit.BUG


def finish(code: Exit) -> Any:
    """End a command with an exit code."""
    raise click.exceptions.Exit(int(code))
