"""Where a model is found: named, beside its playbook, in this machine's store, in the caches of others."""

import hashlib
from pathlib import Path

import pytest

from bot.errors import UserError
from bot.playbook.model import ModelSpec
from bot.suite import store

NAME = "Org/Tiny-0.5B"
SLUG = "tiny-0-5b"
PLACES = {
    "hub": ("HF_HOME", "hub/models--Org--Tiny-0.5B/snapshots/abc/model.gguf"),
    "hub cache": ("HUGGINGFACE_HUB_CACHE", "models--Org--Tiny-0.5B/snapshots/abc/model.gguf"),
    "apr-models, slug": ("HOME", f".cache/apr-models/{SLUG}/gguf/model.gguf"),
    "apr-models, owner and name": ("HOME", ".cache/apr-models/Org/Tiny-0.5B/gguf/model.gguf"),
    "own store": ("REQUALIFY_MODELS", f"{SLUG}/gguf/model.gguf"),
    "own store, as the hub": ("REQUALIFY_MODELS", "models--Org--Tiny-0.5B/snapshots/abc/model.gguf"),
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache of this machine is looked into."""
    for name in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "REQUALIFY_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def put(path: Path, data: bytes = b"GGUF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("place", PLACES)
def test_a_model_is_found_in_the_layouts_of_caches(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variable, relative = PLACES[place]
    file = put(tmp_path / "there" / relative)
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    found = store.locate(ModelSpec(name=NAME))
    assert file == found or file.parent == found


def test_this_machines_store_comes_before_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "home/.cache/apr-models" / SLUG / "gguf/model.gguf")
    mine = put(tmp_path / "store" / SLUG / "gguf/model.gguf")
    monkeypatch.setenv("REQUALIFY_MODELS", str(tmp_path / "store"))
    found = store.locate(ModelSpec(name=NAME))
    assert mine == found or mine.parent == found


def test_a_model_that_is_nowhere_is_told_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="was not found") as told:
        store.locate(ModelSpec(name=NAME))
    assert f"apr-models/{SLUG}" in told.value.hint
    assert "--model" in told.value.hint


def test_a_relative_path_counts_from_the_playbook(tmp_path: Path) -> None:
    file = put(tmp_path / "models" / "m.gguf")
    spec = ModelSpec(name=NAME, path=Path("../models/m.gguf"))
    assert store.locate(spec, beside=tmp_path / "playbooks").resolve() == file


def test_a_pinned_model_must_be_that_model(tmp_path: Path) -> None:
    file = put(tmp_path / "m.gguf")
    right = hashlib.sha256(b"GGUF").hexdigest()
    assert store.checked(file, ModelSpec(name=NAME, sha256=right), "gguf") == file
    with pytest.raises(UserError, match="its SHA-256 is"):
        store.checked(file, ModelSpec(name=NAME, sha256="0" * 64), "gguf")
    # the pin is of the first format; a model in another one is another file
    assert store.checked(file, ModelSpec(name=NAME, sha256="0" * 64), "apr") == file
