"""What a user may name instead of a model, and what damage may do to one."""

import os
from pathlib import Path

import gguf
import numpy as np
import pytest
import safetensors.numpy
from formats import test_apr, test_gguf, test_safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.formats import detect, faults, open_checkpoint
from bot.formats._base import FormatError
from bot.formats.config import read_config
from bot.formats.tokenizer import read_tokenizer
from bot.formats.view import canonical

APR_FILES = Path(__file__).parents[3] / "shared" / "apr" / "files"
IMPOSTORS = {
    "empty": (b"", "is an empty file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer"),
    "page": (b"<!DOCTYPE html><html>", "an HTML page"),
    "zip": (b"PK\3\4rest", "a zip archive or a PyTorch checkpoint"),
    "zeros": (bytes(4096), "full of zeros"),
    "text": (b"hello, this is no model", "starts with b'hello, t'"),
    "short": (b"GG", "starts with b'GG'"),
}


@pytest.mark.parametrize("suffix", [".gguf", ".safetensors", ".apr", ""])
@pytest.mark.parametrize("case", sorted(IMPOSTORS))
def test_what_is_no_model_is_named_for_what_it_is(tmp_path: Path, case: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    data, words = IMPOSTORS[case]
    path.write_bytes(data)
    with pytest.raises(FormatError) as error:
        open_checkpoint(path)
    assert str(path) in str(error.value)
    if not (suffix == ".safetensors" and case in {"text", "short"}):
        assert words in str(error.value)
    (fault,) = faults(path)
    assert fault.cause in {"FILE-001", "FILE-002"} and fault.fatal


def test_paths_that_lead_nowhere_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "gone.gguf": "no such file", "loop.gguf": "cannot be opened", "dangling.gguf": "no such file",
        "pipe.gguf": "neither a file nor a folder", "folder": "is a directory without a model file",
        "n" * 300 + ".gguf": "cannot be opened", "nul\0.gguf": "no possible path",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=words):
            open_checkpoint(tmp_path / name)
        assert [fault.law for fault in faults(tmp_path / name)] == ["file.readable"], name


def test_a_file_the_system_keeps_from_us_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(test_gguf.build())

    def refused(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UserError, match=r"m\.gguf: cannot be read: Permission denied"):
        open_checkpoint(path)
    assert faults(path)[0].law == "file.readable"


def test_a_folder_that_leaves_a_choice_asks_for_one(tmp_path: Path) -> None:
    for name in ("x.gguf", "y.gguf"):
        (tmp_path / name).write_bytes(test_gguf.build())
    with pytest.raises(UserError, match="holds 2 model files"):
        open_checkpoint(tmp_path)
    (tmp_path / "y.gguf").unlink()
    assert open_checkpoint(tmp_path).path == tmp_path / "x.gguf"


SOUND = {
    "gguf": test_gguf.build(),
    "safetensors": test_safetensors.build(test_safetensors.ONE, test_safetensors.DATA),
    "apr": test_apr.build(test_apr.GOLDEN),
}


@pytest.mark.parametrize("fmt", sorted(SOUND))
@pytest.mark.parametrize("suffix", sorted(SOUND))
def test_a_renamed_model_is_told_by_its_bytes(tmp_path: Path, fmt: str, suffix: str) -> None:
    (tmp_path / "blob").write_bytes(SOUND[fmt])
    assert detect(tmp_path / "blob") == fmt
    assert open_checkpoint(tmp_path / "blob").format == fmt
    renamed = tmp_path / f"model.{suffix}"
    renamed.write_bytes(SOUND[fmt])
    if suffix == fmt:
        assert open_checkpoint(renamed).format == fmt
        return
    with pytest.raises(FormatError, match=rf"model\.{suffix}: is named \.{suffix} and its bytes are {fmt.upper()}"):
        open_checkpoint(renamed)


