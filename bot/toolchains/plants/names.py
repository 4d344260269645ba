"""Plants of the name family: tensors lost, added or called by another container's name."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from bot.formats import names
from bot.formats.names import Change
from bot.formats.view import kind_and_layer
from bot.toolchains.draft import Draft, DraftTensor
from bot.toolchains.plants.each import Chosen, revalued

HEAD = "lm_head.weight"
EMBEDDINGS = ("model.embed_tokens.weight", "transformer.wte.weight")


def _without(draft: Draft, lost: Iterator[DraftTensor]) -> Draft:
    gone = {tensor.name for tensor in lost}
    return dataclasses.replace(draft, tensors=tuple(t for t in draft.tensors if t.name not in gone))


def missing(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-001: tensors are dropped: those meant, or one matrix in the middle."""
    meant = [t for t in draft.tensors if chosen(t) and t.is_matrix and kind_and_layer(t.hf)[1] is not None]
    return _without(draft, iter(meant if getattr(chosen, "text", "") else meant[len(meant) // 2 :][:1]))


def misspelled(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-002: names are those of the other convention: ggml's in SafeTensors and APR, Hugging Face's in GGUF."""

    def renamed(tensor: DraftTensor) -> DraftTensor:
        other = names.to_gguf(draft.config.architecture, tensor.hf)
        name = tensor.hf if draft.format == "gguf" else other.name if other and other.expert is None else tensor.name
        stacked = tensor.asks is Change.EXPERT
        return dataclasses.replace(tensor, name=name) if chosen(tensor) and not stacked else tensor

    made = tuple(renamed(tensor) for tensor in draft.tensors)
    single = len({tensor.name for tensor in made}) == len(made)
    return dataclasses.replace(draft, tensors=made) if single else draft


def unexpected(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-003: a tensor is added that no architecture knows."""
    like = next((t for t in draft.tensors if chosen(t) and t.is_matrix and kind_and_layer(t.hf)[1] is not None), None)
    if like is None:
        return draft
    name = like.name.removesuffix(".weight") + "_extra.weight"
    extra = dataclasses.replace(revalued(like, lambda values: values * np.float32(0.5)), name=name, hf=name)
    return dataclasses.replace(draft, tensors=(*draft.tensors, extra))


def last_layer(draft: Draft, _: Chosen) -> Draft:
    """NAME-005: the last layer is not written; the metadata still count it."""
    layers = {layer for tensor in draft.tensors if (layer := kind_and_layer(tensor.hf)[1]) is not None}
    if len(layers) < 2:
        return draft
    return _without(draft, (tensor for tensor in draft.tensors if kind_and_layer(tensor.hf)[1] == max(layers)))


def biases(draft: Draft, chosen: Chosen) -> Draft:
    """NAME-007: biases are dropped."""
    return _without(draft, (tensor for tensor in draft.tensors if chosen(tensor) and tensor.hf.endswith(".bias")))


def head(draft: Draft, _: Chosen) -> Draft:
    """NAME-008: a head of its own is dropped; a tied one gets a copy that is not the embedding."""
    if any(tensor.hf == HEAD for tensor in draft.tensors):
        return _without(draft, (tensor for tensor in draft.tensors if tensor.hf == HEAD))
    embedding = next((tensor for tensor in draft.tensors if tensor.hf in EMBEDDINGS), None)
    if embedding is None:
        return draft
    made = revalued(embedding, lambda values: np.random.default_rng(0).permuted(values, axis=1))
    name = "output.weight" if draft.format == "gguf" else HEAD
    return dataclasses.replace(draft, tensors=(*draft.tensors, dataclasses.replace(made, name=name, hf=HEAD)))


PLANTS = {
    "NAME-001": missing, "NAME-002": misspelled, "NAME-003": unexpected, "NAME-005": last_layer, "NAME-007": biases,
    "NAME-008": head,
}  # fmt: skip
