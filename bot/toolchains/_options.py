"""Options a playbook gives to a toolchain: read once, unknown ones refused by name."""

from collections.abc import Mapping
from typing import Any

from bot.errors import UserError

Options = Mapping[str, Any]
WHERE = "toolchain options"


def known(options: Options, *names: str, toolchain: str) -> None:
    """Refuse an option the toolchain does not have."""
    for name in options:
        if name not in names:
            hint = f"it has {', '.join(names)}" if names else "it has none"
            raise UserError(f"{toolchain} has no option {name!r}", where=WHERE, hint=hint)


def text(options: Options, name: str, default: str | None = None) -> str | None:
    """Return an option that must be text."""
    value = options.get(name, default)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{name} must be text", where=WHERE)
    return value


def words(options: Options, name: str) -> tuple[str, ...]:
    """Return an option that must be a list of words: an argv."""
    value = options.get(name, ())
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise UserError(
            f"{name} must be a list of words", where=WHERE, hint='such as ["mytool", "{source}", "{target}"]'
        )
    return tuple(value)
