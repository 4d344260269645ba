"""`requalify selftest`: what triage would have found, and named rightly, on a model of yours."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import PATH, finish
from bot.errors import Exit, UserError

if TYPE_CHECKING:
    from bot.triage.selftest import Trial


@click.command("selftest")
@click.option("--model", type=PATH, help="A model of yours; small ones are written without it.")
@click.option("--plant", "causes", multiple=True, metavar="CAUSE", help="Only this cause (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: Path | None, causes: tuple[str, ...], as_json: bool) -> None:
    """Plant every cause in a conversion, one by one, diagnose each, and print which were named rightly.

    Exit status 0 when every cause that could be planted was named first, 1 when not, 4 when none could be planted.
    """
    from bot.formats import open_checkpoint
    from bot.toolchains.plants import plantable
    from bot.triage.selftest import specimens, trials

    for cause in causes:
        if cause not in plantable():
            raise UserError(f"{cause!r} cannot be planted", hint=f"can be: {', '.join(plantable())}")
    if model is not None:
        open_checkpoint(model).close()
    with tempfile.TemporaryDirectory(prefix="requalify-") as folder:
        sources = [model] if model is not None else specimens(Path(folder))
        progress = Console(stderr=True)
        with progress.status("") as status:
            done = list(trials(sources, Path(folder), causes, lambda cause: status.update(f"planting {cause}")))
    if as_json:
        click.echo(json.dumps(_as_json(done)))
    else:
        _show(done, Console())
    planted = [trial for trial in done if trial.right is not None]
    if not planted:
        finish(Exit.UNJUDGED)
    finish(Exit.HELD if all(trial.right for trial in planted) else Exit.FALSIFIED)


def _as_json(done: "list[Trial]") -> dict[str, Any]:
    planted = [trial for trial in done if trial.right is not None]
    return {
        "summary": {
            "planted": len(planted), "right": sum(bool(trial.right) for trial in planted),
            "not_plantable": [trial.planted for trial in done if trial.right is None],
        },
        "confusion": [
            {"planted": t.planted, "model": t.model, "target": t.target, "named": t.found[0] if t.found else None,
             "right": t.right, "found": list(t.found)}
            for t in planted
        ],
    }  # fmt: skip


def _show(done: "list[Trial]", console: Console) -> None:
    table = Table("planted", "in", "converted to", "named first", "also found")
    for trial in done:
        if trial.right is None:
            continue
        named = Text(trial.found[0] if trial.found else "nothing", "green" if trial.right else "bold red")
        rest = ", ".join(trial.found[1:])
        table.add_row(trial.planted, Text(trial.model), trial.target, named, rest)
    console.print(table)
    absent = [trial.planted for trial in done if trial.right is None]
    if absent:
        console.print(f"nothing to plant these in: {', '.join(absent)}", soft_wrap=True)
    planted = len(done) - len(absent)
    console.print(f"{sum(bool(trial.right) for trial in done)} of {planted} causes named rightly")
