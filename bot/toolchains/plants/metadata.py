"""Plants of the metadata family: hyper-parameters lost or changed, in each container's own spelling."""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from bot.formats import config_keys as keys
from bot.toolchains.draft import Draft
from bot.toolchains.plants.each import Chosen

Restate = Callable[[Any], Any]  # the value that is stated; None leaves the key out


def restated(draft: Draft, key: str, change: Restate) -> Draft:
    """Restate a canonical key wherever the container says it: in its metadata, and in config.json."""
    names = {key, *keys.HF_OLD.get(key, ()), *keys.APR.get(key, ()), keys.GGUF.get(key, key), *_MORE.get(key, ())}
    folder = dict(draft.folder)
    if "config.json" in folder:
        folder["config.json"] = json.dumps(_rewritten(json.loads(folder["config.json"]), names, change), indent=2)
    return dataclasses.replace(draft, metadata=_rewritten(draft.metadata, names, change), folder=folder)


# spellings that follow from a key without being it
_MORE = {"head_dim": ("attention.value_length", "rope.dimension_count"), "rope_theta": ("model.rope_theta",)}


def _rewritten(found: Mapping[str, Any], names: set[str], change: Restate) -> dict[str, Any]:
    """Return metadata with the named keys changed; a GGUF key counts without its architecture."""
    made: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, Mapping) and key != "quantization_config":
            made[key] = _rewritten(value, names, change)
        elif value is None or (key not in names and key.partition(".")[2] not in names):
            made[key] = value  # to lose what says "none" is to lose nothing
        elif (new := change(value)) is not None:
            made[key] = new
    return made


def _lost(*lost: str) -> Callable[[Draft, Chosen], Draft]:
    def plant(draft: Draft, _: Chosen) -> Draft:
        for key in lost:
            draft = restated(draft, key, lambda value: None if value else value)  # a window of 0 is none
        return draft

    return plant


def _changed(change: Callable[[Draft, Any], Any], *changed: str) -> Callable[[Draft, Chosen], Draft]:
    def plant(draft: Draft, _: Chosen) -> Draft:
        for key in changed:
            draft = restated(draft, key, functools.partial(change, draft))
        return draft

    return plant


def _number(key: str) -> Callable[[Draft, Any], Any]:
    return lambda draft, value: draft.config.integer(key) or value


def _key_heads(draft: Draft, value: Any) -> Any:
    heads = draft.config.integer("num_attention_heads")
    return heads if heads and heads != value else value


def _divided_out(draft: Draft, value: Any) -> Any:
    heads, hidden = draft.config.integer("num_attention_heads"), draft.config.integer("hidden_size")
    return hidden // heads if heads and hidden else value


def architecture(draft: Draft, _: Chosen) -> Draft:
    """META-006: the result calls itself another architecture, its keys with it."""
    old = str(draft.metadata.get("general.architecture") or draft.config.architecture)
    new = "llama" if draft.config.architecture == "qwen2" else "qwen2"
    own = {"general.architecture", "model_type", "architecture", "hf_model_type", "model.architecture"}
    metadata = {
        (f"{new}.{key.removeprefix(old + '.')}" if key.startswith(f"{old}.") else key): new if key in own else value
        for key, value in draft.metadata.items()
        if key not in {keys.GGUF_MODEL_TYPE, "hf_architecture"}
    }
    folder = dict(draft.folder)
    if "config.json" in folder:
        stated = {**json.loads(folder["config.json"]), "model_type": new, "architectures": [keys.CLASSES[new]]}
        folder["config.json"] = json.dumps(stated, indent=2)
    return dataclasses.replace(draft, metadata=metadata, folder=folder)


def scaling(draft: Draft, _: Chosen) -> Draft:
    """ROPE-006: the scaling of rotary frequencies is dropped: keys, parameters and tensors of factors."""
    if not draft.config.values.get("rope_scaling"):
        return draft
    kept = {
        key: value for key, value in draft.metadata.items() if ".rope.scaling." not in key and key != "rope_scaling"
    }
    folder = dict(draft.folder)
    if "config.json" in folder:
        stated = {key: value for key, value in json.loads(folder["config.json"]).items() if key != "rope_scaling"}
        base = (stated.get("rope_parameters") or {}).get("rope_theta", 10000.0)
        stated["rope_parameters"] = {"rope_type": "default", "rope_theta": base}
        folder["config.json"] = json.dumps(stated, indent=2)
    tensors = tuple(tensor for tensor in draft.tensors if not tensor.name.startswith("rope_"))
    return dataclasses.replace(draft, metadata=kept, folder=folder, tensors=tensors)


def rotated(draft: Draft, _: Chosen) -> Draft:
    """ROPE-007: half of the dimensions are rotated."""
    if draft.config.architecture in keys.NO_ROPE:
        return draft
    if draft.format == "gguf":
        return restated(draft, "rope.dimension_count", lambda value: max(2, value // 2))
    part = float(draft.config.values.get("partial_rotary_factor") or 1.0) / 2
    if draft.format == "apr":
        return dataclasses.replace(draft, metadata={**draft.metadata, "partial_rotary_factor": part})
    stated = json.loads(draft.folder["config.json"])
    stated["partial_rotary_factor"] = part
    parameters = stated.get("rope_parameters") or {}
    for place in (parameters, parameters.get("full_attention")):
        if isinstance(place, dict) and "rope_theta" in place:
            place["partial_rotary_factor"] = part
    return dataclasses.replace(draft, folder={**draft.folder, "config.json": json.dumps(stated, indent=2)})


PLANTS = {
    "ROPE-005": _changed(lambda _, value: 500000.0 if value == 10000.0 else 10000.0, "rope_theta"),
    "ROPE-006": scaling,
    "ROPE-007": rotated,
    "VALUE-004": _changed(lambda _, value: 1 / value, "logits_scaling", "logit_scale"),
    "LAYOUT-009": _changed(_divided_out, "head_dim"),
    "META-001": _changed(lambda _, value: value * 100, "rms_norm_eps", "layer_norm_eps"),
    "META-002": _changed(_key_heads, "num_key_value_heads"),
    "META-003": _lost("attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "attention.scale"),
    "META-004": _lost("sliding_window"),
    "META-005": _changed(lambda _, value: value + 1, "num_experts_per_tok"),
    "META-006": architecture,
    "META-007": _lost("intermediate_size", "max_position_embeddings"),
    "META-008": _changed(lambda _, value: value * 4, "max_position_embeddings"),
    "META-009": _changed(_number("hidden_size"), "intermediate_size"),
}
