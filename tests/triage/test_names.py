"""Tensors lost, added, misspelled; layers, biases and heads."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file
from triage.families import defects, named, planted

from bot.records import CauseKind
from bot.triage.investigate import diagnose

Model = Callable[[str], Path]
CASES = [
    *((arch, "NAME-001", target) for arch, target in (("llama", "gguf"), ("qwen2", "safetensors"), ("gpt2", "apr"))),
    *((arch, "NAME-002", target) for arch in ("llama", "gpt2") for target in ("gguf", "apr", "safetensors")),
    *(("qwen2", "NAME-003", target) for target in ("gguf", "safetensors")),
    *(("llama", "NAME-005", target) for target in ("gguf", "apr")),
    ("qwen2", "NAME-007", "gguf"), ("llama-bias", "NAME-007", "apr"), ("gpt2", "NAME-007", "safetensors"),
    *((arch, "NAME-008", target) for arch in ("llama", "llama-tied") for target in ("gguf", "safetensors")),
]  # fmt: skip


@pytest.mark.parametrize(("arch", "cause", "target"), CASES)
def test_a_name_defect_is_named_alone(arch: str, cause: str, target: str, model: Model, tmp_path: Path) -> None:
    found = planted(model(arch), tmp_path, target, cause)
    assert defects(found) == [cause]
    assert named(found, cause).tensors


def test_what_was_lost_is_listed(model: Model, tmp_path: Path) -> None:
    found = named(planted(model("llama"), tmp_path, "gguf", "NAME-001:layer=1,*self_attn*"), "NAME-001")
    assert set(found.tensors) == {f"model.layers.1.self_attn.{part}_proj.weight" for part in "qkvo"}
    assert "layer 1, 1 of 2" in (found.pattern or "")


def rewritten(source: Path, folder: Path, change: Callable[[dict], dict]) -> Path:
    shutil.copytree(source, folder)
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return folder


def test_names_nobody_knows_are_recognised_by_their_values(model: Model, tmp_path: Path) -> None:
    def renamed(tensors: dict) -> dict:
        return {name.replace("self_attn.q_proj", "att.query"): values for name, values in tensors.items()}

    found = diagnose(model("llama"), rewritten(model("llama"), tmp_path / "b", renamed))
    assert defects(found) == ["NAME-002"]
    assert set(named(found, "NAME-002").tensors) == {f"model.layers.{i}.self_attn.q_proj.weight" for i in (0, 1)}


def test_names_nobody_knows_over_other_values_are_losses(model: Model, tmp_path: Path) -> None:
    def renamed(tensors: dict) -> dict:
        return {
            name.replace("0.self_attn.q_proj", "0.att.query"): values * 2 if "0.self_attn.q" in name else values
            for name, values in tensors.items()
        }

    found = diagnose(model("llama"), rewritten(model("llama"), tmp_path / "b", renamed))
    assert set(defects(found)) == {"NAME-001", "NAME-003"}


def test_buffers_of_old_checkpoints_clear(model: Model, tmp_path: Path) -> None:
    def with_buffer(tensors: dict) -> dict:
        values = tensors["model.norm.weight"][:16].copy()
        return {**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": values}

    found = diagnose(model("llama"), rewritten(model("llama"), tmp_path / "b", with_buffer))
    assert [(f.id, f.kind) for f in found.findings] == [("NAME-003", CauseKind.CLEARS)]
    assert found.verdict == "within-budget"


def test_a_copy_of_the_embedding_as_head_clears_and_another_head_does_not(model: Model, tmp_path: Path) -> None:
    embedding = "model.embed_tokens.weight"
    copied = rewritten(model("llama-tied"), tmp_path / "b", lambda t: {**t, "lm_head.weight": t[embedding].copy()})
    found = diagnose(model("llama-tied"), copied)
    assert [(f.id, f.kind) for f in found.findings] == [("NAME-008", CauseKind.CLEARS)]
    # and the other way round: left out, though in A it is no more than a copy
    assert defects(diagnose(copied, model("llama-tied"))) == []
