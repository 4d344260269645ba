"""Plants of the layout family."""

import dataclasses

import numpy as np

from bot.formats import blocks
from bot.formats._base import F32
from bot.formats.names import Change
from bot.formats.view import Index, kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, each, gathered, revalued

EMBEDDINGS = ("embed_tokens.weight", "lm_head.weight", "transformer.wte.weight")


def _in_layers(tensor: DraftTensor) -> bool:
    return len(tensor.shape) > 1 and kind_and_layer(tensor.hf)[1] is not None and min(tensor.shape[-2:]) > 1


def transposed(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-002: the bytes of layer matrices are believed column-major, transposed, and the shape stays."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _in_layers(tensor):
            return None
        *stack, height, width = tensor.shape
        return revalued(tensor, lambda values: values.reshape(*stack, width, height).swapaxes(-1, -2))

    return each(draft, chosen, change)


def reversed_shape(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-001: dimensions are listed in the wrong order, bytes untouched."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if len(tensor.shape) != 2 or tensor.shape[0] == tensor.shape[1]:
            return None
        turned = tensor.shape[::-1]
        if turned[-1] % blocks.TYPES[tensor.dtype].elements:
            return None
        values, packed = tensor.values, tensor.packed
        return dataclasses.replace(tensor, shape=turned, values=lambda: values().reshape(turned), packed=packed)

    return each(draft, chosen, change)


def qkv_order(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-003: fused q, k, v are grouped by key head instead of lying one after the other."""
    query = int(draft.config.values.get("num_attention_heads") or 1)
    key = int(draft.config.values.get("num_key_value_heads") or query)

    def change(tensor: DraftTensor) -> DraftTensor | None:
        kind = kind_and_layer(tensor.hf)[0]
        if not kind.startswith(("self_attn.qkv_proj", "attn.c_attn")):
            return None
        by_columns = kind == "attn.c_attn.weight" and tensor.asks is not Change.TRANSPOSED
        count = tensor.shape[-1] if by_columns else tensor.shape[0]
        order = _grouped(count, query, key)
        return revalued(tensor, lambda values: values[:, order]) if by_columns else gathered(tensor, order)

    return each(draft, chosen, change)


def _grouped(rows: int, query: int, key: int) -> Index:
    """Return rows as [q k v] for each of two groups of heads at least, one group when there is one key head."""
    index = np.arange(rows, dtype=np.intp)
    d = rows // (query + 2 * key)
    q, k, v = index[: query * d], index[query * d : (query + key) * d], index[(query + key) * d :]
    if key == 1:
        return np.concatenate([k, v, q])
    parts = [part.reshape(key, -1) for part in (q, k, v)]
    return np.concatenate([np.concatenate([part[g] for part in parts]) for g in range(key)])


def halves(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-004: the halves of a fused gate and up projection are exchanged."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not kind_and_layer(tensor.hf)[0].startswith("mlp.gate_up_proj"):
            return None
        return gathered(tensor, np.roll(np.arange(tensor.shape[0], dtype=np.intp), tensor.shape[0] // 2))

    return each(draft, chosen, change)


def shifted(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-006: one vocabulary row is dropped early, so all later rows move up by one."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not tensor.hf.endswith(EMBEDDINGS) or tensor.shape[0] < 64:
            return None
        order = np.minimum(np.arange(tensor.shape[0], dtype=np.intp) + 1, tensor.shape[0] - 1)
        order[:16] = np.arange(16)
        return gathered(tensor, order)

    return each(draft, chosen, change)


def trimmed(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-007: rows of real tokens are trimmed off the vocabulary as if they were padding."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not tensor.hf.endswith(EMBEDDINGS) or tensor.shape[0] < 64:
            return None
        kept = np.arange(tensor.shape[0] - 8, dtype=np.intp)
        values, packed = tensor.values, tensor.packed
        return dataclasses.replace(
            tensor, shape=(kept.size, *tensor.shape[1:]), values=lambda: values()[kept],
            packed=(lambda: packed().reshape(kept.size + 8, -1)[kept]) if packed else None,
        )  # fmt: skip

    return each(draft, chosen, change)


def written_raw(draft: Draft, chosen: Chosen) -> Draft:
    """LAYOUT-010: arrays in column order are written by their memory, as safetensors 0.8.0 does with numpy."""
    if draft.format != "safetensors":
        return draft

    def raw(values: F32) -> F32:
        return values.ravel(order="F").reshape(values.shape)

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _in_layers(tensor) or len(tensor.shape) != 2 or tensor.shape[0] == tensor.shape[1]:
            return None
        return revalued(tensor, raw)

    return each(draft, chosen, change)


PLANTS = {
    "LAYOUT-001": reversed_shape,
    "LAYOUT-002": transposed,
    "LAYOUT-003": qkv_order,
    "LAYOUT-004": halves,
    "LAYOUT-006": shifted,
    "LAYOUT-007": trimmed,
    "LAYOUT-010": written_raw,
}
