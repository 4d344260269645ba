"""`requalify triage-log [FILE|-]`: what a failed command's output points at."""

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from bot.cli import PATH
from bot.errors import UserError
from bot.report.redact import clean
from bot.triage import logtext
from bot.triage.logs import LogCause, LogContext, triage


@click.command("triage-log")
@click.argument("file", default="-", type=PATH)
@click.option("--command", "command_line", metavar="TEXT", default="", help="The command that failed, as it was typed.")
@click.option("--exit-code", metavar="N", type=int, help="What it exited with; 128+N or -N for a signal.")
@click.option("--timed-out", is_flag=True, help="It was ended because it took too long.")
@click.option("--gate", metavar="ID", default="", help="The gate it ran for.")
@click.option("--backend", metavar="B", default="", help="cpu or gpu.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    file: Path, command_line: str, exit_code: int | None, timed_out: bool, gate: str, backend: str, as_json: bool
) -> None:
    """Name the causes that a failed command's output points at, best first, with the line that says so.

    FILE is the output, stdout and stderr together; `-` or nothing reads it from the standard input. Exit
    status 0 whenever the log could be read: that it points at nothing is an answer too.
    """
    context = LogContext(
        command=command_line, exit_code=exit_code, timed_out=timed_out, gate=gate, backend=backend.lower()
    )
    found = triage(_text(file), context)
    if as_json:
        click.echo(json.dumps({"causes": [cause.as_json() for cause in found]}))
    else:
        _show(found, Console())


def _text(file: Path) -> str:
    if str(file) == "-":
        return logtext.bounded(sys.stdin.buffer)
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not stream.isatty() and str(file) != os.devnull):
                raise UserError("is a device, not a log", where=str(file), hint="give a text file")
            return logtext.bounded(stream)
    except OSError as error:
        hint = "give a text file, or - for the standard input"
        raise UserError(f"the log cannot be read: {error.strerror}", where=str(file), hint=hint) from None


def _show(found: Sequence[LogCause], console: Console) -> None:
    for cause in found:
        style = "bold red" if cause.kind == "defect" else "yellow"
        console.print(Text(f"{cause.id} {cause.slug} ({cause.kind}, {cause.confidence})", style), soft_wrap=True)
        where = f"line {cause.line_number}: {clean(cause.line)}" if cause.line else "said by how the command ended"
        console.print(Text(f"  {where}"), soft_wrap=True)
        for name, value in cause.captures.items():
            console.print(Text(f"  {name}: {clean(value)}"), soft_wrap=True)
    if not found:
        console.print("The log points at no known cause.")
