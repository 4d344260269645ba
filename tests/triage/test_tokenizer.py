"""A tokenizer's parts, lost or changed one at a time."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from triage.families import defects, named, planted

from bot.compare.vocabulary import token_differences
from bot.formats.tokenizer_model import CONTROL, NORMAL, UNUSED, USER_DEFINED, Tokenizer

Model = Callable[[str], Path]
BPE = [f"TOK-00{n}" for n in range(1, 10)]
SPM = ["TOK-004", "TOK-005", "TOK-006", "TOK-007", "TOK-008", "TOK-009"]
CASES = [
    *(("llama", cause, "gguf") for cause in BPE), *(("qwen2", cause, "safetensors") for cause in BPE),
    *(("llama", cause, "apr") for cause in ("TOK-001", "TOK-002", "TOK-003")),
    *(("gemma3", cause, "gguf") for cause in SPM),
]  # fmt: skip


@pytest.mark.parametrize(("arch", "cause", "target"), CASES)
def test_a_lost_part_is_named_alone(arch: str, cause: str, target: str, model: Model, tmp_path: Path) -> None:
    found = planted(model(arch), tmp_path, target, cause)
    assert defects(found) == [cause]
    rest = set(BPE) - {cause}
    assert set(named(found, cause).refuted) == (rest if cause != "TOK-008" else set())


def test_texts_that_come_out_differently_are_shown(model: Model, tmp_path: Path) -> None:
    told = named(planted(model("llama"), tmp_path, "gguf", "TOK-001"), "TOK-001").evidence_for
    assert any("ids in A and" in words for words in told)


PLAIN = Tokenizer(
    kind="bpe", tokens=["a", "b", "ab", "<s>"], merges=["a b"], types=[NORMAL] * 3 + [CONTROL], pre="qwen2", bos=3,
    eos=3, pad=3, add_bos=False, chat_template="t",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"pre": "deepseek-r1-qwen"}, []),  # another name of the same pattern
        ({"pre": None}, ["TOK-001"]),
        ({"merges": ["b a"]}, ["TOK-002"]),
        ({"types": None}, ["TOK-003"]),
        ({"types": [NORMAL] * 3 + [USER_DEFINED]}, ["TOK-003"]),
        ({"types": [NORMAL, NORMAL, CONTROL, CONTROL]}, ["TOK-003"]),
        ({"bos": 0}, ["TOK-004"]),
        ({"add_bos": True}, ["TOK-004"]),
        ({"add_bos": None}, []),  # a byte-pair vocabulary adds none by default
        ({"eos": None}, ["TOK-005"]),
        ({"chat_template": "u"}, ["TOK-006"]),
        ({"tokens": ["b", "a", "ab", "<s>"]}, ["TOK-007"]),
        ({"tokens": ["a", "b", "ab"]}, ["TOK-007"]),
        ({"kind": "spm"}, ["TOK-007"]),
        ({"tokens": [*PLAIN.tokens, "[PAD4]"], "types": [*PLAIN.types, UNUSED]}, []),  # type: ignore[misc]
        ({"pad": 0}, ["TOK-009"]),
        ({"unk": 2}, []),  # A states none
    ],
)
def test_parts_are_compared_one_by_one(change: dict[str, object], causes: list[str]) -> None:
    other = dataclasses.replace(PLAIN, **change)  # type: ignore[arg-type]
    assert [found.cause for found in token_differences(PLAIN, other)] == causes


def test_a_source_without_tokenizer_asks_for_none() -> None:
    assert list(token_differences(None, PLAIN)) == []
    assert [found.cause for found in token_differences(PLAIN, None)] == ["TOK-008"]
