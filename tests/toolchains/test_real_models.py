"""The two real models of the project: read, converted around all formats, equal to the last bit."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from click.testing import CliRunner

from bot.cli import group
from bot.compare.diff import compare
from bot.formats import faults, open_checkpoint
from bot.formats.view import canonical
from bot.toolchains import conversion

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.models


def test_smollm_goes_around_all_formats(smollm2: Path, tmp_path: Path) -> None:
    original = canonical(open_checkpoint(smollm2))
    source = smollm2
    for name in ("one", "two.gguf", "three.apr", "four"):
        conversion.convert(source, tmp_path / name)
        source = tmp_path / name
        report = compare(original, canonical(open_checkpoint(source), trusted=original))
        assert (report.agrees, len(report.tensors)) == (True, 272)
        assert {tensor.verdict for tensor in report.tensors} == {"equal"}
    first, last = (tmp_path / name / "model.safetensors" for name in ("one", "four"))
    assert first.read_bytes() == last.read_bytes()


def test_qwen_is_sound_and_decodes_as_gguf_py_does(qwen: Path) -> None:
    assert faults(qwen) == []
    found = open_checkpoint(qwen)
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


def test_the_seeds_model_holds_and_a_planted_transpose_is_named(qwen: Path, tmp_path: Path) -> None:
    """The playbook of the seed's model, its first conversion only: all of it takes longer than a test may."""
    book = ROOT / "playbooks" / "qwen2.5-coder-0.5b-quick.playbook.yaml"
    words = ["run", str(book), "--model", str(qwen), "--backend", "cpu", "--gates", "F-CONV-CARD-001/gguf-apr"]
    words += ["--gates", "F-CONTRACT-*/gguf-apr", "--gates", "F-CONV-IDEM-001*"]
    clean = CliRunner().invoke(group, [*words, "--gates", "F-CONV-G-A/*", "--out", str(tmp_path / "clean")])
    assert (clean.exit_code, clean.exception) == (0, None), clean.output[-2000:]
    planted = ["--gates", "F-CONV-COM-001*", "--plant", "LAYOUT-002:layers=0-1"]
    found = CliRunner().invoke(group, [*words, *planted, "--out", str(tmp_path / "planted")])
    assert found.exit_code == 1, found.output[-2000:]
    assert [path.name for path in (tmp_path / "planted").glob("issue-*.md")] == ["issue-LAYOUT-002.md"]
