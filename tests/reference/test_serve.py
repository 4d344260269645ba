"""The child's side in this process: every architecture answers as transformers itself does."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import tiny
import torch
import transformers

from bot.reference.serve import Server

UP, NORM = "model.layers.1.mlp.up_proj.weight", "model.norm.weight"
PROMPTS = [[1, 5, 9, 33, 70, 2, 2, 300], [7]]
ARCHITECTURES = (
    "llama",
    "llama-tied",
    "llama-bias",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "phi3",
    "gpt2",
)


def ask(server: Server, op: str, **arguments: Any) -> dict[str, Any]:
    return server.answer(json.dumps({"op": op, **arguments}))


def opened(tmp_path: Path, folder: Path) -> tuple[Server, dict[str, Any]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    server = Server(scratch)
    answer = ask(server, "open", path=str(folder), backend="cpu", seed=0)
    return server, answer


def arrays(answer: dict[str, Any]) -> list[np.ndarray]:
    assert answer["ok"], answer
    return [np.load(path) for path in answer["arrays"]]


def genuine(folder: Path) -> Any:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()  # into torch's own memory: alignment moves the last bit
    return model.eval()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_logits_are_those_of_transformers_bit_for_bit(tmp_path: Path, arch: str) -> None:
    folder = tiny.hf(tmp_path / "model", arch)
    server, answer = opened(tmp_path, folder)
    assert answer["ok"], answer
    assert not (answer["info"]["missing"] or answer["info"]["unexpected"] or answer["info"]["mismatched"])
    wanted = genuine(folder)
    for ids, got in zip(PROMPTS, arrays(ask(server, "logits", prompts=PROMPTS)), strict=True):
        with torch.inference_mode():
            expected = wanted(torch.tensor([ids]), use_cache=False).logits[0].numpy()
        assert got.dtype == np.float32 and got.shape == (len(ids), tiny.VOCAB)
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2"])
def test_greedy_tokens_are_those_of_transformers(tmp_path: Path, arch: str) -> None:
    folder = tiny.hf(tmp_path / "model", arch)
    server, _ = opened(tmp_path, folder)
    got = ask(server, "generate", ids=PROMPTS[0], count=6)["ids"]
    wanted = genuine(folder).generate(torch.tensor([PROMPTS[0]]), max_new_tokens=6, do_sample=False)
    assert got == wanted[0, len(PROMPTS[0]) :].tolist()


def test_generation_ends_with_the_end_token_of_the_file(tmp_path: Path) -> None:
    server, _ = opened(tmp_path, tiny.hf(tmp_path / "model", "llama"))
    free = ask(server, "generate", ids=PROMPTS[0], count=4)["ids"]
    server, _ = opened(tmp_path, tiny.hf(tmp_path / "other", "llama", eos_token_id=free[1]))
    assert ask(server, "generate", ids=PROMPTS[0], count=4)["ids"] == free[:2]


def test_hidden_states_come_layer_by_layer_and_end_in_the_head(tmp_path: Path) -> None:
    folder = tiny.hf(tmp_path / "model", "llama")
    server, _ = opened(tmp_path, folder)
    states = arrays(ask(server, "hidden", prompts=PROMPTS))
    logits = arrays(ask(server, "logits", prompts=PROMPTS))
    assert states[0].shape == (3, len(PROMPTS[0]), 64)
    head = genuine(folder).lm_head.weight.detach().numpy()
    np.testing.assert_allclose(states[0][-1] @ head.T, logits[0], atol=1e-5)


@pytest.mark.parametrize("arch", ["llama-tied", "mixtral"])
def test_noise_moves_the_logits_by_its_size_and_is_gone_afterwards(tmp_path: Path, arch: str) -> None:
    server, _ = opened(tmp_path, tiny.hf(tmp_path / "model", arch))

    def noisy(eps: float, seed: int) -> np.ndarray:
        return arrays(ask(server, "perturbed_logits", prompts=PROMPTS, eps=eps, seed=seed))[0]

    clean = arrays(ask(server, "logits", prompts=PROMPTS))[0]
    small, large = (np.linalg.norm(noisy(eps, 1) - clean) / np.linalg.norm(clean) for eps in (1e-4, 1e-2))
    assert 30 < large / small < 300
    assert 1e-3 < large < 0.5
    assert np.array_equal(noisy(1e-2, 1), noisy(1e-2, 1))
    assert not np.array_equal(noisy(1e-2, 1), noisy(1e-2, 2))
    assert np.array_equal(arrays(ask(server, "logits", prompts=PROMPTS))[0], clean)


def _edited(folder: Path, **changes: torch.Tensor | None) -> Path:
    file = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("key", "changes", "named"),
    [
        pytest.param("missing", {UP: None}, UP, id="lacking a matrix"),
        pytest.param("missing", {"lm_head.weight": None}, "lm_head.weight", id="lacking a head that is not tied"),
        pytest.param("mismatched", {NORM: torch.ones(3)}, f"{NORM}: (3,) for (64,)", id="wrong shape"),
    ],
)  # fmt: skip
def test_a_model_with_weights_it_was_not_given_says_so_and_computes_nothing(
    tmp_path: Path, key: str, changes: dict[str, Any], named: str
) -> None:
    server, answer = opened(tmp_path, _edited(tiny.hf(tmp_path / "model", "llama"), **changes))
    assert answer["ok"] and answer["info"][key] == [named]
    refused = ask(server, "logits", prompts=PROMPTS)
    assert not refused["ok"] and named in refused["reason"]


def test_a_tensor_nobody_takes_is_reported_and_does_no_harm(tmp_path: Path) -> None:
    folder = _edited(tiny.hf(tmp_path / "model", "llama"), **{"model.layers.0.extra.weight": torch.ones(2)})
    server, answer = opened(tmp_path, folder)
    assert answer["info"]["unexpected"] == ["model.layers.0.extra.weight"]
    assert ask(server, "logits", prompts=PROMPTS)["ok"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param({"op": "logits", "prompts": [[1, 320]]}, "token 320 is outside the", id="token too high"),
        pytest.param({"op": "logits", "prompts": [[-1]]}, "token -1 is outside", id="negative token"),
        pytest.param({"op": "logits", "prompts": [[]]}, "empty prompt", id="no tokens"),
        pytest.param({"op": "dance"}, "no operation 'dance'", id="unknown operation"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_and_the_next_one_served(
    tmp_path: Path, request_: dict[str, Any], reason: str
) -> None:
    server, _ = opened(tmp_path, tiny.hf(tmp_path / "model", "llama", tokenizer=""))
    answer = server.answer(json.dumps(request_))
    assert (answer["ok"], answer["failure"]) == (False, "user") and reason in answer["reason"]
    assert ask(server, "logits", prompts=PROMPTS)["ok"]


@pytest.mark.parametrize("line", ["", "{", "[]", '"logits"', "[" * 100000])
def test_a_garbled_line_is_answered(tmp_path: Path, line: str) -> None:
    assert Server(tmp_path).answer(line)["failure"] == "bug"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"model_type": "perceptron9000"}, "no architecture 'perceptron9000'", id="unknown architecture"),
        pytest.param({"model_type": "t5"}, "no causal language model for 't5'", id="not a causal language model"),
        pytest.param({"model_type": None}, "no architecture", id="no architecture"),
    ],
)
def test_metadata_transformers_cannot_use_are_refused_by_name(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    folder = tiny.hf(tmp_path / "model", "llama", tokenizer="")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    answer = opened(tmp_path, folder)[1]
    assert (answer["ok"], answer["failure"]) == (False, "user") and reason in answer["reason"]


def test_the_metadata_of_the_file_itself_decide(tmp_path: Path) -> None:
    folder = tiny.hf(tmp_path / "model", "llama", tokenizer="")
    before = arrays(ask(opened(tmp_path, folder)[0], "logits", prompts=PROMPTS))
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] = 1000000.0
    (folder / "config.json").write_text(json.dumps(config))
    after = arrays(ask(opened(tmp_path, folder)[0], "logits", prompts=PROMPTS))
    assert not np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])  # one token has no position to turn by


def test_a_machine_without_the_device_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    answer = ask(Server(tmp_path), "open", path="x", backend="gpu", seed=0)
    assert answer["failure"] == "unavailable" and "no CUDA device" in answer["reason"]


def test_answers_are_one_line_each_and_tell_what_they_cost(tmp_path: Path) -> None:
    out = io.StringIO()
    Server(tmp_path).run(['{"op": "devices"}\n', '{"op": "logits", "prompts": []}\n'], out)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["ok"] and first["seconds"] >= 0 and first["peak_bytes"] > 1_000_000
    assert "no model is open" in second["reason"]