def _whole(fmt: str) -> bytes:
    """A small model with the metadata and tensors everything above the reader looks at."""
    if fmt == "apr":
        metadata = {
            "architecture": "llama", "hidden_size": 8, "num_heads": 2, "num_layers": 1, "rope_type": 0,
            "tokenizer.vocabulary": ["a", "b"], "tokenizer.merges": ["a b"],
        }  # fmt: skip
        return test_apr.build(
            [("model.layers.0.self_attn.q_proj.weight", 0, (8, 8), bytes(256)), ("lm_head.weight", 12, (2, 256),
             bytes(288))], metadata,
        )  # fmt: skip
    if fmt == "safetensors":
        header = {
            "model.layers.0.self_attn.q_proj.weight": test_safetensors.entry(0, 64, shape=(4, 4)),
            "lm_head.weight": test_safetensors.entry(64, 80, dtype="BF16", shape=(2, 4)),
        }
        return test_safetensors.build({"__metadata__": {"format": "pt"}, **header}, bytes(80))
    text, key, u32 = test_gguf.text, test_gguf.key, (4).to_bytes(4, "little")
    keys = (
        test_gguf.ARCHITECTURE, key("llama.attention.head_count", 4, u32), key("llama.embedding_length", 4, u32 * 1),
        key("llama.rope.freq_base", 6, bytes(4)),
        key("tokenizer.ggml.tokens", 9, (8).to_bytes(4, "little") + (2).to_bytes(8, "little") + text("a") + text("b")),
    )  # fmt: skip
    table = (
        test_gguf.entry("blk.0.attn_q.weight", (8, 8)),
        test_gguf.entry("blk.0.ffn_gate_exps.weight", (32, 2, 2), 8, 256),
        test_gguf.entry("rope_freqs.weight", (4,), 0, 416),
    )
    return test_gguf.build(keys, table, np.ones(108, "<f4").tobytes())


def use(path: Path) -> None:
    """Do with a file whatever the program does with one before it compares it."""
    checkpoint = open_checkpoint(path)
    read_config(checkpoint)
    read_tokenizer(checkpoint)
    view = canonical(checkpoint)
    for name, slot in view.tensors.items():
        if slot.info.count < 100_000:
            view.values(name)
            if slot.shape and slot.shape[0]:
                view.values(name, slice(0, 1))


@pytest.mark.parametrize("fmt", sorted(SOUND))
def test_the_undamaged_file_is_sound_and_usable(tmp_path: Path, fmt: str) -> None:
    path = tmp_path / f"m.{fmt}"
    path.write_bytes(_whole(fmt))
    assert faults(path) == []
    use(path)
    assert canonical(open_checkpoint(path)).tensors


@pytest.mark.parametrize("fmt", sorted(SOUND))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_damage_is_an_error_of_one_sentence_or_harmless(
    fmt: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = bytearray(_whole(fmt))
    path = tmp_path_factory.getbasetemp() / f"damaged.{fmt}"
    # the header is where damage has meaning
    near = st.integers(0, min(len(whole), 700) - 1)
    for at in data.draw(st.lists(near, min_size=0, max_size=4)):
        piece = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=1), st.sampled_from([b"\xff" * 8, bytes(8), b"\0\0\0\0\0\0\0\x80"])
            )
        )
        whole[at : at + len(piece)] = piece
    cut = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))
    resealed = fmt == "apr" and cut >= 64 and data.draw(st.booleans())
    path.write_bytes(test_apr.reseal(whole)[:cut] if resealed else bytes(whole[:cut]))
    found = faults(path)
    try:
        use(path)
    except UserError as error:
        assert path.name in str(error) or "tensor" in str(error) or "decoder" in str(error)
    else:
        assert not any(fault.fatal for fault in found)


