"""Hyper-parameters as GGUF keys: what llama.cpp reads and its converter writes."""

from collections.abc import Mapping
from typing import Any

from bot.errors import UserError
from bot.formats import config_keys as keys
from bot.formats import config_rope
from bot.formats._base import Checkpoint
from bot.formats.config_model import Draft, ModelConfig, known


def read(checkpoint: Checkpoint) -> tuple[Draft, str | None, dict[str, Any]]:
    """Return what a GGUF states, the model type it means, and the rest of the configuration."""
    metadata, draft = checkpoint.metadata, Draft()
    architecture = metadata.get("general.architecture")
    prefix = f"{architecture}."
    for key, suffix in keys.GGUF.items():
        draft.state(key, prefix + suffix, _short(metadata.get(prefix + suffix)))
    for key, spelling in keys.GGUF_TOKENS.items():
        draft.state(key, spelling, metadata.get(spelling))
    model_type = _gguf_model_type(metadata, architecture, draft)
    _read_gguf_rope(checkpoint, prefix, draft)
    _read_gguf_attention(metadata, prefix, draft, model_type)
    file_type = metadata.get("general.file_type")
    return draft, model_type, {"file_type": file_type if isinstance(file_type, int) else None}


def _short(value: Any) -> Any:
    """Return a GGUF float as the decimal it was written from: 9.999999747378752e-06 is 1e-05."""
    return config_rope.short_float(value) if isinstance(value, float) else value


def _gguf_model_type(metadata: Mapping[str, Any], architecture: Any, draft: Draft) -> str | None:
    if not isinstance(architecture, str):
        return None
    own = metadata.get(keys.GGUF_MODEL_TYPE)
    if isinstance(own, str) and gguf_architecture(own) == architecture:
        return own
    if architecture == "llama" and draft.values.get("num_local_experts"):
        return "mixtral"
    return keys.MODEL_TYPES.get(architecture, architecture.replace("-", "_"))


