"""Tells what a judged run found: Markdown, HTML, JUnit and JSON, all from one View."""

import os
import re
import tempfile
from pathlib import Path

from bot.errors import UserError
from bot.report.junit import junit_xml
from bot.report.render import issue, report_html, report_md, step_summary
from bot.report.story import Story
from bot.report.verdicts import verdicts_json
from bot.report.view import View, view
from bot.triage.judge import Judgement

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def write_all(judgement: Judgement, out_dir: Path) -> list[Path]:
    """Write every report into `out_dir`, each whole or not at all; return the paths, issues last.

    Issue texts of an earlier judgement that this one no longer has are removed. Raises UserError when the
    folder cannot be written. The job summary is appended to when GITHUB_STEP_SUMMARY names one.
    """
    told = view(judgement)
    files = {
        "verdicts.json": verdicts_json(judgement).encode(),
        "report.md": report_md(told).encode(),
        "report.html": report_html(told).encode("utf-8", "replace"),
        "junit.xml": junit_xml(told),
    }
    for story in told.stories:
        files.setdefault(issue_name(story.finding.id), issue_text(told, story).encode())
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for stale in out_dir.glob("issue-*.md"):
            if stale.name not in files:
                stale.unlink()
        written = [_write(out_dir / name, data) for name, data in files.items()]
    except OSError as error:
        raise UserError(f"cannot write the report: {error.strerror}", where=str(out_dir)) from None
    append_step_summary(told)
    return written


def issue_text(told: View, story: Story) -> str:
    """Return the text of one issue as a file: the title as its heading."""
    title, body = issue(told, story)
    return f"# {title}\n\n{body}"


def issue_name(cause: str) -> str:
    """Return the file name of a cause's issue; an id is hostile when the journal is."""
    return f"issue-{re.sub(r'[^A-Za-z0-9-]', '-', cause)[:60]}.md"


def append_step_summary(told: View) -> Path | None:
    """Append the report to the job summary when GITHUB_STEP_SUMMARY names one."""
    target = os.environ.get(STEP_SUMMARY)
    if not target:
        return None
    path = Path(target)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(step_summary(told) + "\n")
    except OSError as error:
        raise UserError(f"cannot write the job summary: {error.strerror}", where=target) from None
    return path


def _write(path: Path, data: bytes) -> Path:
    """Write a file under a temporary name, then put it in place."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