# what is wrong with each as a file; all others are sound
BROKEN = {
    "llama-256-q8_0.g.a.gguf": {"gguf.tensor-twice"},
    "llama-96-bf16.s.gguf": {"gguf.shared"},
    "llama-96-bf16.s.a.gguf": {"gguf.shared"},
    "qwen2-128-f16.s.gguf": {"gguf.shared"},
    "qwen2-128-f16.s.a.gguf": {"gguf.shared"},
    "llama-96-bf16.s.apr": {"apr.size"},
    "qwen2-128-f16.s.apr": {"apr.size"},
}


@pytest.mark.skipif(not APR_FILES.is_dir(), reason="the recorded files of other tools are not here")
class TestFilesOfRealTools:
    """Files that published versions of apr and llama.cpp wrote."""

    FILES = (
        sorted(p for s in ("gguf", "apr", "safetensors") for p in APR_FILES.rglob(f"*.{s}"))
        if APR_FILES.is_dir()
        else []
    )

    def test_there_are_some(self) -> None:
        assert len(self.FILES) > 30

    @pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(APR_FILES)))
    def test_each_is_read_and_its_faults_are_known(self, path: Path) -> None:
        expected = BROKEN.get(path.name, set()) if "0.72.3" in path.parts else set()
        assert {fault.law for fault in faults(path)} == expected
        found = open_checkpoint(path)
        for name, info in found.tensors.items():
            if info.nbytes:
                assert found.values(name).shape == info.shape
            else:
                assert name == "lm_head.weight"

    @pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".gguf"], ids=lambda p: p.name)
    def test_ggufs_are_as_gguf_py_reads_them(self, path: Path) -> None:
        if path.name == "llama-256-q8_0.g.a.gguf":
            with pytest.raises(ValueError, match="duplicated tensor"):
                gguf.GGUFReader(path)
            return
        reader, found = gguf.GGUFReader(path), open_checkpoint(path)
        assert list(found.tensors) == [tensor.name for tensor in reader.tensors]
        for tensor in reader.tensors:
            want = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(found.tensors[tensor.name].shape)
            assert np.array_equal(found.values(tensor.name), want), tensor.name
        for key, field in reader.fields.items():
            if not key.startswith("GGUF."):
                assert found.metadata[key] == field.contents(), key

    @pytest.mark.parametrize("name", ["llama-256-f32", "llama-96-bf16", "qwen2-128-f16"])
    def test_llama_cpps_conversions_equal_their_sources(self, name: str) -> None:
        source = canonical(open_checkpoint(APR_FILES / "source" / name))
        made = APR_FILES / "source" / f"{name}.gguf"
        made = made if made.is_file() else APR_FILES / "source" / "llama-256-q8_0.gguf"
        result = canonical(open_checkpoint(made))
        assert set(result.tensors) == set(source.tensors)
        assert not (result.unmapped or result.twice)
        exact = made.stem == name
        for tensor in source.tensors:
            a, b = source.values(tensor), result.values(tensor)
            assert np.array_equal(a, b) if exact else np.linalg.norm(a - b) <= 1e-2 * np.linalg.norm(a), tensor

    def test_apr_copies_equal_their_sources(self) -> None:
        for name in ("llama-256-q4_k", "llama-96-bf16", "qwen2-128-f16"):
            source = canonical(open_checkpoint(APR_FILES / "source" / f"{name}.gguf"))
            result = canonical(open_checkpoint(APR_FILES / "0.72.3" / f"{name}.g.apr"), trusted=source)
            assert set(source.tensors) <= set(result.tensors), name
            for tensor in source.tensors:
                assert np.array_equal(source.values(tensor), result.values(tensor)), (name, tensor)

    def test_a_safetensors_is_as_the_library_reads_it(self) -> None:
        path = APR_FILES / "0.72.3" / "qwen2-128-f16.g" / "model.safetensors"
        found = open_checkpoint(path)
        for name, want in safetensors.numpy.load_file(path).items():
            assert np.array_equal(found.values(name), want.astype(np.float32)), name
