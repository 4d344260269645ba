"""`requalify report JOURNAL`: a judged run, told in one format."""

from pathlib import Path

import click

from bot import journal, report
from bot.cli import PATH, finish
from bot.errors import UserError
from bot.report import render, verdicts
from bot.report.junit import junit_xml
from bot.report.view import View, view
from bot.triage.judge import Judgement, exit_code, judge

FORMATS = ("md", "html", "junit", "json", "issue")


@click.command("report")
@click.argument("path", metavar="JOURNAL", type=PATH)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="md", show_default=True, help="What to print.")
@click.option("--cause", metavar="ID", help="With --format issue: only the issue of this cause.")
def command(path: Path, kind: str, cause: str | None) -> None:
    """Print a run's report, judged again from its evidence.

    JOURNAL is an evidence.jsonl or the folder of a run. `issue` prints the text of each issue that would be
    filed. The exit status is that of `requalify judge`.
    """
    if cause and kind != "issue":
        raise UserError("goes with --format issue only", where="--cause")
    judged = judge(journal.read(path))
    click.echo(_told(judged, view(judged), kind, cause), nl=False)
    finish(exit_code(judged.verdicts))


def _told(judged: Judgement, told: View, kind: str, cause: str | None) -> str | bytes:
    if kind == "md":
        return render.report_md(told)
    if kind == "html":
        return render.report_html(told)
    if kind == "junit":
        return junit_xml(told)
    if kind == "json":
        return verdicts.verdicts_json(judged)
    return _issues(told, cause)


def _issues(told: View, cause: str | None) -> str:
    texts = [report.issue_text(told, story) for story in told.stories if cause in {None, story.finding.id}]
    if cause and not texts:
        found = ", ".join(story.finding.id for story in told.stories) or "none"
        raise UserError(f"no issue of {cause} in this run", where="--cause", hint=f"issues would be filed for: {found}")
    if not texts:
        click.echo("No issue would be filed.", err=True)
    return "\n".join(texts)
