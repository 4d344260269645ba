"""Small models with random weights, written from the tables of names alone: something to plant defects in.

No torch is needed, and the tokenizer is a real one: bytes, some merges, special tokens, a chat template.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bot.formats import blocks, names, safetensors, tokenizer_model
from bot.formats import config as configs
from bot.formats import tokenizer as tokenizers
from bot.formats._base import F32, OutTensor
from bot.formats.tokenizer import Tokenizer

HEADS, KEYS, WIDTH, HIDDEN, INNER, LAYERS, VOCABULARY, EXPERTS = 4, 2, 16, 64, 160, 2, 320, 4
# what each specimen adds to the common shape; between them every family of defects has something to touch
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": False},
    "gemma3_text": {
        "rms_norm_eps": 1e-6, "rope_theta": 1e6, "rope_local_base_freq": 10000.0, "tie_word_embeddings": True,
        "query_pre_attn_scalar": 24, "sliding_window": 64,
    },
    "phi3": {"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": False, "sliding_window": None},
    "mixtral": {
        "rms_norm_eps": 1e-5, "rope_theta": 1e6, "tie_word_embeddings": False, "num_local_experts": EXPERTS,
        "num_experts_per_tok": 2,
    },
    "qwen2": {"rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": False},
}  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write(folder: Path, architecture: str, seed: int = 0) -> Path:
    """Write a Hugging Face folder of float32 weights and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = configs.ModelConfig(architecture=architecture, values=_values(architecture))
    (folder / "config.json").write_text(json.dumps(configs.to_hf(config, "float32"), indent=2), encoding="utf-8")
    for name, text in tokenizers.hf_files(_tokenizer()).items():
        (folder / name).write_text(text, encoding="utf-8")
    safetensors.write(folder / "model.safetensors", {"format": "pt"}, list(_tensors(architecture, seed)))
    return folder


def _values(architecture: str) -> dict[str, Any]:
    return {
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KEYS, "head_dim": WIDTH, "max_position_embeddings": 256,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0, **ARCHITECTURES[architecture],
    }  # fmt: skip


def _tensors(architecture: str, seed: int) -> Iterator[OutTensor]:
    random = np.random.default_rng(seed)
    found = list(names.expected(architecture, LAYERS, EXPERTS))
    if not ARCHITECTURES[architecture]["tie_word_embeddings"]:
        found.append("lm_head.weight")
    if architecture == "qwen2":
        found += [f"model.layers.{i}.self_attn.{part}_proj.bias" for i in range(LAYERS) for part in ("q", "k", "v")]
    for name in found:
        values = _random(name, random, centre=0.0 if architecture.startswith("gemma") else 1.0)
        data = blocks.encode("F32", values.reshape(-1, values.shape[-1]))
        yield OutTensor(name=name, dtype="F32", shape=values.shape, nbytes=data.nbytes, chunks=iter([data]))


def _random(name: str, random: np.random.Generator, centre: float) -> F32:
    shape = _shape(name)
    if len(shape) == 1:
        return random.normal(0.0 if name.endswith("bias") else centre, 0.1, shape).astype(np.float32)
    return random.normal(0.0, 1.0 / shape[-1] ** 0.5, shape).astype(np.float32)


# ending of a name -> shape
_SHAPES: dict[str, tuple[int, ...]] = {
    "embed_tokens.weight": (VOCABULARY, HIDDEN), "lm_head.weight": (VOCABULARY, HIDDEN),
    "q_norm.weight": (WIDTH,), "k_norm.weight": (WIDTH,),
    "q_proj.weight": (HEADS * WIDTH, HIDDEN), "k_proj.weight": (KEYS * WIDTH, HIDDEN),
    "v_proj.weight": (KEYS * WIDTH, HIDDEN), "o_proj.weight": (HIDDEN, HEADS * WIDTH),
    "qkv_proj.weight": ((HEADS + 2 * KEYS) * WIDTH, HIDDEN), "gate_up_proj.weight": (2 * INNER, HIDDEN),
    "q_proj.bias": (HEADS * WIDTH,), "k_proj.bias": (KEYS * WIDTH,), "v_proj.bias": (KEYS * WIDTH,),
    "gate_proj.weight": (INNER, HIDDEN), "up_proj.weight": (INNER, HIDDEN), "down_proj.weight": (HIDDEN, INNER),
    "w1.weight": (INNER, HIDDEN), "w3.weight": (INNER, HIDDEN), "w2.weight": (HIDDEN, INNER),
    "block_sparse_moe.gate.weight": (EXPERTS, HIDDEN),
}  # fmt: skip


def _shape(name: str) -> tuple[int, ...]:
    return next((shape for ending, shape in _SHAPES.items() if name.endswith(ending)), (HIDDEN,))


def _tokenizer() -> Tokenizer:
    """Return a byte-level BPE: three special tokens, the printable stand-ins of all bytes, and merges of letters."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    signs = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    merges: list[str] = []
    tokens = [*SPECIALS, *signs]
    # "Ġ" is a space; these few make words of several pieces
    for left, right in ("th", "in", "er", "an", "on", "re", "at", "en", "Ġt", "Ġa", "is", "or", "to", "nd", "ou"):
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    kinds = [tokenizer_model.CONTROL] * len(SPECIALS) + [tokenizer_model.NORMAL] * (len(tokens) - len(SPECIALS))
    unused = [f"<unused{i}>" for i in range(VOCABULARY - len(tokens))]
    return Tokenizer(
        kind="bpe", tokens=[*tokens, *unused], merges=merges, types=[*kinds, *[tokenizer_model.NORMAL] * len(unused)],
        pre="smollm", bos=0, eos=2, pad=0, add_bos=False, chat_template=TEMPLATE,
    )  # fmt: skip
