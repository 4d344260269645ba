"""Two causes on one tensor, and causes limited to a part: what one hides of the other is seen through."""

from pathlib import Path

import pytest
import tiny
from triage.families import defects, named, planted, source

from bot.triage.hypotheses import ALL


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
    ],
)
def test_both_causes_on_one_tensor_are_named(
    models: Path, tmp_path: Path, arch: str, target: str, dtype: str | None, causes: tuple[str, ...]
) -> None:
    assert all(cause in ALL for cause in causes)
    found = planted(source(models, arch), tmp_path, target, *causes, dtype=dtype)
    assert set(defects(found)) == set(causes)
    assert found.unexplained == ()


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
