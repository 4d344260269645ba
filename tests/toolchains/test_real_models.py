"""The two real models of the project: read, converted around all formats, equal to the last bit."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from bot.compare.diff import compare
from bot.formats import faults, open_checkpoint
from bot.formats.view import canonical
from bot.toolchains import conversion

CACHE = Path.home() / ".cache" / "requalify" / "models"
SMOLLM, QWEN = CACHE / "smollm2-135m-instruct-q4_1.gguf", CACHE / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"


def present(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.is_file(), reason=f"{path.name} is not here: make models")


pytestmark = pytest.mark.models


@present(SMOLLM)
def test_smollm_goes_around_all_formats(tmp_path: Path) -> None:
    original = canonical(open_checkpoint(SMOLLM))
    source = SMOLLM
    for name in ("one", "two.gguf", "three.apr", "four"):
        conversion.convert(source, tmp_path / name)
        source = tmp_path / name
        report = compare(original, canonical(open_checkpoint(source), trusted=original))
        assert (report.agrees, len(report.tensors)) == (True, 272)
        assert {tensor.verdict for tensor in report.tensors} == {"equal"}
    first, last = (tmp_path / name / "model.safetensors" for name in ("one", "four"))
    assert first.read_bytes() == last.read_bytes()


@present(QWEN)
def test_qwen_is_sound_and_decodes_as_gguf_py_does() -> None:
    assert faults(QWEN) == []
    found = open_checkpoint(QWEN)
    assert len(found.metadata["tokenizer.ggml.tokens"]) == 151936
    assert {info.dtype for info in found.tensors.values()} == {"F32", "Q5_0", "Q8_0", "Q6_K", "Q4_K"}
    seen = set()
    for name, info in found.tensors.items():
        if info.dtype not in seen and len(info.shape) == 2:
            seen.add(info.dtype)
            raw = found.raw(name).reshape(info.shape[0], -1)[:64]
            want = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[info.dtype])
            assert np.array_equal(found.values(name, slice(0, 64)), want), name
    assert len(seen) == 4
