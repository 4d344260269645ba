"""Converters under test, by the name playbooks give them. Each says how it is called; the suite calls it."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.errors import UserError
from bot.toolchains import reference
from bot.toolchains._base import Toolchain

__all__ = ["REGISTRY", "Toolchain", "toolchain"]

Options = Mapping[str, Any]


def _reference(options: Options) -> Toolchain:
    if options:
        raise UserError(f"the reference toolchain has no option {sorted(options)[0]!r}", where="toolchain_options")
    return reference


# name -> how it is made of a playbook's options
REGISTRY: dict[str, Callable[[Options], Toolchain]] = {"reference": _reference}


def toolchain(name: str, options: Options | None = None) -> Toolchain:
    """Return a toolchain by name. Raises UserError for an unknown one or for options it does not have."""
    if name not in REGISTRY:
        raise UserError(f"no toolchain is called {name!r}", hint=f"known: {', '.join(REGISTRY)}")
    return REGISTRY[name](options or {})
