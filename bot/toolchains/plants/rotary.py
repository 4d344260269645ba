"""Plants of the rotary family: rows of q and k that were not moved, moved wrongly, or moved for nothing."""

from collections.abc import Callable

import numpy as np

from bot.formats.names import Change
from bot.formats.view import Index, kind_and_layer, pair_rows
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, each, gathered
from bot.toolchains.plants.where import heads_of, touched

PAIRS = frozenset({Change.Q_ROWS, Change.KV_ROWS})
NO_ROTATION = frozenset({"gpt2"})


def _rotated(tensor: DraftTensor) -> bool:
    return kind_and_layer(tensor.hf)[0].startswith(("self_attn.q_proj", "self_attn.k_proj"))


def _asked(tensor: DraftTensor) -> bool:
    """Tell whether the two containers disagree on the order of these rows."""
    return (tensor.was in PAIRS) != (tensor.asks in PAIRS)


def _moved(draft: Draft, chosen: Chosen, order: Callable[[DraftTensor, int, int], Index | None]) -> Draft:
    def change(tensor: DraftTensor) -> DraftTensor | None:
        if kind_and_layer(tensor.hf)[0].startswith("self_attn.qkv_proj"):
            return _fused(draft, tensor) if order is _superfluous else None
        if not _rotated(tensor) or draft.config.architecture in NO_ROTATION:
            return None
        rows = tensor.shape[0]
        found = order(tensor, rows, heads_of(draft.config.values, tensor.hf))
        if found is None or np.array_equal(found, np.arange(rows)):
            return None
        meant = touched(draft, tensor, chosen)
        whole = np.arange(rows, dtype=np.intp)
        whole[meant] = found[meant]
        return gathered(tensor, whole) if len(meant) else None

    return each(draft, chosen, change)


def missing(draft: Draft, chosen: Chosen) -> Draft:
    """ROPE-001: the conventions differ and the rows stay where the source had them."""

    def order(tensor: DraftTensor, rows: int, heads: int) -> Index | None:
        if not _asked(tensor):
            return None
        to_hf = pair_rows(rows, heads)
        return to_hf if tensor.asks in PAIRS else np.argsort(to_hf)

    return _moved(draft, chosen, order)


def head_count(draft: Draft, chosen: Chosen) -> Draft:
    """ROPE-002: rows are moved by the query heads where the key heads count, the mistake GQA made common."""

    def order(tensor: DraftTensor, rows: int, heads: int) -> Index | None:
        wrong = int(draft.config.values.get("num_attention_heads") or 0)
        if not _asked(tensor) or wrong == heads or rows % (2 * wrong):
            return None
        right, other = pair_rows(rows, heads), pair_rows(rows, wrong)
        return right[np.argsort(other)] if tensor.asks in PAIRS else np.argsort(right)[other]

    return _moved(draft, chosen, order)


def superfluous(draft: Draft, chosen: Chosen) -> Draft:
    """ROPE-003: rows are moved though the conventions agree, or once more than asked."""
    return _moved(draft, chosen, _superfluous)


def _superfluous(tensor: DraftTensor, rows: int, heads: int) -> Index | None:
    to_hf = pair_rows(rows, heads)
    return to_hf if _asked(tensor) and tensor.was in PAIRS else np.argsort(to_hf)


def _fused(draft: Draft, tensor: DraftTensor) -> DraftTensor:
    """Move the rows of q and k inside a fused projection."""
    query = int(draft.config.values.get("num_attention_heads") or 1)
    key = int(draft.config.values.get("num_key_value_heads") or query)
    rows = tensor.shape[0]
    d = rows // (query + 2 * key)
    q, k = np.argsort(pair_rows(query * d, query)), np.argsort(pair_rows(key * d, key)) + query * d
    return gathered(tensor, np.concatenate([q, k, np.arange((query + key) * d, rows, dtype=np.intp)]))


def head_norms(draft: Draft, chosen: Chosen) -> Draft:
    """ARCH-003: the norm of q and k heads is put in rotary pairs, which its heads are not."""

    def change(tensor: DraftTensor) -> DraftTensor | None:
        if not kind_and_layer(tensor.hf)[0].startswith(("self_attn.q_norm", "self_attn.k_norm")):
            return None
        return gathered(tensor, np.argsort(pair_rows(tensor.shape[0], 1)))

    return each(draft, chosen, change)


PLANTS = {"ROPE-001": missing, "ROPE-002": head_count, "ROPE-003": superfluous, "ARCH-003": head_norms}
