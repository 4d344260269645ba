"""Plants that change values: offsets, factors, lost scales, merged adapters, zeroed and damaged tensors."""

import zlib

import numpy as np

from bot.formats._base import F32
from bot.formats.names import Change
from bot.formats.view import kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, each, revalued
from bot.toolchains.plants.where import on_rows, touched

EMBEDDINGS = ("embed_tokens.weight", "wte.weight")
AFTER_NORM = {
    "input_layernorm.weight": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
                               "self_attn.qkv_proj.weight"),
    "ln_1.weight": ("attn.c_attn.weight",),
}  # fmt: skip


def _random(tensor: DraftTensor) -> np.random.Generator:
    """Return a generator of its own for each tensor, the same in every run."""
    return np.random.default_rng(zlib.crc32(tensor.hf.encode()))


def _is_norm(tensor: DraftTensor) -> bool:
    kind = kind_and_layer(tensor.hf)[0]
    return len(tensor.shape) == 1 and kind.endswith(".weight") and ("norm" in kind or kind.startswith("ln_"))


def _matrix(tensor: DraftTensor) -> bool:
    return len(tensor.shape) == 2 and kind_and_layer(tensor.hf)[1] is not None and min(tensor.shape) > 8


def norm_offset(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-001: the one that is added to norms is forgotten where it is asked for, and added where it is not."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        offset = np.float32(-1 if tensor.asks is Change.PLUS_ONE and tensor.was is not Change.PLUS_ONE else 1)
        return revalued(tensor, lambda values: values + offset) if _is_norm(tensor) else None

    return each(draft, chosen, change)


def factor(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-003: the embedding (or what was chosen) is multiplied by the square root of the width."""
    scale = np.float32(float(draft.config.values.get("hidden_size") or 64) ** 0.5)
    anywhere = not getattr(chosen, "text", "")

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if len(tensor.shape) < 2 or (anywhere and not tensor.hf.endswith(EMBEDDINGS)):
            return None
        rows = touched(draft, tensor, chosen)
        return revalued(tensor, lambda values: on_rows(values, rows, lambda x: x * scale)) if len(rows) else None

    return each(draft, chosen, change)


def block_scales(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-005: values are left divided by the scale of their block (FP8 weights copied without scales)."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _matrix(tensor):
            return None
        size = 128 if min(tensor.shape) >= 256 else 32

        def unscaled(values: F32) -> F32:
            grid = [-(-side // size) for side in values.shape]
            scales = np.exp(_random(tensor).normal(0, 0.7, grid)).astype(np.float32)
            spread = scales.repeat(size, axis=0).repeat(size, axis=1)[: values.shape[0], : values.shape[1]]
            return values / spread

        return revalued(tensor, unscaled)

    return each(draft, chosen, change)


def adapter(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-006: an adapter of rank four is merged in that the source does not have."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _matrix(tensor) or min(tensor.shape) < 32:
            return None

        def merged(values: F32) -> F32:
            random = _random(tensor)
            left, right = (random.normal(0, 1, shape) for shape in ((values.shape[0], 4), (4, values.shape[1])))
            return values + np.float32(0.25 * float(values.std())) * (left @ right).astype(np.float32)

        return revalued(tensor, merged)

    return each(draft, chosen, change)


def folded(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-007: a norm is folded into the columns of the matrices after it, and stays in place as well."""
    norms = {kind_and_layer(tensor.hf): tensor for tensor in draft.tensors}

    def change(tensor: DraftTensor) -> DraftTensor | None:
        kind, layer = kind_and_layer(tensor.hf)
        before = next((norm for norm, after in AFTER_NORM.items() if kind in after), None)
        norm = norms.get((before, layer)) if before else None
        if norm is None or len(tensor.shape) != 2:
            return None
        scale = norm.values
        if kind == "attn.c_attn.weight" and tensor.asks is not Change.TRANSPOSED:
            return revalued(tensor, lambda values: values * scale()[:, None])
        return revalued(tensor, lambda values: values * scale())

    return each(draft, chosen, change)


def zeroed(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-008: a tensor holds nothing but zeros; of all that are chosen, matrices after the activation."""
    anywhere = not getattr(chosen, "text", "")

    def change(tensor: DraftTensor) -> DraftTensor | None:
        kind = kind_and_layer(tensor.hf)[0]
        if anywhere and not kind.endswith(("down_proj.weight", "mlp.c_proj.weight", "w2.weight")):
            return None
        rows = touched(draft, tensor, chosen)
        return revalued(tensor, lambda values: on_rows(values, rows, np.zeros_like)) if len(rows) else None

    return each(draft, chosen, change)


def damaged(draft: Draft, chosen: Chosen) -> Draft:
    """VALUE-010: a few runs of 32 values are overwritten with noise."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not _matrix(tensor):
            return None

        def noisy(values: F32) -> F32:
            random, flat = _random(tensor), values.copy().reshape(-1, 32)
            hit = random.choice(len(flat), max(1, len(flat) // 50), replace=False)
            flat[hit] = random.normal(0, 4 * float(values.std()) + 1e-6, (len(hit), 32))
            return flat.reshape(values.shape)

        return revalued(tensor, noisy) if tensor.shape[-1] % 32 == 0 else None

    return each(draft, chosen, change)


PLANTS = {
    "VALUE-001": norm_offset,
    "VALUE-003": factor,
    "VALUE-005": block_scales,
    "VALUE-006": adapter,
    "VALUE-007": folded,
    "VALUE-008": zeroed,
    "VALUE-010": damaged,
}
