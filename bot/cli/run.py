"""`requalify run PLAYBOOK`: convert, measure, judge, explain, report."""

import contextlib
import dataclasses
import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import journal, playbook, report
from bot.cli import PATH, finish
from bot.cli.progress import Progress
from bot.errors import UserError
from bot.gates import ALL
from bot.jsonfile import read_json
from bot.playbook import Plan, Playbook
from bot.report.redact import clean
from bot.report.verdicts import verdicts_json
from bot.report.view import view
from bot.triage.judge import Judgement, exit_code, judge

if TYPE_CHECKING:
    from bot.suite.runner import Options

BACKENDS = {"cpu": ("cpu",), "gpu": ("gpu",), "all": ("cpu", "gpu")}
OUT = Path("requalify-out")


@click.command("run")
@click.argument("path", metavar="PLAYBOOK", type=PATH)
@click.option("--toolchain", "tool", metavar="NAME", help="The converter under test, instead of the playbook's.")
@click.option(
    "--model", type=PATH,
    help="The trusted model: a file, a Hugging Face folder or cache, an apr-models folder.",
)  # fmt: skip
@click.option("--backend", type=click.Choice(list(BACKENDS)), help="Where models run, instead of the playbook's.")
@click.option("--gates", multiple=True, metavar="GLOB", help="Only gates or cells that match (repeatable).")
@click.option("--fail-fast", is_flag=True, help="Stop at the first falsified gate and leave a diagnostics folder.")
@click.option("--out", type=PATH, help="Where results go.  [default: requalify-out/NAME]")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option(
    "--plant", "plants", multiple=True, metavar="CAUSE[:WHERE]",
    help="Commit this defect on purpose, to see it found (repeatable).",
)  # fmt: skip
@click.option("--shard", metavar="I/N", help="Run only the I-th of N parts of the plan.")
@click.option("--dry-run", is_flag=True, help="Print the plan, with what is skipped and why; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json (with --dry-run: the plan).")
@click.option("--workers", type=click.IntRange(1, 64), help="Cells measured at once.  [default: half the cores]")
@click.option(
    "--sick", type=PATH, metavar="FILE",
    help="What `doctor --json` said of a machine that needs mending: every cell is an error then, never a verdict.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the converted files, in the work folder under --out.")
