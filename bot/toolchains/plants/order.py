"""Plants that put a right tensor in another's place: layers, projections, experts."""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from bot.formats.names import Change
from bot.formats.view import kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, gathered

EXCHANGED = (
    ("mlp.gate_proj", "mlp.up_proj"),
    ("self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.q_proj", "self_attn.k_proj"),
    ("self_attn.q_norm", "self_attn.k_norm"),
    ("input_layernorm", "post_attention_layernorm"),
    ("ln_1", "ln_2"),
)
STACK = re.compile(r"experts\.(\d+)\.")


def _replaced(draft: Draft, sources: Mapping[str, DraftTensor]) -> Draft:
    """Give tensors, by name, the content of others."""
    tensors = tuple(
        dataclasses.replace(source, name=tensor.name, hf=tensor.hf)
        if (source := sources.get(tensor.name)) is not None and source is not tensor
        else tensor
        for tensor in draft.tensors
    )
    return dataclasses.replace(draft, tensors=tensors)


def layers(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-004: layers come in another order: that of their numbers as text, or turned round below ten."""
    places = {kind_and_layer(tensor.hf): tensor for tensor in draft.tensors}
    meant = sorted({layer for (_, layer), t in places.items() if layer is not None and chosen(t)})
    by_text = sorted(meant, key=str)
    order = dict(zip(meant, by_text if by_text != meant else meant[::-1], strict=True))
    sources = {
        tensor.name: places.get((kind, order[layer]), tensor)
        for (kind, layer), tensor in places.items()
        if layer in order and chosen(tensor)
    }
    return _replaced(draft, sources)


def tensors(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-006: two tensors of one layer stand under each other's name, the first pair that is there."""
    places = {kind_and_layer(tensor.hf): tensor for tensor in draft.tensors}
    for one, other in EXCHANGED:
        sources: dict[str, DraftTensor] = {}
        for (kind, layer), tensor in places.items():
            partner = places.get((other + kind.removeprefix(one), layer))
            if kind.startswith(f"{one}.") and partner is not None and (chosen(tensor) or chosen(partner)):
                sources |= {tensor.name: partner, partner.name: tensor}
        if sources:
            return _replaced(draft, sources)
    return draft


def experts(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-005: experts are stacked, or numbered, from the last to the first; the router is not."""
    names = {tensor.hf: tensor for tensor in draft.tensors}
    count = int(draft.config.values.get("num_local_experts") or draft.config.values.get("num_experts") or 0)
    changed, sources = [], {}
    for tensor in draft.tensors:
        found = STACK.search(tensor.hf) if chosen(tensor) else None
        if found and tensor.asks is Change.EXPERT:
            changed.append(gathered(tensor, np.arange(tensor.shape[0], dtype=np.intp)[::-1]))
            continue
        if found:
            other = STACK.sub(f"experts.{count - 1 - int(found[1])}.", tensor.hf)
            sources[tensor.name] = names.get(other, tensor)
        changed.append(tensor)
    return _replaced(dataclasses.replace(draft, tensors=tuple(changed)), sources)


PLANTS = {"NAME-004": layers, "NAME-006": tensors, "LAYOUT-005": experts}
