"""Hyper-parameters as config.json: read in every spelling transformers ever wrote, written so that 4 and 5 read it."""

from collections.abc import Mapping
from typing import Any

from bot.formats import config_keys as keys
from bot.formats import config_rope
from bot.formats._base import Checkpoint
from bot.formats.config_model import Draft, ModelConfig, known


def read(checkpoint: Checkpoint) -> tuple[Draft, str | None, dict[str, Any]]:
    """Return what config.json states, the model type it names, and the rest of the configuration."""
    config = checkpoint.metadata.get("config")
    config = config if isinstance(config, Mapping) else {}
    nested = config.get("text_config")
    whole = {**config, **nested} if isinstance(nested, Mapping) else dict(config)
    draft = Draft()
    _read_hf_rope(whole, draft)
    for key, olds in keys.HF_OLD.items():
        for spelling in (key, *olds):
            draft.state(key, spelling, whole.get(spelling))
    renamed = {old for olds in keys.HF_OLD.values() for old in olds} | set(_NOT_VALUES)
    for key, value in whole.items():
        if key not in renamed:
            draft.state(key, key, value)
    architecture = whole.get("model_type")
    dtype = whole.get("dtype") or whole.get("torch_dtype")
    more = {"dtype": dtype if isinstance(dtype, str) else None}
    return draft, architecture if isinstance(architecture, str) else None, more


_NOT_VALUES = ("rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor", "rope_local_base_freq",
               "text_config", "model_type", "architectures", "dtype", "torch_dtype", "transformers_version",
               "_name_or_path")  # fmt: skip


def _read_hf_rope(config: Mapping[str, Any], draft: Draft) -> None:
    """Read transformers 5's rope_parameters and the keys it replaced; the new ones win, as they do there."""
    new = config.get("rope_parameters")
    new = new if isinstance(new, Mapping) else {}
    local = new.get("sliding_attention")
    full = new.get("full_attention")
    path = "rope_parameters." + ("full_attention." if isinstance(full, Mapping) else "")
    full = full if isinstance(full, Mapping) else new
    draft.state("rope_theta", path + "rope_theta", full.get("rope_theta"))
    draft.state("partial_rotary_factor", path + "partial_rotary_factor", full.get("partial_rotary_factor"))
    if isinstance(local, Mapping):
        draft.state("rope_local_base_freq", "rope_parameters.sliding_attention.rope_theta", local.get("rope_theta"))
    draft.state("rope_scaling", path.rstrip("."), config_rope.scaling(full))
    for key in ("rope_theta", "partial_rotary_factor", "rope_local_base_freq"):
        draft.state(key, key, config.get(key))
    old = config.get("rope_scaling")
    draft.state("rope_scaling", "rope_scaling", config_rope.scaling(old) if isinstance(old, Mapping) else None)


def write(config: ModelConfig, dtype: str | None = None) -> dict[str, Any]:
    """Return a config.json that transformers 4 and 5 both read; `dtype` is the weights' in torch's spelling."""
    model_type = known(config, "config.json")
    own = keys.HF_OWN.get(model_type, {})
    values = {k: v for k, v in config.values.items() if k not in _NOT_VALUES and _wanted_in_hf(k, config)}
    found: dict[str, Any] = {"architectures": [keys.CLASSES[model_type]]} if model_type in keys.CLASSES else {}
    found |= {"model_type": model_type, **{own.get(k, k): v for k, v in values.items()}}
    if model_type not in keys.NO_ROPE:
        found |= _hf_rope(config)
    if model_type in keys.WINDOW_UNLESS_NULL:
        found.setdefault("sliding_window", None)
    if model_type == "gpt2":
        found["n_ctx"] = config.values.get("max_position_embeddings")
    if written := dtype or config.dtype:
        found["dtype"] = found["torch_dtype"] = written
    return found


def _wanted_in_hf(key: str, config: ModelConfig) -> bool:
    """Leave out what a class has no field for: GPT-2 has no key-value heads, only llama-like classes take biases."""
    if config.architecture in keys.NO_ROPE:
        return key not in {"num_key_value_heads", "head_dim", "attention_bias", "mlp_bias"}
    if key in {"attention_bias", "mlp_bias"} and key not in config.stated:
        return config.architecture == "llama"
    return key != "v_head_dim"


def _hf_rope(config: ModelConfig) -> dict[str, Any]:
    values = config.values
    scaling = values.get("rope_scaling")
    partial = values.get("partial_rotary_factor", 1.0)
    full = {"rope_type": "default", **(scaling or {}), "rope_theta": values.get("rope_theta", 10000.0)}
    if partial != 1.0:
        full["partial_rotary_factor"] = partial
    found: dict[str, Any] = {"rope_theta": full["rope_theta"], "rope_scaling": scaling}
    if partial != 1.0:
        found["partial_rotary_factor"] = partial
    local = values.get("rope_local_base_freq")
    if local is None:
        return {**found, "rope_parameters": full}
    sliding = {"rope_type": "default", "rope_theta": local}
    return {
        **found,
        "rope_local_base_freq": local,
        "rope_parameters": {"full_attention": full, "sliding_attention": sliding},
    }
