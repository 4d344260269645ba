"""Plants of the metadata and tokenizer families."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from bot.toolchains.draft import Draft, DraftTensor

Chosen = Callable[[DraftTensor], bool]


def rope_base(draft: Draft, _: Chosen) -> Draft:
    """ROPE-005: the rope base is lost, so readers fall back to theirs."""
    return _stated(draft, ("rope_theta", "rope.freq_base", "model.rope_theta"))


def _stated(draft: Draft, endings: tuple[str, ...]) -> Draft:
    """Drop every key that ends in one of these, from the container's metadata and from config.json."""
    folder = dict(draft.folder)
    if "config.json" in folder:
        folder["config.json"] = json.dumps(_without(json.loads(folder["config.json"]), endings), indent=2)
    return dataclasses.replace(draft, metadata=_without(draft.metadata, endings), folder=folder)


def _without(found: Mapping[str, Any], endings: tuple[str, ...]) -> dict[str, Any]:
    kept = {key: value for key, value in found.items() if not key.endswith(endings)}
    return {key: _without(value, endings) if isinstance(value, dict) else value for key, value in kept.items()}


PLANTS = {"ROPE-005": rope_base}
