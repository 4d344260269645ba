"""What every toolchain offers, a module or an object: commands to run, never a conversion by itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Toolchain(Protocol):
    """A converter under test."""

    @property
    def NAME(self) -> str:  # noqa: N802
        """What playbooks call it."""

    @property
    def FORMATS(self) -> tuple[str, ...]:  # noqa: N802
        """The formats it reads or writes."""

    @property
    def USAGE(self) -> frozenset[int]:  # noqa: N802
        """Exit codes by which it says that it was called wrongly: our mistake, not its own."""

    # the first reason found why it cannot be used on this machine, None when it can
    def unavailable(self) -> str | None: ...

    # why this pair cannot be converted, None when it can
    def unsupported(self, source: str, target: str, dtype: str | None) -> str | None: ...

    def convert_argv(
        self, source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()
    ) -> tuple[str, ...]: ...

    def version_argv(self) -> tuple[str, ...]: ...

    # the file or folder a result of that format gets
    def target_name(self, fmt: str) -> str: ...

    # what its process finds in its environment beside ours
    def environment(self) -> Mapping[str, str]: ...
