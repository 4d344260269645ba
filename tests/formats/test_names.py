"""Name tables and the row orders between conventions."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.formats import names
from bot.formats.names import Change, Spelling
from bot.formats.view import pair_rows

ARCHITECTURES = (*sorted(names.TABLES), *sorted(names.ALIASES))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_row_is_found_from_each_of_its_spellings(arch: str) -> None:
    for row in names.table(arch):
        hf = row.hf.replace("{i}", "17").replace("{e}", "3")
        ggml = row.gguf.replace("{i}", "17")
        bare = re.sub(r"^(model|transformer)\.", "", hf)
        spellings = {hf: Spelling.HF, ggml: Spelling.GGUF, **({bare: Spelling.BARE} if bare != hf else {})}
        for name, spelling in spellings.items():
            found = names.role(arch, name)
            assert found is not None and (found.spelling, found.gguf, found.change) == (spelling, ggml, row.change)
            assert found.layer == (17 if "{i}" in row.hf else None)
            assert found.hf == hf or found.stacked
        stored = names.to_gguf(arch, hf)
        assert stored is not None and (stored.name, stored.change) == (ggml, row.change)
        assert stored.expert == (3 if "{e}" in row.hf else None)


def test_only_llama_like_tables_move_rotary_rows() -> None:
    """Qwen, Gemma and Phi keep Hugging Face's halves in GGUF; GPT-2 turns no rows at all."""
    moved = {arch for arch in names.TABLES if any(row.change is Change.Q_ROWS for row in names.TABLES[arch])}
    assert moved == {"llama", "mistral", "mixtral"}
    plus = {arch for arch in names.TABLES if any(row.change is Change.PLUS_ONE for row in names.TABLES[arch])}
    assert plus == {"gemma2", "gemma3_text"}
    turned = {row.hf.split("{i}.")[-1] for row in names.TABLES["gpt2"] if row.change is Change.TRANSPOSED}
    assert turned == {"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", ["", "blk.x.attn_q.weight", "blk.0.attn_q.weight.more", "model.unheard"])
def test_what_no_table_has_is_nobody(arch: str, name: str) -> None:
    assert names.role(arch, name) is None
    assert names.to_gguf(arch, name) is None


def test_an_unknown_architecture_is_refused_by_name() -> None:
    for wanted in ("mamba", None, ""):
        with pytest.raises(UserError, match=rf"no tensor-name table for architecture {wanted!r}.*known: gemma2"):
            names.table(wanted)
    assert not names.is_known("mamba") and names.is_known("smollm")


@given(st.integers(1, 8), st.integers(1, 12))
def test_rotary_pairs_follow_the_published_permutation(heads: int, half: int) -> None:
    """llama.cpp's converter: view (heads, 2, half), swap the last two axes."""
    rows = heads * 2 * half
    hf = np.arange(rows)
    ggml = hf.reshape(heads, 2, half).swapaxes(1, 2).reshape(rows)
    assert np.array_equal(ggml[pair_rows(rows, heads)], hf)


@pytest.mark.parametrize(("rows", "heads"), [(7, 2), (0, 2), (8, 0), (8, -1), (6, 2)])
def test_rows_that_do_not_divide_stay(rows: int, heads: int) -> None:
    assert np.array_equal(pair_rows(rows, heads), np.arange(rows))


def test_what_a_model_must_have_is_listed() -> None:
    wanted = names.expected("mixtral", 2, experts=3)
    assert "model.layers.1.block_sparse_moe.experts.2.w2.weight" in wanted
    assert "lm_head.weight" not in wanted, "a tied head is not stored"
    assert len(wanted) == 2 + 2 * (2 + 4 + 1 + 9)
