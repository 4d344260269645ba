"""How a set of tensors is told."""

import pytest

from bot.triage.records import pattern

ALL = ["model.embed_tokens.weight"] + [
    f"model.layers.{n}.{kind}.weight" for n in range(6) for kind in ("mlp.up_proj", "self_attn.k_proj")
]


@pytest.mark.parametrize(
    ("layers", "kinds", "words"),
    [
        (range(6), ["self_attn.k_proj"], "self_attn.k_proj.weight in layers 0-5, 6 of 6"),
        ([0, 1, 4], ["mlp.up_proj"], "mlp.up_proj.weight in layers 0-1, 4, 3 of 6"),
        ([3], ["mlp.up_proj", "self_attn.k_proj"], "mlp.up_proj.weight, self_attn.k_proj.weight in layer 3, 1 of 6"),
    ],
)
def test_tensors_are_told_by_kind_and_layer(layers: list[int], kinds: list[str], words: str) -> None:
    assert pattern([f"model.layers.{n}.{kind}.weight" for n in layers for kind in kinds], ALL) == words


def test_kinds_in_other_layers_and_outside_of_layers_are_told_apart() -> None:
    names = ["model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.layers.1.self_attn.k_proj.weight"]
    words = "embed_tokens.weight; mlp.up_proj.weight in layer 0, 1 of 6; self_attn.k_proj.weight in layer 1, 1 of 6"
    assert pattern(names, ALL) == words
