"""Every sentence the bot answers to a command. Pure; foreign words are printed as code spans."""

from collections.abc import Sequence
from datetime import datetime

from bot.github.messages import span, spans

USAGE = """```text
/requalify [--gate ID]... [--model NAME]... [--backend cpu|gpu|all] [--sha 40HEX | --pr N@40HEX] [--plan]
/requalify help
```

On an issue of the bot: runs the gates of that issue on the default branch. `--gate` and `--model` choose others and may
be repeated, `--sha` tests a commit that is on a branch of this repository, `--pr` the head of a pull request.
`--plan` says what would run and runs nothing. Write access is needed."""


def help_text() -> str:
    """Explain the grammar."""
    return USAGE


def mistake(what: str) -> str:
    """Say what is wrong with a command and how it is written."""
    return f"{what}\n\n{USAGE}"


def planned(what: Sequence[str], where: str) -> str:
    """Say what would run."""
    lines = "\n".join(f"- {item}" for item in what)
    return f"This would run on {where}:\n\n{lines}\n\nNothing was started."


def started(what: Sequence[str], where: str) -> str:
    """Acknowledge a command before the run is started."""
    lines = "\n".join(f"- {item}" for item in what)
    return f"Started on {where}:\n\n{lines}\n\nThe result will replace this text."


def unstarted(why: str) -> str:
    """Say that GitHub refused to start the run."""
    return f"The run could not be started: {span(why, 200)}"


def uncertain() -> str:
    """Say that nobody knows whether the run was started."""
    return (
        "GitHub did not say whether the run was started. Nothing is sent twice: look at the Actions tab, and ask again "
        "if it is not there."
    )


def unknown_rights() -> str:
    """Deny for now, since it could not be told who asks."""
    return "GitHub could not say whether you may do this, so it was not done. This is temporary: please ask again."


def cooling(until: datetime) -> str:
    """Refuse because something was asked a moment ago."""
    return f"Asked too often: please ask again after {until:%H:%M} UTC."


def busy() -> str:
    """Refuse because a request of this issue is under way."""
    return "A request of this issue is under way (see above); please wait for its result."


def daily(most: int) -> str:
    """Refuse because a person's requests of the day are used up."""
    return f"{most} requests a person and day is the most here."


def edited() -> str:
    """Refuse because the comment is not what it was."""
    return "The comment was changed after it was written, so nothing was started. Please write a new one."


def moved(sha: str) -> str:
    """Refuse because the pull request moved on."""
    return f"The pull request's head is not that commit any more: it is {span(sha, 40)} now. Nothing was started."


def chosen(gates: Sequence[str], models: Sequence[str], backend: str) -> list[str]:
    """Return what a request runs, a line each."""
    return [
        f"gates: {spans(gates, 30)}" if gates else "all gates",
        f"models: {spans(models, 30)}" if models else "all models",
        f"backend: {span(backend)}",
    ]
