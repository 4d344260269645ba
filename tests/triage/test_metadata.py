"""Hyper-parameters lost or changed are named by their cause, and nothing else is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from triage.families import defects, named, planted

from bot.compare.settings import differences
from bot.formats.config_model import ModelConfig
from bot.records import Confidence

Model = Callable[[str], Path]

LLAMA = ("ROPE-005", "ROPE-007", "META-001", "META-002", "META-006", "META-007", "META-008", "META-009")
CASES = [
    *(("llama", cause, target) for cause in LLAMA for target in ("gguf", "safetensors")),
    *(("llama", cause, "apr") for cause in ("ROPE-005", "META-002", "META-006", "META-009")),
    *(("gemma3", cause, "gguf") for cause in ("META-003", "META-004", "META-001")),
    *(("qwen3", "LAYOUT-009", target) for target in ("gguf", "apr", "safetensors")),
    ("mixtral", "META-005", "gguf"),
    ("gpt2", "META-001", "gguf"), ("gpt2", "META-006", "apr"),
]  # fmt: skip


@pytest.mark.parametrize(("arch", "cause", "target"), CASES)
def test_a_changed_key_is_named_alone(arch: str, cause: str, target: str, model: Model, tmp_path: Path) -> None:
    found = planted(model(arch), tmp_path, target, cause)
    assert defects(found) == [cause]
    assert found.verdict == "faulty"
    finding = named(found, cause)
    assert finding.confidence is Confidence.HIGH
    assert finding.explained == finding.suspect > 0
    assert finding.side == "B"
    assert all(str(tmp_path) in " ".join(argv) or str(model(arch)) in " ".join(argv) for argv in finding.commands)


def test_lost_scaling_of_rotary_frequencies(tmp_path: Path) -> None:
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64, "rope_theta": 10000.0}  # fmt: skip
    source = tiny.hf(tmp_path / "llama31", "llama", rope_parameters=rope)
    for target in ("gguf", "safetensors"):
        (tmp_path / target).mkdir()
        assert defects(planted(source, tmp_path / target, target, "ROPE-006")) == ["ROPE-006"]


def config(stated: dict[str, object], **derived: object) -> ModelConfig:
    return ModelConfig(architecture="qwen2", values={**derived, **stated}, stated={key: key for key in stated})


@pytest.mark.parametrize(
    ("a", "b", "causes"),
    [
        ({"rms_norm_eps": 1e-5}, {"rms_norm_eps": 9.99999975e-06}, []),  # through float32
        ({"rms_norm_eps": 1e-5}, {"hidden_size": 4}, ["META-001"]),  # silence changes the model
        ({"hidden_size": 4}, {"hidden_size": 4, "rope_theta": 1e6}, []),  # A says nothing to contradict
        ({"hidden_size": 4}, {"hidden_size": 4, "sliding_window": 8}, ["META-004"]),  # a window A has not
        ({"sliding_window": 32, "use_sliding_window": False}, {"hidden_size": 4}, []),  # stated and switched off
        ({"query_pre_attn_scalar": 16, "head_dim": 16}, {"head_dim": 16}, []),  # what is assumed is what was stated
        ({"query_pre_attn_scalar": 24, "head_dim": 16}, {"head_dim": 16}, ["META-003"]),
        ({"logits_scaling": 1.0}, {"hidden_size": 4}, []),
        ({"logits_scaling": 8.0}, {"hidden_size": 4}, ["VALUE-004"]),
        ({"vocab_size": 10}, {"vocab_size": 12}, ["META-009"]),
        ({"max_position_embeddings": 64}, {"hidden_size": 4}, ["META-007"]),
        ({"rms_norm_eps": 1e-5, "rope_theta": 1e6}, {}, ["META-007", "META-007"]),  # a file that says nothing at all
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32}},
         {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, []),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
         {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, ["ROPE-006"]),
    ],
)  # fmt: skip
def test_keys_are_compared_by_what_engines_compute(
    a: dict[str, object], b: dict[str, object], causes: list[str]
) -> None:
    assert [found.cause for found in differences(config(a), config(b))] == causes


def test_the_tensors_are_the_third_witness(model: Model, tmp_path: Path) -> None:
    from bot.triage.investigate import diagnose

    wrong = planted(model("llama"), tmp_path, "gguf", "META-002")
    assert any("tensors of B show num_key_value_heads 1" in words for words in named(wrong, "META-002").evidence_for)
    # with the roles exchanged the trusted side is the one its own tensors contradict
    result = tmp_path / f"{model('llama').name}-META-002" / "model.gguf"
    turned = diagnose(result, model("llama"))
    assert named(turned, "META-002").side == "A"