def command(path: Path, plants: tuple[str, ...], dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Qualify the conversions of a model by a playbook.

    The model is converted between GGUF, SafeTensors and APR by the toolchain under test; tensors, metadata,
    tokenizer and logits are compared, every gate is judged, and what is wrong is explained by experiment.

    --out afterwards holds evidence.jsonl, verdicts.json, report.md, report.html, junit.xml, and an
    issue-CAUSE.md for each issue that would be filed. Exit status 0 when everything held, 1 when something was
    falsified, crashed or timed out, 4 when something planned could not be judged and nothing was falsified.
    """
    book = _changed(playbook.load(path), asked["tool"], asked["backend"])
    _check_plants(plants)
    sick = _sick(asked["sick"])
    model, plan = _plan(book, asked)
    if dry_run:
        _print_plan(plan, as_json)
        return
    from bot.suite.runner import Options

    options = Options(
        model=model, out=asked["out"] or OUT / book.name, plants=plants, fail_fast=asked["fail_fast"],
        resume=asked["resume"], keep=asked["keep"], workers=asked["workers"], sick=sick,
    )  # fmt: skip
    with _termination():
        judged, written = _run(plan, options)
    if as_json:
        click.echo(verdicts_json(judged), nl=False)
    else:
        _show(judged, written)
    finish(exit_code(judged.verdicts))


def _sick(path: Path | None) -> dict[str, str]:
    """Return what a machine has to have mended, by check; UserError when that is not what the file tells."""
    if path is None:
        return {}
    hint = "give what `requalify doctor --json` printed"
    told = read_json(path, what="checks", hint=hint)
    try:
        found = {str(check["name"]): str(check["found"]) for check in told["checks"] if check["state"] == "mend"}
    except (KeyError, TypeError):
        raise UserError("not checks", where=str(path), hint=hint) from None
    return found or {"doctor": "found nothing to mend, and its job said otherwise"}


def _changed(book: Playbook, tool: str | None, backend: str | None) -> Playbook:
    if tool is not None and tool != book.toolchain:
        book = dataclasses.replace(book, toolchain=tool, toolchain_options={})
    return dataclasses.replace(book, backends=BACKENDS[backend]) if backend else book


def _check_plants(plants: Sequence[str]) -> None:
    """Refuse what cannot be planted before anything is started."""
    from bot.suite.runner import ASTRAY
    from bot.toolchains.plants import parse_all

    parse_all(text for text in plants if text != ASTRAY)


def _plan(book: Playbook, asked: dict[str, Any]) -> tuple[Path, Plan]:
    from bot import formats
    from bot.suite import host, store
    from bot.toolchains import toolchain

    tool = toolchain(book.toolchain, book.toolchain_options)
    model = store.locate(book.model, asked["model"], beside=book.path.parent)
    source = formats.detect(formats.resolve(model))
    store.checked(model, book.model, source)
    plan = playbook.plan(
        book, source=source, known=list(ALL.values()), backends_missing=host.missing(book), gates=asked["gates"],
        toolchain_unsupported=lambda a, b: tool.unsupported(a, b, book.dtype),
    )  # fmt: skip
    return model, playbook.shard(plan, *playbook.parse_shard(asked["shard"])) if asked["shard"] is not None else plan


def _print_plan(plan: Plan, as_json: bool) -> None:
    rows = [
        {"id": item.cell.id, "gate": item.cell.gate, "severity": ALL[item.cell.gate].severity.value, "skip": item.skip}
        for item in plan.cells
    ]
    if as_json:
        click.echo(json.dumps({"playbook": plan.playbook.name, "source": plan.source, "cells": rows}, indent=2))
        return
    table = Table(title=f"{plan.playbook.name} from {plan.source}")
    table.add_column("Cell", overflow="fold", ratio=3)
    table.add_column("Severity")
    table.add_column("Skipped because", overflow="fold", ratio=2)
    for row in rows:
        table.add_row(Text(str(row["id"])), str(row["severity"]), Text(clean(row["skip"] or "")))
    Console().print(table)
    skipped = sum(bool(row["skip"]) for row in rows)
    click.echo(f"{len(rows)} cells, {skipped} skipped")


def _run(plan: Plan, options: "Options") -> tuple[Judgement, list[Path]]:
    from bot.suite.diagnostics import write
    from bot.suite.runner import Run
    from bot.triage.investigate import explain

    with Run(plan, options) as run:
        with Progress(len(plan.cells)) as progress:
            run.measure(progress.seen)
        if run.stopped:
            left = len(plan.cells) - len(run.done)
            click.echo(f"stopped at {run.stopped.cell.id} ({run.policy.value}); {left} cells not reached", err=True)
        if run.stopped and options.fail_fast:
            click.echo(f"diagnostics: {write(run, run.stopped)}", err=True)
        try:
            with Progress(None) as progress:
                for experiment in explain(run.pairs(), journal.read(run.path)):
                    progress.tried(experiment)
                    run.record(experiment)
        except Exception:
            # what was measured is worth its reports even when explaining it fails
            report.write_all(judge(journal.read(options.out)), options.out)
            raise
        run.end()
    judged = judge(journal.read(options.out))
    return judged, report.write_all(judged, options.out)


@contextlib.contextmanager
def _termination() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that a cancelled job ends its children and leaves a valid journal too."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(judged: Judgement, written: Sequence[Path]) -> None:
    from bot.cli.judge import show

    show(view(judged), Console())
    reports = [path for path in written if not path.name.startswith("issue-")]
    click.echo(f"reports: {', '.join(str(path) for path in reports)}")
    for path in written:
        if path not in reports:
            click.echo(f"issue: {path}")
