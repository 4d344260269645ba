"""The embedded converter: every pair of formats and every architecture, equal to the last bit."""

import itertools
import json
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import tiny
from formats import test_apr, test_gguf, test_safetensors

from bot.compare.diff import Agreement, compare
from bot.compare.settings import differences
from bot.errors import UserError
from bot.formats import _write, blocks, faults, names, open_checkpoint
from bot.formats.tokenizer import read_tokenizer
from bot.formats.view import canonical
from bot.toolchains import conversion

SUFFIX = {"gguf": ".gguf", "apr": ".apr", "safetensors": ""}
PAIRS = list(itertools.permutations(SUFFIX, 2))
TEXT = "Hello 12 it's  Über\n x"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each tiny model once in each format, made from its Hugging Face folder."""
    root = tmp_path_factory.mktemp("models")

    @cache
    def get(arch: str, fmt: str) -> Path:
        if fmt == "safetensors":
            return tiny.hf(root / arch / "hf", arch)
        target = root / arch / f"first{SUFFIX[fmt]}"
        conversion.convert(get(arch, "safetensors"), target)
        return target

    return get


@pytest.mark.parametrize("arch", sorted(tiny.ARCHITECTURES))
def test_all_six_pairs_lose_nothing(made: Any, tmp_path: Path, arch: str) -> None:
    original = canonical(open_checkpoint(made(arch, "safetensors")))
    tokenizer = read_tokenizer(original.checkpoint)
    assert tokenizer is not None
    for source, target in PAIRS:
        path = tmp_path / f"{source}-{target}{SUFFIX[target]}"
        conversion.convert(made(arch, source), path)
        assert faults(path) == []
        result = canonical(open_checkpoint(path))
        report = compare(original, result)
        # a GGUF keeps gemma's norms plus one: that alone is arithmetic
        through_gguf = arch.startswith("gemma") and "gguf" in {source, target}
        for tensor in report.tensors:
            norm = through_gguf and "norm" in tensor.name
            assert tensor.verdict is Agreement.EQUAL or (norm and tensor.verdict is Agreement.WITHIN_BUDGET), tensor
        assert report.agrees and len(report.tensors) == len(original.tensors), (source, target)
        assert [d.key for d in differences(original.config, result.config)] == [], (source, target)
        after = read_tokenizer(result.checkpoint)
        assert after is not None
        for field in ("kind", "pre", "bos", "eos", "unk", "pad", "chat_template"):
            assert getattr(after, field) == getattr(tokenizer, field), (source, target, field)
        assert list(after.tokens) == list(tokenizer.tokens)
        assert after.encode(TEXT) == tokenizer.encode(TEXT)


# what a class works out by itself when config.json says nothing of it, and what only padding is told by
DERIVED = {"head_dim", "pad_token_id", "transformers_version", "_name_or_path", "architectures"}


@pytest.mark.parametrize("arch", sorted(tiny.ARCHITECTURES))
def test_transformers_reads_the_same_configuration_back(made: Any, tmp_path: Path, arch: str) -> None:
    """Defaults of a class must not slip in where a container has no word for what the source said."""
    import transformers

    changes = {"query_pre_attn_scalar": 32} if arch.startswith("gemma") else {}
    source = tiny.hf(tmp_path / "hf", arch, **changes)
    want = transformers.AutoConfig.from_pretrained(source).to_dict()
    for fmt in ("gguf", "apr"):
        conversion.convert(source, tmp_path / f"m.{fmt}")
        conversion.convert(tmp_path / f"m.{fmt}", tmp_path / fmt)
        got = transformers.AutoConfig.from_pretrained(tmp_path / fmt).to_dict()
        assert {k: got.get(k) for k in want if k not in DERIVED} == {k: want[k] for k in want if k not in DERIVED}, fmt


@pytest.mark.parametrize("arch", sorted(tiny.ARCHITECTURES))
def test_ggml_names_are_those_of_gguf_pys_map(made: Any, arch: str) -> None:
    """The names of a written GGUF, against the table llama.cpp's converter uses."""
    reader = gguf.GGUFReader(made(arch, "gguf"))
    architecture = reader.fields["general.architecture"].contents()
    (number,) = (key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    table = gguf.get_tensor_name_map(number, 2)
    want = set()
    for name in open_checkpoint(made(arch, "safetensors")).tensors:
        found = table.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None and ".experts." in name:
            merged = name.split(".experts.")[0].replace("block_sparse_moe", "mlp") + ".experts."
            role = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}[name.split(".")[-2]]
            found = table.get_name(merged + role + ".weight", try_suffixes=(".weight",))
        assert found, name
        want.add(found)
    assert {tensor.name for tensor in reader.tensors} == want


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_copied_and_only_widened_where_ggml_wants_it(tmp_path: Path, dtype: str) -> None:
    folder = tiny.hf(tmp_path / "hf", "llama", dtype=dtype)
    conversion.convert(folder, tmp_path / "m.gguf")
    conversion.convert(tmp_path / "m.gguf", tmp_path / "m.apr")
    conversion.convert(tmp_path / "m.apr", tmp_path / "back")
    kind = {"float16": "F16", "bfloat16": "BF16"}[dtype]
    for name, info in open_checkpoint(tmp_path / "back").tensors.items():
        assert info.dtype == (kind if len(info.shape) > 1 else "F32"), name
    assert compare(canonical(open_checkpoint(folder)), canonical(open_checkpoint(tmp_path / "back"))).agrees
    assert json.loads((tmp_path / "back" / "config.json").read_text())["dtype"] == dtype


