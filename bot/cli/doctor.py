"""`requalify doctor`: is this machine fit to qualify models, and what to mend. Imports no torch and no numpy."""

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import finish
from bot.errors import Exit
from bot.report.redact import clean

if TYPE_CHECKING:
    from bot.suite.health import Check

STYLES = {"ok": "green", "note": "dim", "mend": "bold red"}


@click.command("doctor")
@click.option(
    "--runner", is_flag=True, help="As a GPU runner: a missing GPU, or one in use by others, is to be mended."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(runner: bool, as_json: bool) -> None:
    """Check this machine: GPU, driver, CUDA, memory, disk, packages, tokens; say what to mend.

    Exit status 0 when nothing needs mending, 1 when something does.
    """
    from bot.suite import health

    found = health.examine(runner=runner)
    sick = [check for check in found if check.state == "mend"]
    if as_json:
        checks = [{"name": c.name, "state": c.state, "found": c.found, "mend": c.mend} for c in found]
        click.echo(json.dumps({"healthy": not sick, "runner": runner, "checks": checks}, indent=2))
    else:
        _show(found)
    finish(Exit.FALSIFIED if sick else Exit.HELD)


def _show(found: "list[Check]") -> None:
    table = Table("", "Check", "Found", "To mend")
    for check in found:
        words = (Text(clean(check.found)), Text(clean(check.mend), STYLES["mend"]))
        table.add_row(Text(check.state, STYLES[check.state]), check.name, *words)
    Console().print(table)
