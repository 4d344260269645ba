"""`requalify handle EVENT_JSON`: obeys a `/requalify` in a comment."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from bot.cli import PATH
from bot.errors import UserError
from bot.github import event

PAUSE_S = 1.0  # between writes, as GitHub asks
PLAYBOOKS = Path("playbooks")


def now() -> datetime:
    """Return the time by which ages are told."""
    return datetime.now(UTC)


@click.command("handle")
@click.argument("path", metavar="EVENT_JSON", type=PATH)
def command(path: Path) -> None:
    """Obey the command in a comment, if it holds one and its author may give it.

    EVENT_JSON is an `issue_comment` event (GITHUB_EVENT_PATH). The API is that of GITHUB_API_URL, the token
    GITHUB_TOKEN. Prints what was done; exit status 0 also for what is ignored, denied or refused.
    """
    comment = event.comment(event.load(path))
    if not event.may_hold_command(comment):
        click.echo("ignored: no command")
        return
    click.echo(_handled(comment))


def _handled(comment: event.Comment) -> str:
    from bot.gates import ALL
    from bot.github.client import API, LOGIN, Client, TalkError
    from bot.github.handle import Handler

    token = os.environ.get("GITHUB_TOKEN", "")
    if not token:
        raise UserError("GITHUB_TOKEN is not set", hint="hand the job's token on by `env:`")
    api = os.environ.get("GITHUB_API_URL") or API
    login = os.environ.get("REQUALIFY_LOGIN") or LOGIN
    client = Client(comment.repository, token, base_url=api, login=login, pause_s=PAUSE_S)
    try:
        return Handler(client, comment, ALL.keys(), _models(comment), now()).handle()
    except TalkError as error:
        raise UserError(str(error), where=comment.url, hint="deliver the event again, or repeat the comment") from None


def _models(comment: event.Comment) -> set[str]:
    """Return the models of the playbooks here; read only when the comment names one."""
    if "--model" not in comment.body[:4096] or not PLAYBOOKS.is_dir():
        return set()
    from bot import playbook

    found = set()
    for path in sorted(PLAYBOOKS.rglob("*.yaml"))[:200]:
        try:
            found.add(playbook.load(path).model.name)
        except UserError:
            continue  # a playbook with mistakes names no model; `plan` says what is wrong with it
    return found
