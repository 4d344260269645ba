"""Every sentence the bot says on GitHub is a function here. Pure.

Foreign words (models, options, reasons) are printed as code spans, where nothing in them comes alive.
"""

import re
from collections.abc import Iterable, Sequence

from bot.github.model import Run, Seen, State

_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


def span(text: object, limit: int = 120) -> str:
    """Return foreign text as one code span on one line, fit for a table cell too."""
    line = " ".join(_HIDDEN.sub(" ", str(text)).split())[:limit].replace("|", "¦")
    if not line:
        return "—"
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def spans(items: Iterable[object], most: int = 8) -> str:
    """Return code spans joined by commas, the tail counted."""
    every = list(items)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(span(item) for item in every[:most]) + more


def _gates(count: int) -> str:
    return f"{count} gate{'s' * (count != 1)}"


def run_link(run: Run) -> str:
    """Return the run and its commit."""
    return f"[run {run.id}]({run.url}) on {span(run.sha[:12])}"


def grew(what: Sequence[str], run: Run) -> str:
    """Say that formats or backends joined an open issue."""
    return f"This now also shows on {spans(what)}: {run_link(run)}."


def closed(passes: int, run: Run, state: State) -> str:
    """Say that the issue is closed and on what proof."""
    cells = len({row.cell for row in state.rows})
    return (
        f"Closed: {_gates(cells)} of this issue held in {passes} runs in a row, under the definitions "
        f"by which {'they' if cells != 1 else 'it'} failed, on commits that contain the fix. Last: {run_link(run)}."
    )


def regressed(run: Run, since: str | None) -> str:
    """Say that a closed issue fails again on a commit that contains the close."""
    when = f"since {span(since[:12])}" if since else "since it was closed"
    return f"Regressed {when}: fails again in {run_link(run)}. Reopened."


def still_fails(run: Run) -> str:
    """Say once that an issue a person closed still fails."""
    return f"Closed by hand, and it still fails: {run_link(run)}. Nothing more will be said here until that changes."


def duplicate(of: int) -> str:
    """Say that this issue is a twin."""
    return f"Duplicate of #{of}: both have the same key. What was recorded here is kept there."


def flaky(run: Run) -> str:
    """Say that one commit both failed and passed."""
    return (
        f"Flaky: commit {span(run.sha[:12])} failed before and passed in {run_link(run)}, "
        "with the same gate definition. A longer streak is needed to close this now."
    )


def flaky_failed(run: Run) -> str:
    """Say that a commit whose gates held fails now."""
    return (
        f"Flaky: gates that held on commit {span(run.sha[:12])} fail in {run_link(run)}, the commit being the same. "
        "A longer streak is needed to close this now."
    )


def correction(old: str, seen: Seen, run: Run) -> str:
    """Withdraw a hypothesis that a later run refuted."""
    return (
        f"**CORRECTION.** The cause {span(old)} claimed here was refuted by an experiment of {run_link(run)}. "
        f"What stands now is {span(seen.cause)}. The description above was replaced; the old claim is struck."
    )


def corrected_banner(old: Sequence[str], now: str) -> str:
    """Return the line above a description whose claim was replaced."""
    struck = ", ".join(f"~~{span(item)}~~" for item in old)
    return f"> **CORRECTION**: {struck} was claimed here and refuted since; what stands is {span(now)}."


def earlier(number: int) -> str:
    """Link the issue that came before a new one."""
    return f"Earlier: #{number}."


def umbrella_title(count: int, toolchain: str) -> str:
    """Return the title of an umbrella issue."""
    return f"{count} new conversion failures at once ({toolchain[:60]})"


def umbrella_body(members: Sequence[Seen]) -> str:
    """List the causes an umbrella gathers."""
    lines = [f"- {span(item.cause)}: {span(item.title, 200)} ({_gates(len(item.cells))})" for item in members]
    return "\n".join(
        [
            "So many new causes in one run are more often one change of the environment than as many defects.",
            "They are gathered here instead of flooding the board.",
            "",
            *lines,
        ]
    )


def tracking(state: State, needed: int) -> str:
    """Return the bot's own section: the rows with what each still needs, and since when."""
    rows = [
        (row.model, row.cell, row.first[:10], row.last[:10], row.outcome, f"{min(row.passes, needed)} of {needed}")
        for row in state.rows[:60]
    ]
    left = len(state.rows) - len(rows) + state.dropped
    good = f"last good {span(state.good_sha[:12])}, " if state.good_sha else ""
    note = f"{left} more rows are not shown." + (
        " There are too many to close this by itself." if state.dropped else ""
    )
    return "\n".join(
        [
            "## Seen On",
            "",
            "| Model | Gate | First | Last | Now | Held in a Row |",
            "| --- | --- | --- | --- | --- | --- |",
            *("| " + " | ".join(map(span, row)) + " |" for row in rows),
            *(["", note] if left else []),
            "",
            "## Since When",
            "",
            f"- {good}first bad {span(state.first_sha[:12])}, last bad {span(state.last_sha[:12])}",
            *(f"- Changed between: {span(change, 200)}" for change in state.since[:20]),
            "",
            _closes_when(needed),
        ]
    )


def _closes_when(needed: int) -> str:
    return (
        f"Closes by itself when every gate above held in {needed} runs in a row, under the definition by which it "
        "failed, on commits that contain the last failing one."
    )