def _read_gguf_rope(checkpoint: Checkpoint, prefix: str, draft: Draft) -> None:
    metadata = checkpoint.metadata
    heads, hidden = draft.values.get("num_attention_heads"), draft.values.get("hidden_size")
    dimension = draft.values.get("head_dim") or (hidden // heads if heads and hidden else None)
    rotated = metadata.get(prefix + "rope.dimension_count")
    if isinstance(rotated, int) and dimension:
        draft.state("partial_rotary_factor", prefix + "rope.dimension_count", rotated / dimension)
    scaling = config_rope.from_gguf(metadata, prefix + "rope.scaling.")
    spelling = prefix + "rope.scaling.type"
    original = metadata.get(prefix + "rope.scaling.original_context_length")
    draft.state("original_max_position_embeddings", prefix + "rope.scaling.original_context_length", original)
    if {"rope_factors_long.weight", "rope_factors_short.weight"} <= set(checkpoint.tensors):
        long, short = (checkpoint.values(f"rope_factors_{which}.weight").ravel() for which in ("long", "short"))
        scaling, spelling = config_rope.longrope(scaling, long, short), "rope_factors_long.weight"
    elif "rope_freqs.weight" in checkpoint.tensors and scaling is None:
        theta = draft.values.get("rope_theta") or 10000.0
        scaling = config_rope.llama3_scaling(checkpoint.values("rope_freqs.weight").ravel(), theta)
        spelling = "rope_freqs.weight"
    draft.state("rope_scaling", spelling, scaling)


def _derive_scale(draft: Draft, model_type: str) -> None:
    """Fill in the attention scale llama.cpp computes gemma with; transformers would assume another one."""
    heads, hidden = (draft.values.get(key) for key in ("num_attention_heads", "hidden_size"))
    largest = draft.values.get("num_hidden_layers") == keys.HEAD_SCALED[model_type]
    scalar = hidden // heads if heads and hidden else None
    draft.derive("query_pre_attn_scalar", scalar if largest else draft.values.get("head_dim") or scalar)


def _read_gguf_attention(metadata: Mapping[str, Any], prefix: str, draft: Draft, model_type: str | None) -> None:
    scale = metadata.get(prefix + "attention.scale")
    if isinstance(scale, float) and scale > 0:
        scalar = round(1.0 / scale**2, 3)
        whole = int(scalar) if scalar.is_integer() else scalar
        draft.state("query_pre_attn_scalar", prefix + "attention.scale", whole)
    if model_type in keys.HEAD_SCALED:
        _derive_scale(draft, model_type)
    if draft.values.get("sliding_window") == 0:
        # llama.cpp's phi3 writes 0 for "none"
        draft.values["sliding_window"] = None


def gguf_architecture(model_type: str) -> str:
    """Return the general.architecture llama.cpp knows a Hugging Face model type by."""
    return keys.ARCHITECTURES.get(model_type, model_type)


def write(config: ModelConfig) -> dict[str, Any]:
    """Return a GGUF's hyper-parameter keys; UserError for what a GGUF has no word for."""
    model_type = known(config, "GGUF")
    values, prefix = config.values, gguf_architecture(model_type) + "."
    _refuse_what_gguf_cannot_say(config, model_type)
    found: dict[str, Any] = {"general.architecture": prefix[:-1]}
    if config_model_type(prefix[:-1], values) != model_type:
        found[keys.GGUF_MODEL_TYPE] = model_type
    for key, suffix in keys.GGUF.items():
        value = values.get(key)
        if value is not None and _wanted_in_gguf(key, config, model_type):
            found[prefix + suffix] = float(value) if key in keys.FLOATS else value
    found |= _gguf_attention(config, prefix, model_type)
    found |= config_rope.to_gguf(values.get("rope_scaling"), prefix + "rope.scaling.")
    return found


def config_model_type(architecture: str, values: Mapping[str, Any]) -> str:
    """Return the model type a reader would take a GGUF architecture for."""
    if architecture == "llama":
        return "mixtral" if values.get("num_local_experts") else "llama"
    return keys.MODEL_TYPES.get(architecture, architecture)


def _wanted_in_gguf(key: str, config: ModelConfig, model_type: str) -> bool:
    """Tell whether llama.cpp's converter writes the key: derived values only where it derives them too."""
    if model_type in keys.NO_ROPE and key in {"rope_theta", "num_key_value_heads", "head_dim"}:
        return False
    if key == "rope_local_base_freq":
        return "sliding_window" in config.values
    return key != "v_head_dim"


def _gguf_attention(config: ModelConfig, prefix: str, model_type: str) -> dict[str, Any]:
    values, found = config.values, dict[str, Any]()
    head_dim = config.integer("head_dim")
    if head_dim and model_type not in keys.NO_ROPE:
        found[prefix + "attention.value_length"] = config.integer("v_head_dim", head_dim)
        found[prefix + "rope.dimension_count"] = rotary_dim(config)
    scalar = values.get("query_pre_attn_scalar")
    if scalar and scalar != head_dim:
        found[prefix + "attention.scale"] = float(scalar) ** -0.5
    if model_type == "phi3":
        found[prefix + "attention.sliding_window"] = values.get("sliding_window") or 0
        original = values.get("original_max_position_embeddings") or values.get("max_position_embeddings")
        found[prefix + "rope.scaling.original_context_length"] = original
    if model_type == "gpt2":
        found.setdefault(prefix + "feed_forward_length", values.get("intermediate_size") or 4 * values["hidden_size"])
    scaling = values.get("rope_scaling") or {}
    if scaling.get("rope_type") == "longrope":
        found[prefix + "rope.scaling.attn_factor"] = config_rope.longrope_attention(config.values, scaling)
    return found


def rotary_dim(config: ModelConfig) -> int:
    """Return how many dimensions of each head are rotated."""
    return int(float(config.values.get("partial_rotary_factor") or 1.0) * config.integer("head_dim"))


def _refuse_what_gguf_cannot_say(config: ModelConfig, model_type: str) -> None:
    scaling = config_rope.unsupported(config.values.get("rope_scaling"))
    if scaling:
        raise UserError(
            f"a GGUF cannot express rope_type {scaling!r}", hint="llama.cpp knows linear, yarn, longrope, llama3"
        )
    usual = keys.DEFAULTS.get(model_type, {}).get("hidden_act", "silu")
    stated = config.values.get("hidden_act", usual)
    if model_type in keys.CLASSES and not _same_activation(stated, usual):
        raise UserError(
            f"a GGUF cannot express hidden_act {stated!r} of {model_type}", hint=f"llama.cpp computes {usual}"
        )


def _same_activation(a: Any, b: Any) -> bool:
    # gemma's configurations say "gelu" or "gelu_pytorch_tanh" and compute the latter
    alike = {"swish": "silu", "gelu_new": "gelu_pytorch_tanh", "gelu": "gelu_pytorch_tanh"}
    return bool(alike.get(a, a) == alike.get(b, b))
