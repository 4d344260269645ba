"""The two kinds of error, and what the process exits with."""

import enum


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    HELD = 0
    FALSIFIED = 1
    USER = 2
    BUG = 3
    UNJUDGED = 4


class UserError(Exception):
    """Something the person at the keyboard can mend: says what, where and what to do (exit 2)."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(": ".join(part for part in (where, what) if part) + (f" ({hint})" if hint else ""))
