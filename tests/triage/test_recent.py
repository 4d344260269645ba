"""Remembered values are the checkpoint's own, and nobody can change them for the next experiment."""

from pathlib import Path

import numpy as np
import pytest

from bot.formats import open_checkpoint
from bot.formats.view import canonical
from bot.toolchains import conversion, specimen
from bot.triage.recent import remembering

NAME = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    target = folder / "m.gguf"
    conversion.convert(specimen.write(folder / "llama", "llama"), target, dtype="q8_0")
    return target


def test_what_is_remembered_equals_what_is_read(gguf: Path) -> None:
    plain = canonical(open_checkpoint(gguf))
    view = remembering(plain)
    for name in plain.tensors:
        for rows in (None, slice(0, 3), slice(None), np.array([2, 0, 1])):
            if rows is not None and len(plain.tensors[name].shape) < 2:
                continue
            assert np.array_equal(view.values(name, rows), plain.values(name, rows)), (name, rows)


def test_a_tensor_is_decoded_once_until_the_next(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = canonical(open_checkpoint(gguf))
    view, read = remembering(plain), []
    original = plain.checkpoint.values
    monkeypatch.setattr(plain.checkpoint, "values", lambda name, rows=None: read.append(name) or original(name, rows))
    view.values(NAME)
    view.values(NAME, np.array([1, 2]))
    view.values(NAME, slice(0, plain.tensors[NAME].shape[0]))
    assert len(read) == 1
    view.values("model.norm.weight")
    view.values(NAME)
    assert len(read) == 3


def test_remembered_values_cannot_be_changed(gguf: Path) -> None:
    view = remembering(canonical(open_checkpoint(gguf)))
    with pytest.raises(ValueError, match="read-only"):
        view.checkpoint.values("blk.0.attn_v.weight")[0] = 0
