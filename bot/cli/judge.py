"""`requalify judge JOURNAL`: verdicts, score and causes again from recorded evidence."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import journal
from bot.cli import PATH, finish
from bot.records import Outcome
from bot.report.markdown import number
from bot.report.pieces import WORDS
from bot.report.redact import clean
from bot.report.rows import GateRow
from bot.report.story import result
from bot.report.verdicts import verdicts_json
from bot.report.view import View, view
from bot.triage.judge import exit_code, judge

STYLES = {
    Outcome.CORROBORATED: "green",
    Outcome.FALSIFIED: "bold red",
    Outcome.CRASHED: "bold red",
    Outcome.TIMEOUT: "bold red",
    Outcome.ERROR: "yellow",
    Outcome.NO_EVIDENCE: "yellow",
    Outcome.SKIPPED: "dim",
}


@click.command("judge")
@click.argument("path", metavar="JOURNAL", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print verdicts.json.")
def command(path: Path, as_json: bool) -> None:
    """Judge recorded evidence again: verdicts, score and causes, without model, tool or GPU.

    JOURNAL is an evidence.jsonl or the folder of a run. Exit status 0 when everything held, 1 when something
    was falsified, crashed or timed out, 4 when something planned could not be judged and nothing was falsified.
    """
    judged = judge(journal.read(path))
    if as_json:
        click.echo(verdicts_json(judged), nl=False)
    else:
        show(view(judged), Console())
    finish(exit_code(judged.verdicts))


def show(told: View, console: Console) -> None:
    """Print the tables of a judged run: worst first, what held in one line."""
    held = Outcome.CORROBORATED
    for heading, rows in (("Direct conversions", told.direct), ("Chains", told.chains)):
        if rows:
            console.print(_gates(heading, rows))
    rest = [row for row in told.others if row.outcome is not held]
    if rest:
        console.print(_gates("Other gates", rest))
    quiet = len(told.others) - len(rest)
    if quiet:
        console.print(f"{quiet} other gates held")
    if told.findings:
        console.print(_causes(told))
    for group in told.unjudged:
        behind = f", masked by {clean(group.masked_by)}" if group.masked_by else ""
        line = f"{WORDS[group.outcome]}{behind}: {clean(group.reason)} ({len(group.cells)})"
        console.print(Text(line, STYLES[group.outcome]), soft_wrap=True)
    if not told.complete:
        console.print(Text("The run did not finish; this is what it had recorded.", "yellow"))
    counts = ", ".join(f"{count} {WORDS[outcome]}" for outcome, count in told.counts) or "nothing was planned"
    score = told.score
    total = f"MQS {score.mqs}/1000, grade {score.grade}, {score.status}" if score.mqs is not None else "no score"
    console.print(Text(f"{counts} (of {told.planned}). {total}. {score.note}".strip(), "bold"), soft_wrap=True)


def _gates(heading: str, rows: Sequence[GateRow]) -> Table:
    table = Table(title=heading, title_justify="left")
    for name in ("Gate", "Conversion", "CPU diff", "GPU diff", "Expected", "Result"):
        table.add_column(name, justify="right" if name.endswith("diff") else "left", overflow="fold")
    for row in rows:
        cpu, gpu = row.on("cpu"), row.on("gpu")
        result_word = WORDS[row.outcome] + (f" ({clean(row.masked_by)})" if row.masked_by else "")
        table.add_row(
            Text(clean(row.gate)), Text(clean(row.conversion)), number(cpu.diff if cpu else None),
            number(gpu.diff if gpu else None), Text(clean(row.expected or "—")), Text(result_word, STYLES[row.outcome]),
        )  # fmt: skip
    return table


def _causes(told: View) -> Table:
    table = Table(title="Causes", title_justify="left")
    for name in ("Cause", "Confidence", "Measured", "Where"):
        table.add_column(name, overflow="fold")
    for finding in told.findings:
        table.add_row(
            Text(clean(f"{finding.id} {finding.slug}")), finding.confidence.value, Text(clean(result(finding) or "—")),
            Text(clean(finding.pattern or finding.line or "—")),
        )  # fmt: skip
    return table
