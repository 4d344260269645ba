"""A reference is broken only when it does what no model does."""

import math

import numpy as np
import pytest
import tiny
import torch

from bot.reference.prompts import LENGTHS, Prompt, from_ids, from_texts
from bot.reference.sanity import sane

RNG = np.random.default_rng(0)
PROMPTS = [[1, 2, 3, 4], [9]]
GOOD = [RNG.normal(size=(4, 50)).astype(np.float32), RNG.normal(size=(1, 50)).astype(np.float32)]


def with_value(value: float) -> list[np.ndarray]:
    changed = [GOOD[0].copy(), GOOD[1]]
    changed[0][2, 7] = value
    return changed


@pytest.mark.parametrize(
    ("logits", "problem"),
    [
        pytest.param(with_value(math.nan), "NaN logits at 1 of 4 positions of prompt 0", id="NaN"),
        pytest.param(with_value(math.inf), "infinite logits", id="infinity"),
        pytest.param(
            [np.full_like(x, 3.0) for x in GOOD], "uniform: every token has log-probability -3.912", id="uniform"
        ),
        pytest.param([np.repeat(GOOD[1], len(x), axis=0) for x in GOOD], "constant", id="deaf to its input"),
        pytest.param([], "vacuous", id="no prompts"),
        pytest.param([np.zeros((0, 50)), np.zeros((0, 50))], "vacuous: no positions", id="no positions"),
        pytest.param([GOOD[0][:3], GOOD[1]], "vacuous: not every token", id="a position missing"),
        pytest.param(GOOD[:1], "vacuous: not every token", id="a prompt missing"),
    ],
)
def test_a_broken_reference_is_named(logits: list[np.ndarray], problem: str) -> None:
    found = sane(logits, PROMPTS)
    assert found is not None and problem in found


def test_a_good_reference_is_sane() -> None:
    assert sane(GOOD, PROMPTS) is None


def test_one_token_asked_twice_may_give_one_answer() -> None:
    assert sane([GOOD[1], GOOD[1]], [[9], [9]]) is None
    assert sane([np.repeat(GOOD[1], 3, axis=0)], [[9, 9, 9]]) is None  # attention over equal values


@pytest.mark.parametrize(
    ("generated", "looping"),
    [
        pytest.param([[5] * 16, [5] * 16], True, id="one token whatever the prompt"),
        pytest.param([[5] * 16, [6] * 16], False, id="each prompt its own loop"),
        pytest.param([[5] * 16], False, id="one prompt proves nothing"),
        pytest.param([[5] * 4, [5] * 4], False, id="too short to tell"),
        pytest.param([[5, 6] * 8, [5] * 16], False, id="some life in it"),
    ],
)
def test_text_is_degenerate_only_when_every_prompt_ends_in_the_same_token(
    generated: list[list[int]], looping: bool
) -> None:
    found = sane(GOOD, PROMPTS, generated)
    assert (found is not None and "degenerate" in found) is looping


@pytest.mark.parametrize("arch", sorted(tiny.ARCHITECTURES))
def test_random_tiny_models_are_sane(arch: str) -> None:
    model = tiny.model(arch)
    prompts = [prompt.ids for prompt in from_ids(tiny.VOCAB)]
    with torch.no_grad():
        logits = [model(torch.tensor([ids])).logits[0].numpy() for ids in prompts]
    assert sane(logits, prompts) is None


def test_probe_ids_are_the_same_everywhere_and_within_the_vocabulary() -> None:
    prompts = from_ids(320)
    assert tuple(len(p.ids) for p in prompts) == LENGTHS and LENGTHS[0] == 1
    assert prompts == from_ids(320) != from_ids(320, seed=1)
    assert prompts[2].ids == from_ids(320)[2].ids
    ids = [token for prompt in prompts for token in prompt.ids]
    assert min(ids) >= 0 and max(ids) < 320 and len(set(ids)) > 60
    assert all(len(p.ids) <= 16 for p in from_ids(320, context=16))


def test_probe_texts_come_with_a_single_token_and_without_empty_ones() -> None:
    prompts = from_texts(lambda text: [ord(c) for c in text if c != "!"], ["abc", "!!"], context=2)
    assert prompts == (Prompt(ids=(97,)), Prompt(ids=(97, 98), text="abc"))
