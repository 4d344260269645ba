"""`requalify publish JOURNAL --repo O/R`: a judged run, told to GitHub."""

import dataclasses
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from bot import journal
from bot.cli import PATH, REPOSITORY
from bot.errors import UserError, spelled
from bot.github import changes, event, findings, history, problems, publish, reader
from bot.github.client import API, LOGIN, Client
from bot.github.model import Run
from bot.github.publish import Case, Publication, Told
from bot.report import STEP_SUMMARY
from bot.report.view import view
from bot.triage.judge import Judgement

PAUSE_S = 1.0  # between writes, as GitHub asks
FILE = "requalify-published.md"


def now() -> datetime:
    """Return the time by which ages are told."""
    return datetime.now(UTC)


@click.command("publish")
@click.argument("path", metavar="JOURNAL", type=PATH)
@click.option(
    "--repo", metavar="OWNER/NAME", type=REPOSITORY, envvar="GITHUB_REPOSITORY", required=True, help="The repository."
)
@click.option(
    "--pr", "pull", type=click.IntRange(1), metavar="N", help="The pull request to tell, if this is its head."
)
@click.option("--base", type=PATH, metavar="JOURNAL", help="The base branch's last evidence.")
@click.option("--history", "known", type=PATH, metavar="DIR", help="What is kept between runs.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
def command(path: Path, repo: str, pull: int | None, base: Path | None, known: Path | None, dry_run: bool) -> None:
    """Tell GitHub what a run found: one issue per root cause, a check, one comment on the pull request.

    JOURNAL is an evidence.jsonl, the folder of a run, or a folder of such folders; it may come from a stranger
    and is judged again. Which run, commit and repository it belongs to is taken from the event alone
    (GITHUB_EVENT_PATH); runs of pull requests never touch issues. The API is that of GITHUB_API_URL, the token
    GITHUB_TOKEN. With --dry-run and no token nothing is asked of GitHub, as if it held no issue.

    Exit status 0 when all was published (whatever was found), 2 when GitHub refused something.
    """
    run = _run(repo, dry_run)
    wrong = problems.read(path) if path.is_dir() else None
    places = [] if wrong and not _journal_in(path) else reader.journals(path)
    judged = [reader.judged(found) for found in places]
    run = _believed(run, [one.header.commit for one in judged])
    before = history.load(known)
    cases = _cases(judged, [reader.judged(found) for found in reader.journals(base)] if base else [], run)
    work = Publication(_client(repo, dry_run), run, before, now(), dry=dry_run, pull=pull)
    done = work.publish(cases, wrong)
    _tell(done, work, wrong)
    if known and not dry_run and run.trusted:
        history.save(known, work.history)
        for told, found in zip(done, places, strict=True):
            if changes.is_base(told.case.told, told.case.base, run):
                history.keep_base(known, told.case.part, found / journal.NAME if found.is_dir() else found)
    if work.failed:
        raise UserError("; ".join(work.failed), where=repo, hint="the next run brings it up to date")


def _journal_in(folder: Path) -> bool:
    return any(folder.glob(journal.NAME)) or any(folder.glob(f"*/{journal.NAME}"))


def _run(repo: str, dry: bool) -> Run:
    """Return the run of the event; without an event a dry run supposes one of the default branch."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path and dry:
        click.echo("no event: planned as for a run of the default branch", err=True)
        url = f"https://github.com/{repo}/actions/runs/0"
        return Run(id=0, sha="0" * 40, repository=repo, url=url, at=now(), trusted=True)
    if not path:
        raise UserError("GITHUB_EVENT_PATH is not set", hint="GitHub Actions sets it; --dry-run does without")
    run = event.run(event.load(Path(path)), os.environ)
    if run.repository.lower() != repo.lower():
        raise UserError(f"the event is of {run.repository}", where=f"--repo {repo}")
    return run


def _believed(run: Run, commits: Sequence[str | None]) -> Run:
    """Return the run, not trusted when its evidence is of another commit than the event speaks of."""
    others = [commit for commit in commits if commit and commit != run.sha]
    if not run.trusted or not others or not run.id:
        return run
    return dataclasses.replace(run, trusted=False, why_untrusted=f"evidence of another commit ({others[0][:12]})")


def _cases(judged: Sequence[Judgement], bases: Sequence[Judgement], run: Run) -> list[Case]:
    """Pair each judged journal with the base's of the same playbook; one alone is of any name."""
    known = {findings.part(one.header): view(one) for one in bases}
    cases: list[Case] = []
    for one in judged:
        part = findings.part(one.header)
        alone = next(iter(known.values())) if len(known) == len(judged) == 1 else None
        same = sum(case.part == part or case.part.startswith(f"{part}.") for case in cases)
        name = f"{part}.{same + 1}" if same else part
        cases.append(Case(told=view(findings.completed(one, run)), part=name, base=known.get(part, alone)))
    return cases


def _client(repo: str, dry: bool) -> Client | None:
    token = os.environ.get("GITHUB_TOKEN", "")
    if not token and dry:
        return None
    if not token:
        raise UserError("GITHUB_TOKEN is not set", hint="hand the job's token on by `env:`, or use --dry-run")
    api = os.environ.get("GITHUB_API_URL") or API
    login = os.environ.get("REQUALIFY_LOGIN") or LOGIN
    return Client(repo, token, base_url=api, login=login, pause_s=PAUSE_S)


def _tell(done: Sequence[Told], work: Publication, wrong: str | None) -> None:
    """Print what was decided; keep it in the job's summary, or in a file when nothing else holds it."""
    click.echo(publish.listing(done), nl=False)
    if wrong:
        click.echo(f"action_required: {problems.check(wrong).title}")
    for notice in work.notices:
        click.echo(f"note: {notice}", err=True)
    target = os.environ.get(STEP_SUMMARY)
    if not target and work.untold:
        target = FILE
        click.echo(f"note: GitHub took nothing; the report is in {FILE}", err=True)
    if target and not work.dry:
        text = publish.summary(done, [*work.notices, *work.failed])
        try:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(text + (problems.check(wrong).summary if wrong else ""))
        except OSError as error:
            # what was published stays published; the summary repeats it
            click.echo(f"note: no summary: {spelled(target, lines=False)}: {error.strerror}", err=True)
