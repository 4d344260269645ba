"""transformers as a converter: reads a GGUF, writes a Hugging Face folder, in a child that runs this module."""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NAME = "transformers"
FORMATS = ("gguf", "safetensors")
USAGE: frozenset[int] = frozenset({2})
DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
_PACKAGE = Path(__file__).parents[2]


def unavailable() -> str | None:
    """Return why it cannot be used here."""
    return None if importlib.util.find_spec("transformers") else "pip install 'requalify[suite]'"


def unsupported(source: str, target: str, dtype: str | None) -> str | None:
    """Return why a pair cannot be converted."""
    if (source, target) != ("gguf", "safetensors"):
        return f"converts gguf to safetensors only, not {source} to {target}"
    if dtype and dtype.lower() not in DTYPES:
        return f"writes {', '.join(DTYPES)}, not {dtype.lower()}"
    return None


def convert_argv(
    source: Path, target: Path, dtype: str | None, plants: Sequence[str] = ()  # noqa: ARG001 - as every toolchain's
) -> tuple[str, ...]:  # fmt: skip
    """Return the command that converts `source` into the folder `target`."""
    return (sys.executable, "-m", "bot.toolchains.transformers", str(source), str(target), (dtype or "f32").lower())


def version_argv() -> tuple[str, ...]:
    """Return the command that prints its version."""
    return (sys.executable, "-c", "import importlib.metadata as m; print('transformers', m.version('transformers'))")


def target_name(fmt: str) -> str:
    """Return the folder a result gets."""
    return fmt


def environment() -> Mapping[str, str]:
    """Return what makes this package importable, and keeps transformers from asking the hub."""
    paths = [str(_PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def main(source: Path, target: Path, dtype: str) -> None:
    """Load a GGUF with its tokenizer and save both."""
    import transformers

    folder, name = str(source.parent), source.name
    kind: Any = DTYPES[dtype]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=kind)
    # weights were decoded on loading; the mark would make the next loader look for blocks
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(target)
    transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
