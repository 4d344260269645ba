"""Converters under test, by the name playbooks give them. Each says how it is called; the suite calls it."""

from collections.abc import Callable
from types import ModuleType
from typing import cast

from bot.errors import UserError
from bot.toolchains import apr, command, llama_cpp, reference, transformers
from bot.toolchains._base import Toolchain
from bot.toolchains._options import Options, known

__all__ = ["REGISTRY", "Toolchain", "toolchain"]


def _module(module: ModuleType) -> Callable[[Options], Toolchain]:
    def of(options: Options) -> Toolchain:
        known(options, toolchain=module.NAME)
        return cast(Toolchain, module)

    return of


# name -> how it is made of a playbook's options
REGISTRY: dict[str, Callable[[Options], Toolchain]] = {
    reference.NAME: _module(reference),
    apr.Apr.NAME: apr.of,
    llama_cpp.LlamaCpp.NAME: llama_cpp.of,
    transformers.NAME: _module(transformers),
    command.Command.NAME: command.of,
}


def toolchain(name: str, options: Options | None = None) -> Toolchain:
    """Return a toolchain by name. Raises UserError for an unknown one or for options it does not have."""
    if name not in REGISTRY:
        raise UserError(f"no toolchain is called {name!r}", hint=f"known: {', '.join(REGISTRY)}")
    return REGISTRY[name](options or {})
