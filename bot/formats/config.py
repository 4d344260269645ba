"""What a model's metadata says about it, in one spelling: read from any container, written for any other.

Values are keyed as a flat Hugging Face config.json keys them (rope_theta and rope_scaling apart, whatever the
transformers version). `stated` tells what the file itself said from what follows from its tensors or from defaults.
"""

from collections.abc import Mapping
from typing import Any

from bot.formats import config_apr, config_gguf, config_hf
from bot.formats import config_keys as keys
from bot.formats._base import Checkpoint
from bot.formats.config_gguf import rotary_dim
from bot.formats.config_model import Draft, ModelConfig

__all__ = ["ModelConfig", "read_config", "rotary_dim", "to_apr", "to_gguf", "to_hf"]

to_apr, to_gguf, to_hf = config_apr.write, config_gguf.write, config_hf.write
_READERS = {"gguf": config_gguf.read, "safetensors": config_hf.read, "apr": config_apr.read}

_EMBEDDINGS = ("model.embed_tokens.weight", "token_embd.weight", "transformer.wte.weight", "embed_tokens.weight",
               "wte.weight")  # fmt: skip
_HEADS = ("lm_head.weight", "output.weight")


def read_config(checkpoint: Checkpoint) -> ModelConfig:
    """Return what the checkpoint says about itself; never raises for wrong or missing values."""
    draft, architecture, more = _READERS[checkpoint.format](checkpoint)
    _derive(draft, architecture, checkpoint)
    return draft.config(architecture, **more)


def _derive(draft: Draft, architecture: str | None, checkpoint: Checkpoint) -> None:
    values, tensors = draft.values, checkpoint.tensors
    embedding = next((tensors[name] for name in _EMBEDDINGS if name in tensors), None)
    if embedding is not None and len(embedding.shape) == 2:
        draft.derive("vocab_size", embedding.shape[0])
    heads, hidden = values.get("num_attention_heads"), values.get("hidden_size")
    draft.derive("num_key_value_heads", heads)
    if heads and hidden:
        draft.derive("head_dim", hidden // heads)
    if checkpoint.format != "safetensors":
        # these containers hold a head unless it is the embedding
        draft.derive("tie_word_embeddings", not any(name in tensors for name in _HEADS))
        draft.derive("attention_bias", _any_ends(tensors, ("self_attn.q_proj.bias", "attn_q.bias")))
        draft.derive("mlp_bias", _any_ends(tensors, ("mlp.down_proj.bias", "ffn_down.bias")))
    for key, value in keys.DEFAULTS.get(architecture or "", {}).items():
        draft.derive(key, value)
    draft.derive("tie_word_embeddings", False)
    if architecture not in keys.NO_ROPE:
        draft.derive("rope_theta", 10000.0)
        draft.derive("partial_rotary_factor", 1.0)


def _any_ends(names: Mapping[str, Any], endings: tuple[str, ...]) -> bool:
    return any(name.endswith(endings) for name in names)
