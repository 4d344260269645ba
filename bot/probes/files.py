"""Measures files by themselves: broken laws, agreement of metadata and tensors, names, element types."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from bot.formats import faults as file_faults
from bot.formats.names import Spelling
from bot.formats.view import View, kind_and_layer
from bot.probes._base import Context

# the last part of a tensor's kind -> (rows, columns) in words of the configuration
SHAPES: dict[str, tuple[str, str]] = {
    "self_attn.q_proj.weight": ("heads", "hidden"),
    "self_attn.k_proj.weight": ("kv", "hidden"),
    "self_attn.v_proj.weight": ("kv", "hidden"),
    "self_attn.o_proj.weight": ("hidden", "heads"),
    "mlp.gate_proj.weight": ("intermediate", "hidden"),
    "mlp.up_proj.weight": ("intermediate", "hidden"),
    "mlp.down_proj.weight": ("hidden", "intermediate"),
    "embed_tokens.weight": ("vocabulary", "hidden"),
    "wte.weight": ("vocabulary", "hidden"),
}


def faults(context: Context) -> dict[str, Any]:
    """Return {"path": name, "faults": [each as a dict]} of the result's file."""
    found = [dataclasses.asdict(fault) for fault in file_faults(context.result)]
    return {"path": context.result.name, "faults": [{**fault, "path": context.result.name} for fault in found]}


def integrity(context: Context) -> dict[str, Any]:
    """Return what the metadata states beside what the tensors show: {"checks": [{part, key, stated, found}], ...}."""
    view = context.services.view(context.result)
    wrong, seen = _shapes(view)
    return {"checks": list(_checks(view)), "wrong_shapes": wrong, "shapes_checked": seen}


def _widths(view: View) -> dict[str, int]:
    config = view.config
    dimension = config.integer("head_dim")
    if not dimension and config.integer("num_attention_heads"):
        dimension = config.integer("hidden_size") // config.integer("num_attention_heads")
    return {
        "hidden": config.integer("hidden_size"), "intermediate": config.integer("intermediate_size"),
        "heads": config.integer("num_attention_heads") * dimension,
        "kv": config.integer("num_key_value_heads") * dimension,
        "vocabulary": config.integer("vocab_size"),
    }  # fmt: skip


def _checks(view: View) -> Iterator[dict[str, Any]]:
    widths = _widths(view)
    layers = {layer for name in view.tensors if (layer := kind_and_layer(name)[1]) is not None}
    if stated := view.config.integer("num_hidden_layers"):
        yield {"part": "layers", "key": "num_hidden_layers", "stated": stated, "found": len(layers)}
    done = set()
    for name, slot in view.tensors.items():
        kind = kind_and_layer(name)[0]
        if kind not in SHAPES or kind in done or len(slot.shape) != 2:
            continue
        done.add(kind)
        # a reversed shape is the layout gate's finding; widths are checked as a set
        for word, size in zip(SHAPES[kind], sorted_like(slot.shape, [widths[w] for w in SHAPES[kind]]), strict=True):
            part = {"heads": "heads", "kv": "heads", "vocabulary": "vocabulary"}.get(word, "hidden")
            if widths[word]:
                yield {"part": part, "key": f"{word} ({kind})", "stated": widths[word], "found": size}


def sorted_like(shape: tuple[int, ...], wanted: list[int]) -> list[int]:
    """Return the shape, reversed where only that way it is what was wanted."""
    return list(shape[::-1]) if list(shape[::-1]) == wanted else list(shape)


def _shapes(view: View) -> tuple[list[str], int]:
    widths, wrong, seen = _widths(view), [], 0
    for name, slot in view.tensors.items():
        words = SHAPES.get(kind_and_layer(name)[0])
        if words is None or not all(widths[word] for word in words):
            continue
        seen += 1
        if slot.shape != tuple(widths[word] for word in words):
            wrong.append(name)
    if view.architecture == "gpt2":
        seen = max(seen, len(view.tensors))
    return wrong, seen


def names(context: Context) -> dict[str, Any]:
    """Return {"seen", "misspelled": names in another container's spelling, "twice", "unknown"} of the result."""
    view = context.services.trusting(context.result, context.source)
    wanted = Spelling.GGUF if view.checkpoint.format == "gguf" else Spelling.HF
    slots = view.tensors.values()
    odd = sorted({slot.stored for slot in slots if slot.spelling is not wanted and not _either(slot.stored)})
    return {"seen": len(view.checkpoint.tensors), "misspelled": odd, "twice": view.twice, "unknown": view.unmapped}


def _either(stored: str) -> bool:
    """Tell whether a name is the same in two spellings."""
    return stored == "lm_head.weight"


def dtypes(context: Context) -> dict[str, Any]:
    """Return {"seen", "unasked": tensors whose type loses what nobody asked to lose} of the result."""
    from bot.compare.diff import budget_of, match

    a, b = context.services.view(context.source), context.services.trusting(context.result, context.source)
    asked = (context.services.asked or "").upper()
    pairs = match(a, b)[0]
    # what does not fit in rows of blocks falls back to F16, as every converter does
    allowed = {asked, "F16"} if asked else set()
    unasked = [
        f"{pair.name}: {pair.a.dtype} became {pair.b.dtype}"
        for pair in pairs
        if budget_of(pair).limit > 1e-6 and pair.b.dtype not in allowed
    ]
    return {"seen": len(pairs), "unasked": unasked, "asked": asked or "lossless"}
