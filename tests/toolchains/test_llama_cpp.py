"""llama.cpp loads what the embedded converter writes, and computes what transformers computes from the source."""

import functools
from pathlib import Path

import pytest
import tiny
import torch
import transformers
from formats import ggml

from bot.formats import open_checkpoint
from bot.toolchains import conversion

pytestmark = pytest.mark.tools

PROMPTS = ([5, 17, 42, 100, 200, 33], [7, 301, 12])
COUNT = 10
# what llama.cpp's graph of an architecture fixes: gemma's query scale is that of the head
CHANGES: dict[str, dict[str, int]] = {"gemma2": {"query_pre_attn_scalar": 32}, "gemma3": {"query_pre_attn_scalar": 32}}
# seeds under which no router is so near a tie that the float16 cache of llama.cpp tips it
SEEDS = {"mixtral": 1}


@functools.cache
def expected(folder: Path) -> tuple[tuple[int, ...], ...]:
    """The greedy tokens of transformers, in float32 and without shortcuts."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    made = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            for _ in range(COUNT):
                ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
        made.append(tuple(ids[0, len(prompt) :].tolist()))
    return tuple(made)


def source(tmp_path: Path, arch: str) -> Path:
    # by general.name llama.cpp takes a model called phi3 for Microsoft's and asks for its tokens
    return tiny.hf(tmp_path / "model", arch, seed=SEEDS.get(arch, 0), **CHANGES.get(arch, {}))


@pytest.mark.parametrize("arch", sorted(tiny.ARCHITECTURES))
def test_greedy_tokens_are_those_of_the_source(tmp_path: Path, arch: str) -> None:
    folder = source(tmp_path, arch)
    want = expected(folder)
    assert len({token for tokens in want for token in tokens}) > 3, "a model that says one thing shows nothing"
    conversion.convert(folder, tmp_path / "m.gguf")
    assert tuple(tuple(ggml.greedy(tmp_path / "m.gguf", prompt, COUNT)) for prompt in PROMPTS) == want


@pytest.mark.parametrize("arch", ["llama", "qwen2", "gpt2", "gemma2"])
def test_a_round_through_the_other_formats_computes_the_same(tmp_path: Path, arch: str) -> None:
    folder = source(tmp_path, arch)
    conversion.convert(folder, tmp_path / "m.apr")
    conversion.convert(tmp_path / "m.apr", tmp_path / "g.gguf")
    conversion.convert(tmp_path / "g.gguf", tmp_path / "back")
    conversion.convert(tmp_path / "back", tmp_path / "h.gguf")
    for path in (tmp_path / "g.gguf", tmp_path / "h.gguf"):
        assert tuple(ggml.greedy(path, PROMPTS[0], COUNT)) == expected(folder)[0]
    assert expected(tmp_path / "back") == expected(folder)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0", "q4_0", "q5_1"])
def test_a_quantized_gguf_loads_and_generates(tmp_path: Path, dtype: str) -> None:
    conversion.convert(source(tmp_path, "llama"), tmp_path / "m.gguf", dtype=dtype)
    assert len(ggml.greedy(tmp_path / "m.gguf", PROMPTS[0], 4)) == 4
    conversion.convert(tmp_path / "m.gguf", tmp_path / "back")
    kept = {info.dtype for info in open_checkpoint(tmp_path / "back").tensors.values()}
    assert kept == ({dtype.upper(), "F32"} if dtype in {"f16", "bf16"} else {"F32"})


def test_ggml_opens_every_gguf_we_write(tmp_path: Path) -> None:
    paths = []
    for arch in sorted(tiny.ARCHITECTURES):
        paths.append(tmp_path / f"{arch}.gguf")
        conversion.convert(tiny.hf(tmp_path / arch, arch), paths[-1])
    assert ggml.opens(*paths) == [True] * len(paths)
