"""Rotary scaling between its spellings: config.json's parameters, GGUF keys, and GGUF's tensors of factors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bot.formats._base import F32

# Hugging Face parameter -> GGUF key below "{architecture}.rope.scaling."
_GGUF: dict[str, str] = {
    "factor": "factor",
    "original_max_position_embeddings": "original_context_length",
    "extrapolation_factor": "yarn_ext_factor",
    "attention_factor": "yarn_attn_factor",
    "beta_fast": "yarn_beta_fast",
    "beta_slow": "yarn_beta_slow",
}
_KINDS = {"linear": "linear", "yarn": "yarn", "longrope": "longrope", "su": "longrope"}
_NOT_SCALING = {"rope_theta", "partial_rotary_factor", "type", "rope_type"}


def scaling(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return config.json's rope_scaling or rope_parameters as {"rope_type", ...}, None for no scaling."""
    if not parameters:
        return None
    kind = str(parameters.get("rope_type") or parameters.get("type") or "default")
    if kind == "default":
        return None
    kind = "longrope" if kind == "su" else kind
    return {"rope_type": kind, **{k: v for k, v in parameters.items() if k not in _NOT_SCALING}}


def from_gguf(metadata: Mapping[str, Any], prefix: str) -> dict[str, Any] | None:
    """Return the scaling that keys below `prefix` ("llama.rope.scaling.") state, None where they state none."""
    kind = metadata.get(prefix + "type")
    if kind not in _KINDS.values():
        old = metadata.get(prefix.replace("scaling.", "scale_linear"))
        return {"rope_type": "linear", "factor": old} if isinstance(old, float) and old != 1.0 else None
    found = {hf: metadata[prefix + key] for hf, key in _GGUF.items() if prefix + key in metadata}
    return {"rope_type": kind, **found}


def to_gguf(rope: Mapping[str, Any] | None, prefix: str) -> dict[str, Any]:
    """Return the keys below `prefix`; llama3 has none, its factors are a tensor."""
    if not rope or rope["rope_type"] not in _KINDS:
        return {}
    whole = {"original_max_position_embeddings"}
    stated = {k: v for k, v in rope.items() if k in _GGUF and v is not None}
    return {prefix + "type": _KINDS[rope["rope_type"]]} | {
        prefix + _GGUF[k]: int(v) if k in whole else float(v) for k, v in stated.items()
    }


def unsupported(rope: Mapping[str, Any] | None) -> str | None:
    """Return the name of a scaling that a GGUF cannot express, or None."""
    kind = rope["rope_type"] if rope else "llama3"
    return None if kind in _KINDS or kind == "llama3" else str(kind)


def factors(rope: Mapping[str, Any] | None, theta: float, rotary_dim: int) -> dict[str, F32]:
    """Return the tensors of factors, (rotary_dim / 2,) float32, that a GGUF keeps beside its keys."""
    if not rope:
        return {}
    if rope["rope_type"] == "llama3":
        return {"rope_freqs.weight": llama3_factors(rope, theta, rotary_dim)}
    lists = {"rope_factors_long.weight": "long_factor", "rope_factors_short.weight": "short_factor"}
    return {name: np.asarray(rope[key], np.float32) for name, key in lists.items() if rope.get(key)}


def llama3_factors(rope: Mapping[str, Any], theta: float, rotary_dim: int) -> F32:
    """Return what each frequency is divided by (Llama 3.1's smoothed scaling; convert_hf_to_gguf.py)."""
    factor, low, high = (
        float(rope.get(k, d)) for k, d in (("factor", 8), ("low_freq_factor", 1), ("high_freq_factor", 4))
    )
    turns = _turns(theta, rotary_dim, float(rope.get("original_max_position_embeddings", 8192)))
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0) if high != low else (turns > high).astype(np.float64)
    return (1.0 / ((1.0 - smooth) / factor + smooth)).astype(np.float32)


def _turns(theta: float, rotary_dim: int, context: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how often each frequency turns within the original context."""
    frequencies = theta ** -(np.arange(0, rotary_dim, 2, dtype=np.float64) / rotary_dim)
    return context * frequencies / (2.0 * math.pi)


def llama3_scaling(stored: F32, theta: float) -> dict[str, Any] | None:
    """Return the Llama 3 parameters whose factors are `stored`, None when no such parameters exist.

    Between the two limits 1/factor is linear in the turns per context, so two points give both limits in
    units of the context; low_freq_factor is 1 in every published model, which fixes the unit.
    """
    factor = float(stored.max()) if stored.size else 1.0
    if not factor > 1.0:
        return None
    for guess in _guesses(stored, theta, factor):
        if np.allclose(llama3_factors(guess, theta, 2 * stored.size), stored, rtol=2e-4, atol=0.0):
            return guess
    return None


def _guesses(stored: F32, theta: float, factor: float) -> list[dict[str, Any]]:
    def parameters(high: float, context: float) -> dict[str, Any]:
        return {
            "rope_type": "llama3",
            "factor": round(factor, 4),
            "low_freq_factor": 1.0,
            "high_freq_factor": round(high, 3),
            "original_max_position_embeddings": round(context),
        }

    smooth = (1.0 / stored.astype(np.float64) - 1.0 / factor) / (1.0 - 1.0 / factor)
    inner = (smooth > 1e-4) & (smooth < 1.0 - 1e-4)
    published = [parameters(4.0, 8192.0)]
    if inner.sum() < 2:
        return published
    slope, intercept = np.polyfit(_turns(theta, 2 * stored.size, 1.0)[inner], smooth[inner], 1)
    if intercept >= 0:
        return published
    return [*published, parameters(1.0 - 1.0 / intercept, -slope / intercept)]


def longrope(metadata_scaling: Mapping[str, Any] | None, long: F32, short: F32) -> dict[str, Any]:
    """Return the scaling of a GGUF whose long and short factors are tensors."""
    stated = dict(metadata_scaling or {})
    return {
        **stated,
        "rope_type": "longrope",
        "long_factor": [short_float(x) for x in long.tolist()],
        "short_factor": [short_float(x) for x in short.tolist()],
    }


def short_float(value: float) -> float:
    """Return the shortest decimal that is the same float32: what a GGUF's float was once written from."""
    return float(str(np.float32(value)))


def longrope_attention(values: Mapping[str, Any], rope: Mapping[str, Any]) -> float:
    """Return the factor attention is scaled by under longrope (transformers' _compute_longrope_parameters)."""
    stated = rope.get("attention_factor")
    if stated is not None:
        return float(stated)
    context = values.get("max_position_embeddings")
    original = rope.get("original_max_position_embeddings") or values.get("original_max_position_embeddings")
    if not context or not original or context <= original:
        return 1.0
    return math.sqrt(1.0 + math.log(context / original) / math.log(original))
