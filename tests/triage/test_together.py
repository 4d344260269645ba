"""Two causes on one tensor, and causes limited to a part: what one hides of the other is seen through."""

from pathlib import Path

import numpy as np
import pytest
import tiny
from triage.families import defects, named, planted, source

from bot.triage.beneath import moved_back
from bot.triage.hypotheses import ALL
from bot.triage.moves import Move


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(
    ("arch", "target", "dtype", "causes"),
    [
        # values changed beyond recognition, in a layer that its vectors give away
        ("qwen3", "apr", None, ("NAME-004", "VALUE-005")),
        ("phi3", "gguf", None, ("NAME-004", "VALUE-006")),
        # another reading under what adapts to much
        ("gemma3", "gguf", "q4_0", ("QUANT-002", "VALUE-006")),
        # blocks without numbers hide what they held
        ("qwen3", "gguf", "q8_0", ("QUANT-006", "VALUE-006")),
        # scaled before it was transposed: no longer in blocks
        ("gpt2", "apr", None, ("LAYOUT-002", "VALUE-005")),
        ("phi3", "apr", None, ("LAYOUT-003", "ROPE-003")),
        # damaged before it was transposed: no longer in runs, and of low rank
        ("gpt2", "gguf", "q4_0", ("LAYOUT-002", "VALUE-010")),
        # one of them stands on other tensors by itself and is undone first
        ("gemma3", "gguf", "q4_0", ("NAME-006", "QUANT-001")),
        ("mixtral", "gguf", "q4_0", ("LAYOUT-005", "QUANT-003")),
        ("qwen2", "gguf", "q8_0", ("LAYOUT-006", "QUANT-004")),
        ("phi3", "apr", None, ("LAYOUT-001", "LAYOUT-006")),
        ("mixtral", "safetensors", None, ("NAME-006", "VALUE-005")),
        ("llama", "gguf", "bf16", ("NAME-006", "DTYPE-004")),
        # behind a wrong label everything else is open
        ("qwen2", "gguf", "q8_0", ("DTYPE-005", "QUANT-003")),
        ("gpt2", "gguf", "q4_0", ("DTYPE-005", "VALUE-006")),
        ("llama", "gguf", "q4_0", ("QUANT-001", "QUANT-003")),
        # damage is fitted by whatever is fitted to all rows
        ("qwen2", "safetensors", None, ("VALUE-007", "VALUE-010")),
    ],
)
def test_both_causes_on_one_tensor_are_named(
    models: Path, tmp_path: Path, arch: str, target: str, dtype: str | None, causes: tuple[str, ...]
) -> None:
    assert all(cause in ALL for cause in causes)
    found = planted(source(models, arch), tmp_path, target, *causes, dtype=dtype)
    assert set(defects(found)) == set(causes)
    assert found.unexplained == ()


def test_a_float_cut_under_another_label_is_both(models: Path, tmp_path: Path) -> None:
    """The label alone comes near enough, and leaves what only cutting explains to the last bit."""
    found = planted(source(models, "gpt2"), tmp_path, "gguf", "DTYPE-002", "DTYPE-004", dtype="f16")
    assert set(defects(found)) == {"DTYPE-002", "DTYPE-004"}


def test_a_label_put_back_on_a_label_restores_nothing(models: Path, tmp_path: Path) -> None:
    """A bias of few numbers that is nearly right is garbage under any label, and right again under its own."""
    hf = tiny.hf(models / "halves", "gpt2", dtype="float16", seed=2)
    found = planted(hf, tmp_path, "apr", "DTYPE-003", "LAYOUT-007")
    assert "LAYOUT-007" in defects(found)
    assert "DTYPE-005" not in defects(found)


def test_a_type_nobody_asked_for_is_seen_under_another_cause(models: Path, tmp_path: Path) -> None:
    found = planted(source(models, "phi3"), tmp_path, "gguf", "DTYPE-007", "QUANT-006", dtype="bf16")
    assert set(defects(found)) == {"DTYPE-007", "QUANT-006"}


@pytest.mark.parametrize("cause", ["DTYPE-004", "QUANT-005", "QUANT-007"])
def test_a_cause_that_brings_its_own_type_is_not_blamed_for_it(models: Path, tmp_path: Path, cause: str) -> None:
    fmt, dtype = ("apr", None) if cause == "QUANT-007" else ("gguf", "q4_0" if cause == "QUANT-005" else "f16")
    assert defects(planted(source(models, "llama"), tmp_path, fmt, cause, dtype=dtype)) == [cause]


def test_a_move_that_makes_up_values_is_not_undone() -> None:
    """Rows put into a vocabulary are nobody's: where they came from cannot be asked."""
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    made_up = Move(causes=("LAYOUT-006",), label="", predict=lambda x, _: x + np.float32(0.5), shape=x.shape)
    with pytest.raises(ValueError, match="makes up"):
        moved_back(made_up, x, x)
    turned = Move(causes=(), label="", predict=lambda x, rows: x[::-1][rows], shape=x.shape)
    np.testing.assert_array_equal(moved_back(turned, x, x[::-1]), x)


def test_what_adapts_to_much_is_held_against_rivals_in_every_layer(models: Path, tmp_path: Path) -> None:
    """A wrong block scale is a factor of each block as well, which is what the layer before was found to have."""
    found = planted(source(models, "qwen2"), tmp_path, "gguf", "VALUE-005:layer=0", "QUANT-002:layer=1", dtype="q4_0")
    assert set(defects(found)) == {"VALUE-005", "QUANT-002"}


def test_one_head_of_a_bias_is_enough(models: Path, tmp_path: Path) -> None:
    hf = tiny.hf(models / "grouped", "qwen2", num_attention_heads=4, num_key_value_heads=2)
    found = planted(hf, tmp_path, "gguf", "ROPE-003:head=0")
    assert defects(found) == ["ROPE-003"]
    assert {name.rpartition(".")[2] for name in named(found, "ROPE-003").tensors} == {"weight", "bias"}


def test_rows_without_padding_leave_no_zeroed_tensor(models: Path, tmp_path: Path) -> None:
    """A router is so small that all its rows but the first lie in what looks like padding."""
    found = planted(source(models, "mixtral"), tmp_path, "apr", "QUANT-007")
    assert defects(found) == ["QUANT-007"]
    assert any(name.endswith("gate.weight") for name in named(found, "QUANT-007").tensors)


def test_a_source_of_numbers_is_never_blamed(models: Path, tmp_path: Path) -> None:
    """Under a wrong label and in another layer, a tensor read with swapped bytes is no number in many places."""
    hf = tiny.hf(models / "half", "phi3", dtype="float16")
    assert "DTYPE-008" not in defects(planted(hf, tmp_path, "apr", "DTYPE-004", "NAME-004"))
