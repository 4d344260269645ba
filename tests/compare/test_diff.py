"""Two checkpoints compared tensor by tensor, whatever they are stored in."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tiny
from click.testing import CliRunner

from bot.cli.diff import command
from bot.compare import diff
from bot.compare.diff import Agreement, DiffReport, compare
from bot.errors import UserError
from bot.formats import open_checkpoint
from bot.formats.view import canonical
from bot.toolchains import conversion

CONFIG = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
HEAD, EMBEDDING, NORM = "lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"


def folder(path: Path, **tensors: np.ndarray) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    names = {"head": HEAD, "embedding": EMBEDDING, "norm": NORM}
    contiguous = {names.get(name, name): np.ascontiguousarray(values) for name, values in tensors.items()}
    safetensors.numpy.save_file(contiguous, path / "model.safetensors")
    return path


def compared(a: Path, b: Path) -> DiffReport:
    left = canonical(open_checkpoint(a))
    return compare(left, canonical(open_checkpoint(b), trusted=left))


def matrix(seed: int = 0, rows: int = 8, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.02, (rows, width)).astype(np.float32)


def test_one_changed_bit_differs(tmp_path: Path) -> None:
    values = matrix()
    turned = values.copy()
    turned.view(np.uint32)[5, 7] ^= 1
    report = compared(folder(tmp_path / "a", embedding=values), folder(tmp_path / "b", embedding=turned))
    (tensor,) = report.tensors
    assert tensor.verdict is Agreement.DIFFERS
    assert (tensor.tolerance, tensor.rel_rmse) == (0.0, pytest.approx(0.0, abs=1e-6))
    assert tensor.rel_rmse and not report.agrees


def test_chunks_add_up_to_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of a streamed comparison are those of the whole arrays."""
    values, other = matrix(0, 37), matrix(1, 37)
    other[:5] = values[:5]
    a, b = folder(tmp_path / "a", embedding=values), folder(tmp_path / "b", embedding=other)
    monkeypatch.setattr(diff, "CHUNK", 3 * 64)
    (tensor,) = compared(a, b).tensors
    s, d = values.astype(np.float64), other.astype(np.float64)
    assert tensor.rel_rmse == pytest.approx(np.linalg.norm(d - s) / np.linalg.norm(s), rel=1e-6)
    assert tensor.max_abs == pytest.approx(np.abs(d - s).max(), rel=1e-6)
    assert tensor.cosine == pytest.approx((s * d).sum() / np.linalg.norm(s) / np.linalg.norm(d), rel=1e-6)


def test_nan_is_equal_only_to_its_own_bits(tmp_path: Path) -> None:
    nothing = np.full((2, 32), np.nan, np.float32)
    a = folder(tmp_path / "a", embedding=nothing)
    assert compared(a, folder(tmp_path / "b", embedding=nothing)).tensors[0].verdict is Agreement.EQUAL
    for number, other in enumerate((np.zeros_like(nothing), -nothing)):
        (tensor,) = compared(a, folder(tmp_path / f"c{number}", embedding=other)).tensors
        assert tensor.verdict is Agreement.DIFFERS
        assert tensor.rel_rmse is not None and math.isnan(tensor.rel_rmse)