@pytest.mark.parametrize("dtype", sorted(name.lower() for name in blocks.QUANTIZERS))
def test_a_gguf_of_every_quantizer_is_what_gguf_py_makes(made: Any, tmp_path: Path, dtype: str) -> None:
    source = tiny.hf(tmp_path / "wide", "llama", hidden_size=256, intermediate_size=256, tokenizer="")
    path = tmp_path / "m.gguf"
    conversion.convert(source, path, dtype=dtype)
    original = canonical(open_checkpoint(source))
    for tensor in gguf.GGUFReader(path).tensors:
        matrix = len(tensor.shape) > 1
        assert tensor.tensor_type.name == (dtype.upper() if matrix else "F32"), tensor.name
    report = compare(original, canonical(open_checkpoint(path)))
    assert report.agrees
    for diff in report.tensors:
        recomputed = len(diff.shape) > 1 and dtype != "f32" and diff.verdict is not Agreement.EQUAL
        assert diff.recomputed is (True if recomputed else None), diff
    want = gguf.quants.quantize(
        original.values("model.layers.0.mlp.up_proj.weight"), gguf.GGMLQuantizationType[dtype.upper()]
    )
    got = open_checkpoint(path).raw("blk.0.ffn_up.weight")
    assert np.array_equal(got, np.ascontiguousarray(want).view(np.uint8).reshape(-1))


def test_rows_that_do_not_divide_become_float16(made: Any, tmp_path: Path) -> None:
    conversion.convert(made("gpt2", "safetensors"), tmp_path / "m.gguf", dtype="tq2_0")
    kinds = {info.dtype for info in open_checkpoint(tmp_path / "m.gguf").tensors.values() if len(info.shape) > 1}
    assert kinds == {"F16", "F32"}, "64 and 160 wide, neither a multiple of 256; the position embedding stays F32"


