"""`requalify plan PLAYBOOK...`: a GitHub matrix, balanced by expected cost."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cli import PATH, finish
from bot.errors import Exit, UserError

if TYPE_CHECKING:
    from bot.fleet.matrix import Job
    from bot.playbook import Plan


def _size(_ctx: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Read a size such as 24GiB."""
    from bot.playbook.kinds import read_size

    found = None if text is None else read_size(text)
    if text is not None and found is None:
        raise click.BadParameter(f"{text[:40]!r} is no size such as 24GiB", param=parameter)
    return found


@click.command("plan")
@click.argument("playbooks", metavar="PLAYBOOK...", nargs=-1, required=True, type=PATH)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only playbooks of this model: owner/name, the name alone, or the playbook's own (repeatable).",
)
@click.option("--shards", default=1, show_default=True, type=click.IntRange(1, 256), help="How many jobs at most.")
@click.option(
    "--costs",
    "measured",
    multiple=True,
    metavar="FILE",
    type=PATH,
    help="What cells took before: a costs.json, or a run's folder or journal (repeatable, later ones win).",
)
@click.option("--gpu-memory", callback=_size, metavar="SIZE", help="GPU memory of a runner; refuse what needs more.")
@click.option("--disk", callback=_size, metavar="SIZE", help="Free disk of a runner; refuse what needs more.")
@click.option("--json", "as_json", is_flag=True, help="The matrix on one line, without the table.")
def command(
    playbooks: tuple[Path, ...],
    models: tuple[str, ...],
    shards: int,
    measured: tuple[Path, ...],
    as_json: bool,
    **limits: Any,
) -> None:
    """Split playbooks over the jobs of a GitHub matrix so that all end at about the same time.

    Prints `{"include": [...]}` on stdout: each entry lists its playbooks and which shard of each to run, what
    they are expected to take, and the GPU memory and disk they need. The table on stderr is for people. All
    mistakes in all playbooks are told at once; nothing is planned then.
    """
    from bot.fleet import matrix
    from bot.fleet.costs import Costs, read_costs

    known = Costs()
    for path in measured:
        known = known.updated(read_costs(path))
    plans = _of(models, _plans(playbooks))
    jobs = matrix.jobs(plans, shards, known, matrix.Limits(**limits))
    told = {"include": [job.as_json() for job in jobs]}
    click.echo(json.dumps(told, indent=None if as_json else 2))
    if not as_json:
        _show(jobs, Console(stderr=True))
    finish(Exit.HELD)


def _plans(paths: Sequence[Path]) -> "list[Plan]":
    """Plan every playbook, as for a machine that has everything; raise one error for the mistakes of all."""
    from bot.gates import ALL
    from bot.playbook import load, plan
    from bot.playbook.plan import likely_source

    plans, mistakes = [], []
    for path in paths:
        try:
            book = load(path)
            plans.append(plan(book, source=likely_source(book), known=ALL.values(), backends_missing={}))
        except UserError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UserError("\n".join(mistakes))
    return plans


def _of(models: Sequence[str], plans: "list[Plan]") -> "list[Plan]":
    """Return the plans of the models asked for, all when none is; a model nobody plans is a mistake."""
    from bot.playbook.findings import nearest

    names = {id(plan): _names(plan) for plan in plans}
    every = sorted({name for found in names.values() for name in found})
    for model in models:
        if model.lower() not in every:
            near = nearest(model.lower(), every)
            raise UserError(
                f"no playbook is of {model[:80]!r}", where="--model", hint=f"nearest: {near}" if near else ""
            )
    asked = {model.lower() for model in models}
    return [plan for plan in plans if not asked or asked & names[id(plan)]]


def _names(plan: "Plan") -> set[str]:
    """Return what a playbook may be called by its model, in small letters."""
    name = plan.playbook.model.name.lower()
    return {name, name.rpartition("/")[2], plan.playbook.name.lower()}


def _show(jobs: "Sequence[Job]", console: Console) -> None:
    table = Table("Job", "Playbooks", "Cells", "Expected", "GPU memory", "Disk")
    for job in jobs:
        told = job.as_json()
        names = [f"{piece.plan.playbook.name} {piece.part[0]}/{piece.part[1]}" for piece in job.pieces]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        table.add_row(
            f"{job.number}", Text(", ".join(names[:3]) + more), f"{told['cells']}", f"{told['seconds']} s",
            f"{told['gpu_memory_gib']} GiB", f"{told['disk_gib']} GiB",
        )  # fmt: skip
    console.print(table)
