"""A run that never began because its playbook is wrong: mistakes with file and line. Pure but for `read`.

`problems.txt` holds what `requalify plan` printed: a mistake a line, `path:line: what is wrong`. It comes with
the evidence and is as hostile as that.
"""

import re
from pathlib import Path

from bot.errors import UserError
from bot.github.check import ANNOTATIONS, Check, note
from bot.report.markdown import cut, fence

NAME = "problems.txt"
_SIZE = 1 << 20
_LINE = re.compile(r"(?:error: )?(?![./])([A-Za-z0-9_./+-]{1,200}):(\d{1,6}): (.{1,2000})")


def read(folder: Path) -> str | None:
    """Return the mistakes a folder tells of; None when there are none. Raises UserError for what is no plain file."""
    path = folder / NAME
    if not path.is_symlink() and not path.exists():
        return None
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _SIZE:
        raise UserError("not a plain file of at most a megabyte", where=str(path))
    return path.read_text(encoding="utf-8", errors="replace").strip() or None


def check(text: str) -> Check:
    """Return the check that asks for a right playbook."""
    found = [match for line in text.splitlines() if (match := _LINE.fullmatch(line.strip()))]
    notes = [note(match[1], max(int(match[2]), 1), "failure", "playbook", match[3]) for match in found]
    count = len(text.splitlines())
    return Check(
        name="requalify playbooks",
        conclusion="action_required",
        title=cut(f"{count} mistake{'s' * (count != 1)} in playbooks: nothing was measured", 255),
        summary=f"No playbook could be run as it stands.\n\n{fence(text, limit=30_000)}\n",
        text="",
        annotations=tuple(notes)[:ANNOTATIONS],
    )