@pytest.mark.parametrize(
    ("target", "dtype", "words"),
    [("m.gguf", "q4_k", "gguf with q4_k cannot be written"), ("m.gguf", "banana", "gguf with banana"),
     ("out", "q8_0", "safetensors with q8_0"), ("m.apr", "q8_0", "apr with q8_0"),
     ("m.onnx", None, "no format is known"), ("gone/m.gguf", None, "no such folder")],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_anything_is(
    made: Any, tmp_path: Path, target: str, dtype: str | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        conversion.convert(made("llama", "gguf"), tmp_path / target, dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_a_name_no_table_has_is_an_error_that_says_so(tmp_path: Path) -> None:
    strange = test_gguf.build(table=(test_gguf.entry("blk.0.attn_unheard.weight", (8, 2)),))
    (tmp_path / "m.gguf").write_bytes(strange)
    with pytest.raises(UserError, match=r"1 tensors have no place in 'llama', 'blk.0.attn_unheard.weight' first"):
        conversion.convert(tmp_path / "m.gguf", tmp_path / "out")
    with pytest.raises(UserError, match="no tensor-name table for architecture 'mamba'"):
        names.table("mamba")
    assert not (tmp_path / "out").exists()


def test_a_value_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    big = np.full((2, 2), 70000.0, "<f4").tobytes()
    header = {"lm_head.weight": test_safetensors.entry()}
    (tmp_path / "model.safetensors").write_bytes(test_safetensors.build(header, big))
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llama", "hidden_size": 2, "num_attention_heads": 1})
    )
    with pytest.raises(UserError, match=r"holds 70000, too large for float16"):
        conversion.convert(tmp_path, tmp_path / "m.apr", dtype="f16")
    assert not (tmp_path / "m.apr").exists()
    conversion.convert(tmp_path, tmp_path / "m.apr", dtype="bf16")


def test_blocks_that_run_across_rows_are_widened_not_copied(tmp_path: Path) -> None:
    """An APR may keep Q4_K in padded rows or flat; a GGUF can hold neither."""
    for blocks_of, name in ((6, "padded"), (4, "flat")):
        raw = test_apr.quantized("Q4_K", (1, 256 * blocks_of))
        metadata = {"architecture": "llama", "num_heads": 1, "hidden_size": 300, "rope_type": 2}
        path = tmp_path / f"{name}.apr"
        path.write_bytes(test_apr.build([("lm_head.weight", 12, (3, 300), raw)], metadata))
        conversion.convert(path, tmp_path / f"{name}.gguf")
        result = open_checkpoint(tmp_path / f"{name}.gguf")
        assert result.tensors["output.weight"].dtype == "F32"
        assert np.array_equal(
            result.values("output.weight"), open_checkpoint(path).values("lm_head.weight"), equal_nan=True
        )


def test_the_source_and_its_neighbours_are_never_overwritten(made: Any, tmp_path: Path) -> None:
    folder = tiny.hf(tmp_path / "hf", "llama")
    before = {file: file.read_bytes() for file in folder.iterdir()}
    conversion.convert(folder, tmp_path / "m.gguf")
    (tmp_path / "link.safetensors").symlink_to(folder / "model.safetensors")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    for source, target in [
        (folder, folder), (folder, folder / "model.safetensors"), (tmp_path / "m.gguf", folder),
        (tmp_path / "m.gguf", tmp_path / "m.gguf"), (folder, tmp_path / "link.safetensors"),
        (tmp_path / "m.gguf", folder / "other.safetensors"),
    ]:  # fmt: skip
        with pytest.raises(UserError):
            conversion.convert(source, target)
    conversion.convert(tmp_path / "m.gguf", tmp_path / "loop.gguf")
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_with_a_version_in_its_name_is_a_folder(made: Any, tmp_path: Path) -> None:
    conversion.convert(made("llama", "gguf"), tmp_path / "Qwen2.5-0.5B")
    assert (tmp_path / "Qwen2.5-0.5B" / "model.safetensors").is_file()


@pytest.mark.parametrize("target", ["m.gguf", "m.apr", "folder", "sub/m.safetensors"])
def test_a_full_disk_leaves_nothing(made: Any, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    written = 0

    def full(file: Any, tensor: Any) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(28, "No space left on device")
        _write.copy_tensor(file, tensor)

    for module in ("gguf_write", "apr_write", "safetensors"):
        monkeypatch.setattr(f"bot.formats.{module}.copy_tensor", full)
    with pytest.raises(UserError, match="cannot write: No space left on device"):
        conversion.convert(made("llama", "gguf"), tmp_path / target)
    assert written == 6
    assert [p for p in tmp_path.rglob("*") if p.name != "sub"] == []


@pytest.mark.parametrize("name", ["m.gguf", "m.apr", "folder"])
def test_a_killed_conversion_leaves_nothing_under_the_final_name(made: Any, tmp_path: Path, name: str) -> None:
    slow = (
        "import sys, time; from bot.formats import _write; from pathlib import Path\n"
        "from bot.formats import gguf_write, apr_write, safetensors\n"
        "real = _write.copy_tensor\n"
        "def slow(file, tensor):\n    real(file, tensor); file.flush() if hasattr(file, 'flush') else None\n"
        "    print('tensor', flush=True); time.sleep(60)\n"
        "for m in (gguf_write, apr_write, safetensors): m.copy_tensor = slow\n"
        "from bot.toolchains import conversion\n"
        "conversion.convert(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    argv = [sys.executable, "-c", slow, str(made("llama", "gguf")), str(tmp_path / name)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None and child.stdout.readline() == b"tensor\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / name).exists()
    assert all(entry.name.startswith(".") and entry.name.endswith(".part") for entry in tmp_path.iterdir())


def test_converting_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    argv = [sys.executable, "-m", "bot", "convert", str(tmp_path / "empty"), str(tmp_path / "m.gguf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 2
    assert "empty: is a directory without a model file" in done.stderr
