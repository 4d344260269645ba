"""Hyper-parameters as APR metadata: aprender's keys, their aliases, and the copies its importer leaves."""

from collections.abc import Mapping
from typing import Any

from bot.formats import config_keys as keys
from bot.formats._base import Checkpoint
from bot.formats.config_model import Draft, ModelConfig, known


def read(checkpoint: Checkpoint) -> tuple[Draft, str | None, dict[str, Any]]:
    """Return what an APR states, the architecture it names, and the rest of the configuration."""
    metadata, draft = checkpoint.metadata, Draft()
    architecture = _apr_model_type(metadata)
    for key, spellings in keys.APR.items():
        canonical = "layer_norm_eps" if key == "rms_norm_eps" and architecture in keys.LAYER_NORM else key
        for spelling in (*spellings, f"model.{spellings[0]}"):
            draft.state(canonical, spelling, metadata.get(spelling))
    for key in keys.CARRIED:
        draft.state(key, key, metadata.get(key))
    dtype = metadata.get("torch_dtype")
    return draft, architecture, {"dtype": dtype if isinstance(dtype, str) else None}


def _apr_model_type(metadata: Mapping[str, Any]) -> str | None:
    for key in ("hf_model_type", "architecture", "model.architecture", "model_type"):
        value = metadata.get(key)
        if isinstance(value, str) and value.lower() not in {"", "auto", "unknown"}:
            return keys.MODEL_TYPES.get(value.lower(), value.lower())
    return None


def write(config: ModelConfig) -> dict[str, Any]:
    """Return an APR's metadata: aprender's own keys first, then the rest under its Hugging Face names."""
    model_type = known(config, "APR")
    found: dict[str, Any] = {"model_type": model_type, "architecture": model_type, "hf_model_type": model_type}
    if model_type in keys.CLASSES:
        found["hf_architecture"] = keys.CLASSES[model_type]
    for key, spellings in keys.APR.items():
        value = config.values.get(key)
        if key == "rms_norm_eps" and value is None:
            value = config.values.get("layer_norm_eps")
        if value is not None:
            found[spellings[0]] = value
    found |= {key: config.values[key] for key in keys.CARRIED if config.values.get(key) is not None}
    return found | ({"torch_dtype": config.dtype} if config.dtype else {})
