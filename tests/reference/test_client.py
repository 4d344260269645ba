"""The parent's side: one child answers, and whatever becomes of a child is a ChildFailure."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny

from bot.reference.client import ChildFailure, Model

PROMPTS = [[1, 5, 9], [7]]
LIMIT = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.hf(tmp_path_factory.mktemp("client") / "model", "llama")


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[Model]:
    with Model.open(folder, backend="cpu", timeout_s=LIMIT) as opened:
        yield opened


def test_a_model_answers_many_times_and_says_what_it_is(model: Model) -> None:
    assert model.info["architecture"] == "llama"
    assert (model.info["device"], model.info["dtype"], model.info["vocabulary"]) == ("cpu", "float32", tiny.VOCAB)
    assert set(model.info["versions"]) == {"torch", "transformers"}
    first, again = model.logits(PROMPTS), model.logits(PROMPTS)
    assert [x.shape for x in first] == [(3, tiny.VOCAB), (1, tiny.VOCAB)]
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert model.hidden(PROMPTS)[0].shape == (3, 3, 64)
    assert len(model.generate(PROMPTS[0], 3)) == 3
    assert not np.array_equal(model.perturbed_logits(PROMPTS, 1e-2, 0)[0], first[0])
    assert model.last["peak_bytes"] > 1_000_000


def test_two_children_give_the_same_bits(model: Model, folder: Path) -> None:
    with Model.open(folder, backend="cpu", timeout_s=LIMIT) as other:
        assert all(np.array_equal(x, y) for x, y in zip(model.logits(PROMPTS), other.logits(PROMPTS), strict=True))


def test_text_becomes_tokens_and_text_again(model: Model) -> None:
    text = "The capital of France is Paris."
    ids = model.tokenize(text)
    assert ids == tiny.fast_tokenizer("smollm")(text)["input_ids"]
    assert model.text(ids) == text


def test_a_refused_request_is_an_error_and_leaves_the_child_in_service(model: Model) -> None:
    with pytest.raises(ChildFailure) as caught:
        model.logits([[tiny.VOCAB]])
    assert caught.value.outcome == "error" and "outside the vocabulary" in caught.value.reason
    assert model.logits([[1]])[0].shape == (1, tiny.VOCAB)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"not a model at all, just text")
    with pytest.raises(ChildFailure) as caught:
        Model.open(tmp_path / "model.gguf", backend="cpu", timeout_s=LIMIT)
    assert caught.value.outcome == "error" and "model.gguf" in caught.value.reason


def test_a_killed_child_is_a_crash_now_and_at_every_later_request(folder: Path) -> None:
    with Model.open(folder, backend="cpu", timeout_s=LIMIT) as doomed:
        os.kill(doomed._child.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ChildFailure) as caught:
                doomed.logits(PROMPTS)
            assert (caught.value.outcome, caught.value.signal) == ("crashed", signal.SIGKILL)
        evidence = caught.value.evidence("logits")
        assert evidence["outcome"] == "crashed" and "bot.reference" in evidence["argv"]


def test_a_child_that_does_not_answer_is_a_timeout_and_is_ended(folder: Path) -> None:
    silent = Model(timeout_s=0.01, memory_bytes=None)  # importing torch alone takes longer
    with silent, pytest.raises(ChildFailure) as caught:
        silent.logits(PROMPTS)
    assert caught.value.outcome == "timeout" and "within 0.01 s" in caught.value.reason
    with pytest.raises(ProcessLookupError):
        os.kill(silent._child.pid, 0)


def test_a_child_over_its_memory_is_a_crash(folder: Path) -> None:
    with pytest.raises(ChildFailure) as caught:
        Model.open(folder, backend="cpu", timeout_s=LIMIT, memory_bytes=64 << 20)
    assert caught.value.outcome == "crashed" and "memory" in caught.value.reason


def test_closing_removes_the_scratch_folder(folder: Path) -> None:
    idle = Model(timeout_s=LIMIT, memory_bytes=None)
    assert idle._scratch.is_dir()
    idle.close()
    idle.close()
    assert not idle._scratch.exists()
