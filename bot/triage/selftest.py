"""Plants every plantable cause in a conversion of a model, one by one, and asks triage what is wrong."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bot.errors import UserError
from bot.records import CauseKind
from bot.toolchains import conversion, specimen
from bot.toolchains.plants import NothingToPlantError, parse, plantable
from bot.triage import hypotheses, investigate

# targets a plant is tried in until it finds something to change: file name, element type asked for
ATTEMPTS: tuple[tuple[str, str | None], ...] = (
    ("model.gguf", None),
    ("model.safetensors", None),
    ("model.gguf", "q8_0"),
    ("model.gguf", "q4_0"),
    ("model.apr", None),
    ("model.gguf", "f16"),
    ("model.gguf", "bf16"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One planted cause and what was found."""

    planted: str
    model: str = ""
    target: str | None = None  # None: no conversion of this model has anything to plant it in
    found: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()

    @property
    def right(self) -> bool | None:
        """Tell whether the planted cause is the first one named; None when it could not be planted."""
        if self.target is None:
            return None
        if hypotheses.ALL[self.planted].KIND is CauseKind.CLEARS:
            # what a rounding hides is cleared as rounding
            return bool(self.found) and not self.defects
        return self.found[:1] == (self.planted,)


def trials(
    sources: Sequence[Path], folder: Path, causes: Sequence[str] = (), progress: Callable[[str], None] | None = None
) -> Iterator[Trial]:
    """Yield a trial for each cause, in the first model and target where it can be planted."""
    for cause in causes or plantable():
        if progress:
            progress(cause)
        yield _trial(cause, sources, folder)


def specimens(folder: Path) -> list[Path]:
    """Write the small models that are tested when the user names none."""
    return [specimen.write(folder / name, name) for name in specimen.ARCHITECTURES]


def _trial(cause: str, sources: Sequence[Path], folder: Path) -> Trial:
    for source in sources:
        for name, dtype in ATTEMPTS:
            made = _planted(cause, source, folder / "planted" / name, dtype)
            if made is not None:
                done = investigate.diagnose(source, made, asked=dtype or "")
                return Trial(
                    planted=cause, model=source.name, target=f"{name.rpartition('.')[2]} {dtype or ''}".strip(),
                    found=tuple(finding.id for finding in done.findings),
                    defects=tuple(f.id for f in done.findings if f.kind is not CauseKind.CLEARS),
                )  # fmt: skip
    return Trial(planted=cause)


def _planted(cause: str, source: Path, target: Path, dtype: str | None) -> Path | None:
    """Convert with the plant, in an empty folder; None when there is nothing to plant, or no such conversion."""
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    try:
        conversion.convert(source, target, dtype=dtype, plants=[parse(cause)])
    except NothingToPlantError:
        return None
    except UserError:
        if dtype is None:
            raise
        return None  # this model has no such conversion, planted or not
    return target
