"""Files that break their format's laws, and tensors that do not lie where the table says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from triage.families import defects, named, planted

from bot.errors import UserError
from bot.triage.investigate import diagnose

Model = Callable[[str], Path]
CASES = [
    *((f"FILE-00{n}", target) for n in (1, 2, 4, 8) for target in ("gguf", "apr", "safetensors")),
    ("FILE-003", "gguf"), ("FILE-005", "safetensors"), ("FILE-009", "apr"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "target"), CASES)
def test_a_damaged_file_is_named_alone(cause: str, target: str, model: Model, tmp_path: Path) -> None:
    found = planted(model("llama"), tmp_path, target, cause)
    assert defects(found) == [cause]
    assert found.verdict == "faulty"
    assert named(found, cause).evidence_for


def test_a_source_that_cannot_be_read_is_the_users_mistake(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"a\.gguf"):
        diagnose(tmp_path / "a.gguf", model("llama"))


def test_a_result_that_is_no_model_is_a_finding_and_a_mistyped_path_is_not(model: Model, tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<!DOCTYPE html><html>not found</html>")
    assert defects(diagnose(model("llama"), tmp_path / "page.gguf")) == ["FILE-002"]
    with pytest.raises(UserError, match="no such file"):
        diagnose(model("llama"), tmp_path / "mistyped.gguf")


def test_a_stale_shard_beside_the_index(tmp_path: Path) -> None:
    import tiny

    source = tiny.hf(tmp_path / "a", "llama", max_shard_size="300KB")
    result = tiny.hf(tmp_path / "b", "llama", max_shard_size="300KB")
    first = next(result.glob("model-00001-of-*.safetensors"))
    (result / "model-00001-of-00009.safetensors").write_bytes(first.read_bytes())
    assert defects(diagnose(source, result)) == ["FILE-007"]
    first.unlink()
    assert "FILE-006" in defects(diagnose(source, result))
