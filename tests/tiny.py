"""Tiny Hugging Face folders with random weights: every architecture the project knows, built offline in a second.

    folder = tiny.hf(tmp_path / "llama", "llama")                      # float32, SmolLM's pre-tokenizer
    folder = tiny.hf(tmp_path / "q", "qwen2", dtype="bfloat16", seed=3, hidden_size=128)

Two layers, width 64, feed forward 160, two heads of 32, one key-value head, vocabulary 320. Norm weights and biases are
random too, so that a converter that forgets one is seen, and matrices are large enough for greedy tokens to vary.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

transformers.utils.logging.disable_progress_bar()

VOCAB = 320
CORPUS = (
    "The capital of France is Paris. The quick brown fox jumps over the lazy dog; it's what we've said, isn't it?\n"
    "def fibonacci(n):\n    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)\n"
    "Numbers: 0 1 2 3 10 100 1234 2024. What is 2+2? Answer: 4.\n\n  Two  spaces,\ttabs and I'LL DON'T they're.\n"
)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# the words of each family's published tokenizer.json
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PRE: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    ),
    "qwen2": lambda: _split(QWEN2),
    "llama-bpe": lambda: _split(LLAMA3),
}


def byte_bpe(pre: str) -> Tokenizer:
    """A byte-level BPE of 320 tokens, the three special ones first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE[pre]()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=[AddedToken(t, special=True) for t in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS] * 3, trainer)
    return tokenizer


def sentencepiece(prefix: bool = True) -> Tokenizer:
    """A SentencePiece-like BPE with byte fallback, as Llama 2 (prefix) or Gemma (no prefix) publish it."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trained.train_from_iterator([CORPUS] * 3, trainers.BpeTrainer(vocab_size=100, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    merges = [tuple(m) for m in learnt["merges"]]
    singles = [t for t in learnt["vocab"] if len(t) == 1]
    names = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    room = VOCAB - len(names) - len(singles)
    merges = merges[: max(room, 0)]
    # merged tokens come in merge order before the single characters, as SentencePiece writes them
    names += [a + b for a, b in merges] + singles
    vocab = {name: i for i, name in enumerate(names[:VOCAB])}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocab,
            merges=[m for m in merges if "".join(m) in vocab],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return tokenizer


@cache
def _tokenizer_json(kind: str) -> str:
    made = sentencepiece(kind == "llama-spm") if kind.endswith("spm") else byte_bpe(kind)
    return made.to_str()


def fast_tokenizer(kind: str) -> transformers.PreTrainedTokenizerFast:
    """One of PRE, "llama-spm" or "gemma-spm", wrapped as transformers saves it."""
    raw = Tokenizer.from_str(_tokenizer_json(kind))
    if kind.endswith("spm"):
        ids = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    else:
        ids = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **ids)
    made.chat_template = CHAT_TEMPLATE
    return made


_BASE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}
_GEMMA = {"head_dim": 32, "tie_word_embeddings": True, "query_pre_attn_scalar": 24, "sliding_window": 64}
# name -> (model_type, changes to _BASE, tokenizer)
ARCHITECTURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "llama": ("llama", {"rms_norm_eps": 1e-5}, "smollm"),
    "llama-tied": ("llama", {"rms_norm_eps": 1e-5, "tie_word_embeddings": True}, "llama-bpe"),
    "llama-bias": ("llama", {"rms_norm_eps": 1e-5, "attention_bias": True, "mlp_bias": False}, "llama-bpe"),
    "mistral": ("mistral", {"head_dim": 48, "sliding_window": None}, "llama-spm"),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}, "llama-spm"),
    "qwen2": ("qwen2", {"tie_word_embeddings": True}, "qwen2"),
    "qwen3": ("qwen3", {"head_dim": 48}, "qwen2"),
    "gemma2": ("gemma2", {**_GEMMA, "final_logit_softcapping": 20.0, "attn_logit_softcapping": 40.0}, "gemma-spm"),
    "gemma3": ("gemma3_text", _GEMMA, "gemma-spm"),
    "phi3": ("phi3", {"sliding_window": None, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}, "llama-spm"),
    "gpt2": ("gpt2", {"n_inner": 160, "n_ctx": 256}, "gpt-2"),
}
_GPT2 = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
_GPT2_DROPS = ("intermediate_size", "num_key_value_heads", "tie_word_embeddings")


def config(arch: str, **changes: Any) -> transformers.PretrainedConfig:
    """The configuration of one of ARCHITECTURES; changes are spelled as its config.json spells them."""
    model_type, own, tokenizer = ARCHITECTURES[arch]
    values = {**_BASE, **own}
    if model_type == "gpt2":
        values = {_GPT2.get(k, k): v for k, v in values.items() if k not in _GPT2_DROPS}
        values["n_positions"] = values.pop("max_position_embeddings")
    ids = (
        {"bos_token_id": 1, "eos_token_id": 2} if tokenizer.endswith("spm") else {"bos_token_id": 0, "eos_token_id": 2}
    )
    return transformers.AutoConfig.for_model(model_type, **{**values, **ids, **changes})


def model(arch: str, *, dtype: str = "float32", seed: int = 0, **changes: Any) -> transformers.PreTrainedModel:
    """A causal language model whose every parameter is random, norms and biases included."""
    torch.manual_seed(seed)
    made = transformers.AutoModelForCausalLM.from_config(config(arch, **changes))
    centre = 0.0 if arch.startswith("gemma") else 1.0
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim == 1:
                middle = 0.0 if name.endswith("bias") else centre
                parameter.normal_(middle, 0.1)
            else:
                # a tied embedding as wide as the matrices would only ever repeat its input
                width = (
                    0.4
                    if made.config.tie_word_embeddings and name.endswith(("embed_tokens.weight", "wte.weight"))
                    else 1.5
                )
                parameter.normal_(0.0, width / parameter.shape[-1] ** 0.5)
    return made.to(getattr(torch, dtype)).eval()


def hf(
    folder: Path,
    arch: str = "llama",
    *,
    dtype: str = "float32",
    seed: int = 0,
    tokenizer: str | None = None,
    max_shard_size: str = "5GB",
    **changes: Any,
) -> Path:
    """Write the folder (config.json, model.safetensors or shards, tokenizer files) and return it.

    `dtype` is torch's name, `tokenizer` one of `fast_tokenizer` ("" for none), `changes` go into the configuration.
    """
    made = model(arch, dtype=dtype, seed=seed, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    made.save_pretrained(folder, max_shard_size=max_shard_size)
    kind = ARCHITECTURES[arch][2] if tokenizer is None else tokenizer
    if kind:
        fast_tokenizer(kind).save_pretrained(folder)
    return folder
