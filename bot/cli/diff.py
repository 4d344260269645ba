"""`requalify diff A B`: the tensors of two checkpoints, any two formats."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import PATH, finish
from bot.errors import Exit, spelled

if TYPE_CHECKING:
    from bot.compare.diff import DiffReport, TensorDiff

WIDTH = 200  # characters shown of a tensor's name; --json has all


@click.command("diff")
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many differing tensors to list (0: all).",
)
def command(a: Path, b: Path, as_json: bool, limit: int) -> None:
    """Compare the tensors of two checkpoints; A is the one that is trusted.

    A and B are a file, a Hugging Face folder, a shard index or the first of a split. Exit status 0 when
    every tensor is there and equal or within the budget of its type, 1 when not.
    """
    from bot.compare.diff import compare
    from bot.formats import open_checkpoint
    from bot.formats.view import canonical

    left = canonical(open_checkpoint(a))
    report = compare(left, canonical(open_checkpoint(b), trusted=left))
    if as_json:
        click.echo(json.dumps(report.as_json(), allow_nan=False))
    else:
        _show(report, limit or len(report.tensors) + 1)
    finish(Exit.HELD if report.agrees else Exit.FALSIFIED)


def _show(report: "DiffReport", limit: int) -> None:
    from bot.compare.diff import Agreement

    console = Console()
    differing = [tensor for tensor in report.tensors if tensor.verdict is Agreement.DIFFERS]
    differing.sort(key=lambda tensor: -(tensor.rel_rmse if tensor.rel_rmse is not None else 1e9))
    if differing:
        console.print(_table(differing[:limit]))
        if len(differing) > limit:
            console.print(f"... and {len(differing) - limit} more (--limit, --json)")
    for title, names in (("missing in A", report.missing_in_a), ("missing in B", report.missing_in_b)):
        if names:
            shown = ", ".join(_name(name) for name in names[:limit])
            console.print(Text(f"{title}: {len(names)}: {shown}"), soft_wrap=True)
    equal, within = report.counted(Agreement.EQUAL), report.counted(Agreement.WITHIN_BUDGET)
    console.print(
        f"{len(report.tensors)} tensors compared: {equal} equal, {within} within budget, {len(differing)} differ"
    )


def _name(name: str) -> str:
    """Spell a tensor's name so that no terminal obeys it and no line is endless."""
    return spelled(name if len(name) <= WIDTH else f"{name[:WIDTH]}...", lines=False)


def _table(tensors: "list[TensorDiff]") -> Table:
    table = Table("tensor", "A", "B", "shape A", "shape B", "rel RMSE", "tolerance", "cosine")
    for t in tensors:
        numbers = ("–" if v is None else f"{v:.3g}" for v in (t.rel_rmse, t.tolerance, t.cosine))
        table.add_row(Text(_name(t.name)), t.dtype_a, t.dtype_b, str(t.shape), str(t.shape_b), *numbers)
    return table
