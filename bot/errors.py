"""The two kinds of error, and what the process exits with."""

import enum


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    HELD = 0
    FALSIFIED = 1
    USER = 2
    BUG = 3
    UNJUDGED = 4


def spelled(text: str, *, lines: bool = True) -> str:
    """Return text with every character that a terminal may obey, or not show, as its escape."""
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


class UserError(Exception):
    """Something the person at the keyboard can mend: says what, where and what to do (exit 2)."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        # a path is one line, whatever its name holds; the other two may be lists
        self.what, self.where, self.hint = spelled(what), spelled(where, lines=False), spelled(hint)
        place = ": ".join(part for part in (self.where, self.what) if part)
        super().__init__(place + (f" ({self.hint})" if hint else ""))
