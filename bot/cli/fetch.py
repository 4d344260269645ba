"""`requalify fetch`: the evidence of a run, or what was kept by the last one, from GitHub's artifacts."""

import os
from datetime import timedelta
from pathlib import Path

import click

from bot.cli import PATH, REPOSITORY, make_folder
from bot.errors import UserError
from bot.github import artifacts, event
from bot.github.client import API


@click.command("fetch")
@click.option(
    "--repo", metavar="OWNER/NAME", type=REPOSITORY, envvar="GITHUB_REPOSITORY", required=True, help="The repository."
)
@click.option("--state", is_flag=True, help="Fetch what the last published run on the default branch kept.")
@click.option("--branch", help="The default branch; the event names it when this is not given.")
@click.option("--newer-than", type=float, metavar="DAYS", help="Fail when the state is older than this, or not there.")
@click.option("--out", type=PATH, required=True, help="Folder to write to.")
def command(repo: str, state: bool, branch: str | None, newer_than: float | None, out: Path) -> None:
    """Fetch evidence from the artifacts of the run the event speaks of, each shard in a folder of its own.

    Takes GITHUB_EVENT_PATH, GITHUB_API_URL and GITHUB_TOKEN as Actions sets them. Only small JSON files are
    unpacked; everything else is refused.
    """
    store = artifacts.Artifacts(repo, _variable("GITHUB_TOKEN"), os.environ.get("GITHUB_API_URL", API))
    make_folder(out)
    told = event.load(Path(_variable("GITHUB_EVENT_PATH")))
    if state:
        _state(store, branch or event.default_branch(told), newer_than, out)
    else:
        _evidence(store, event.run_id(told, os.environ), out)


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UserError(f"{name} is not set", hint="GitHub Actions sets it; a job has to hand the token on by `env:`")
    return value


def _state(store: artifacts.Artifacts, branch: str, newer_than: float | None, out: Path) -> None:
    found = store.newest_state(branch)
    if found is None and newer_than is None:
        click.echo("nothing was kept yet", err=True)
        return
    if found is None or (newer_than is not None and artifacts.age(found) > timedelta(days=newer_than)):
        last = f"the last is of {found.created:%Y-%m-%d %H:%M} UTC" if found else "there is none at all"
        raise UserError(
            f"nothing was published for {newer_than:g} days: {last}", where=branch,
            hint="look at the runs of qualify and publish: a runner may be gone, or the schedule disabled",
        )  # fmt: skip
    for path in store.unpack(found, out):
        click.echo(str(path))


def _evidence(store: artifacts.Artifacts, run: int, out: Path) -> None:
    found = store.of_run(run)
    if not found:
        click.echo(f"run {run} left no evidence", err=True)
    for artifact in found:
        if artifact.expired:
            click.echo(f"{artifact.name} is expired", err=True)
            continue
        for path in store.unpack(artifact, out / artifact.name.removeprefix("requalify-evidence-")):
            click.echo(str(path))