def test_empty_tensors_and_shapes(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", embedding=np.zeros((0, 64), np.float32), norm=np.ones(64, np.float32))
    assert compared(a, a).agrees
    b = folder(tmp_path / "b", embedding=np.zeros((1, 64), np.float32), norm=np.ones(64, np.float32))
    report = compared(a, b)
    assert (report.tensors[0].verdict, report.tensors[0].rel_rmse) == (Agreement.DIFFERS, None)
    nothing = folder(tmp_path / "c")
    assert not compared(nothing, nothing).agrees, "an empty comparison agrees on nothing"


@pytest.mark.parametrize("same", [True, False])
def test_a_tied_head_may_be_stored_and_must_be_the_embedding(tmp_path: Path, same: bool) -> None:
    values = matrix()
    tied = folder(tmp_path / "a", embedding=values)
    stored = folder(tmp_path / "b", embedding=values, head=values if same else matrix(1))
    assert compared(tied, stored).agrees is same
    report = compared(stored, tied)
    assert report.agrees is same
    assert list(report.missing_in_b) == ([] if same else [HEAD])


def test_missing_and_unknown_tensors_are_listed(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", embedding=matrix(), norm=np.ones(64, np.float32))
    b = folder(tmp_path / "b", embedding=matrix(), strange=np.ones(3, np.float32))
    report = compared(a, b)
    assert (report.missing_in_b, report.missing_in_a) == ((NORM,), ("strange",))
    assert not report.agrees


def test_a_quantized_result_is_recomputed_and_one_wrong_block_is_seen(tmp_path: Path) -> None:
    source = tiny.hf(tmp_path / "hf", "llama", tokenizer="")
    target = tmp_path / "m.gguf"
    conversion.convert(source, target, dtype="q8_0")
    report = compared(source, target)
    assert report.agrees
    assert {t.recomputed for t in report.tensors if t.dtype_b == "Q8_0"} == {True}
    info = open_checkpoint(target).tensors["blk.1.ffn_up.weight"]
    data = bytearray(target.read_bytes())
    block = slice(info.offset + 340, info.offset + 374)
    data[block] = data[info.offset : info.offset + 34]
    target.write_bytes(bytes(data))
    wrong = [t for t in compared(source, target).tensors if t.verdict is Agreement.DIFFERS]
    assert [(t.name, t.damaged_blocks, t.recomputed) for t in wrong] == [
        ("model.layers.1.mlp.up_proj.weight", 1, False)
    ]


def test_weights_of_a_heavy_tail_pass_when_the_quantizer_gives_them(tmp_path: Path) -> None:
    """Beyond the budget of the type, and yet exactly what its quantizer makes."""
    values = matrix(rows=4) * 1e-3
    values[:, ::32] = 1.0 + matrix(1, 4, 2)
    source, target = folder(tmp_path / "hf", embedding=values[:, :]), tmp_path / "m.gguf"
    noise = matrix(2, 4) * 3
    noise[:, ::32] = values[:, ::32]
    (source / "model.safetensors").unlink()
    safetensors.numpy.save_file({EMBEDDING: noise}, source / "model.safetensors")
    conversion.convert(source, target, dtype="q4_0")
    (tensor,) = compared(source, target).tensors
    assert tensor.recomputed is True and tensor.verdict is Agreement.WITHIN_BUDGET
    assert "bit for bit" in tensor.tolerance_reason


def test_memory_is_bounded_by_chunks_not_by_tensors(tmp_path: Path) -> None:
    import tracemalloc

    values = matrix(rows=200_000)  # 51 MB
    a, b = folder(tmp_path / "a", embedding=values), folder(tmp_path / "b", embedding=values + np.float32(1e-9))
    del values
    left = canonical(open_checkpoint(a))
    right = canonical(open_checkpoint(b), trusted=left)
    tracemalloc.start()
    compare(left, right)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48e6, f"{peak:.3g} bytes at once"


def run(*words: object) -> Any:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_the_command_prints_exactly_its_keys(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", embedding=matrix(), norm=np.full(64, np.nan, np.float32), other=np.ones(2, np.float32))
    b = folder(tmp_path / "b", embedding=matrix(), norm=np.zeros(64, np.float32), head=matrix())
    done = run(a, b, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["summary"] == {
        "tensors": 3, "equal": 2, "within_budget": 0, "differ": 1, "missing_in_a": [], "missing_in_b": ["other"],
    }  # fmt: skip
    keys = "name name_a name_b dtype_a dtype_b shape rel_rmse max_abs cosine tolerance verdict"
    assert all(set(tensor) == set(keys.split()) for tensor in found["tensors"])
    norm = next(tensor for tensor in found["tensors"] if tensor["name"] == NORM)
    assert (norm["verdict"], norm["rel_rmse"], norm["shape"]) == ("differs", None, [64])
    assert run(a, a).exit_code == 0
    assert "1 differ" in run(a, b).stdout


def test_the_command_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", embedding=matrix())
    with pytest.raises(UserError, match="no such file"):
        CliRunner().invoke(command, [str(tmp_path / "gone"), str(a)], catch_exceptions=False)
