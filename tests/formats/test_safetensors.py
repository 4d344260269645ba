"""SafeTensors: equal to what the library reads, every law of its reference reader named."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from bot.errors import UserError
from bot.formats import faults, open_checkpoint
from bot.formats import safetensors as ours
from bot.formats._base import FormatError, OutTensor


def build(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def entry(begin: int = 0, end: int = 16, *, dtype: str = "F32", shape: Any = (2, 2)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


ONE = {"a": entry()}
DATA = bytes(16)
HOSTILE = {
    "header-length": build(ONE, DATA, length=1 << 30),
    "header-truncated": build(ONE, DATA, length=5000),
    "header-json": build(b'{"a": nonsense}'),
    "header-json:constant": build(b'{"__metadata__": NaN}'),
    "header-json:deep": build(b'{"a":' + b"[" * 100_000),
    "header-json:utf-16": build('{"a":{}}'.encode("utf-16-le")),
    "header-json:surrogate": build(b'{"\\ud800": {"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', DATA),
    "header-json:digits": build(b'{"a":' + b"9" * 5000 + b"}"),
    "key-twice": build(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        b"xx",
    ),
    "metadata": build({"__metadata__": {"k": 1}, **ONE}, DATA),
    "entry": build({"a": {"dtype": "F32", "shape": [4]}}, DATA),
    "entry:negative": build({"a": entry(shape=(-2, -2))}, DATA),
    "entry:boolean": build({"a": entry(shape=(True, 4))}, DATA),
    "dtype": build({"a": entry(dtype="Q4_0")}, DATA),
    "size": build({"a": entry(shape=(3, 3))}, DATA),
    "size:wrapping": build({"a": entry(0, 0, shape=(1 << 63, 2))}),
    "size:reversed": build({"a": entry(16, 0)}, DATA),
    "offsets": build({"a": entry(), "b": entry(20, 36)}, bytes(36)),
    "offsets:overlap": build({"a": entry(), "b": entry(8, 24)}, bytes(24)),
    "offsets:start": build({"a": entry(4, 20)}, bytes(20)),
    "data-truncated": build(ONE, DATA[:9]),
    "data-truncated:far": build({"a": entry(0, 1 << 61, shape=(1 << 59,))}, DATA),
    "trailing": build(ONE, bytes(20)),
}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_each_broken_law_is_named_with_its_place(tmp_path: Path, case: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(HOSTILE[case])
    law = "safetensors." + case.partition(":")[0]
    found = faults(path)
    assert law in {fault.law for fault in found}, found
    assert all(fault.offset is not None for fault in found)
    with pytest.raises(Exception):  # noqa: B017 - whatever the reference reader calls it
        safetensors.safe_open(path, "np")
    if any(fault.fatal for fault in found):
        with pytest.raises(FormatError, match=r"m\.safetensors"):
            open_checkpoint(path)
    else:
        open_checkpoint(path)


def test_values_are_those_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    torch.manual_seed(0)
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int32, torch.int64,
             torch.uint8, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2)  # fmt: skip
    tensors = {str(kind): (torch.randn(3, 5) * 3).to(kind) for kind in kinds}
    tensors |= {"scalar": torch.tensor(2.5), "none": torch.zeros(0, 4), "vector": torch.arange(7.0)}
    safetensors.torch.save_file(tensors, path, {"format": "pt"})
    found = open_checkpoint(path)
    assert faults(path) == []
    assert found.metadata["__metadata__"] == {"format": "pt"}
    for name, want in tensors.items():
        assert np.array_equal(found.values(name), want.to(torch.float32).numpy(), equal_nan=True), name
        assert found.tensors[name].shape == tuple(want.shape)
    assert np.array_equal(found.values("torch.bfloat16", [2, 0]), found.values("torch.bfloat16")[[2, 0]])


def test_what_we_write_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)

    def tensor(name: str, values: np.ndarray) -> OutTensor:
        return OutTensor(name=name, dtype="F32", shape=values.shape, nbytes=values.nbytes, chunks=iter([values]))

    ours.write(path, {"format": "pt"}, [tensor("turned", matrix.T), tensor("ü", matrix), tensor("none", matrix[:0])])
    read = safetensors.numpy.load_file(path)
    assert np.array_equal(read["turned"], matrix.T), "a strided array is written in its logical order"
    assert np.array_equal(read["ü"], matrix)
    assert read["none"].shape == (0, 4)
    assert faults(path) == []
    with pytest.raises(UserError, match="no element type Q8_0"):
        packed = OutTensor(name="a", dtype="Q8_0", shape=(32,), nbytes=34, chunks=iter([np.zeros(34, np.uint8)]))
        ours.write(tmp_path / "q.safetensors", {}, [packed])
    assert not (tmp_path / "q.safetensors").exists()


def test_a_listed_type_without_decoder_is_said_when_its_values_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(build({"a": entry(0, 8, dtype="C64", shape=(1,))}, bytes(8)))
    assert faults(path) == []
    with pytest.raises(UserError, match="no decoder for element type C64"):
        open_checkpoint(path).values("a")


def shards(folder: Path) -> Path:
    """Two shards and their index, as transformers writes them."""
    folder.mkdir(exist_ok=True)
    parts = {"model-00001-of-00002.safetensors": ["a", "b"], "model-00002-of-00002.safetensors": ["c"]}
    for number, (file, names) in enumerate(parts.items()):
        safetensors.numpy.save_file({name: np.full(3, number, np.float32) for name in names}, folder / file)
    weight_map = {name: file for file, names in parts.items() for name in names}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 36}, "weight_map": weight_map}))
    return index


def laws(path: Path) -> set[str]:
    return {fault.law for fault in faults(path)}


def test_a_shard_set_is_one_checkpoint_by_folder_index_or_shard(tmp_path: Path) -> None:
    index = shards(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    for path in (tmp_path, index, tmp_path / "model-00002-of-00002.safetensors"):
        found = open_checkpoint(path)
        assert sorted(found.tensors) == ["a", "b", "c"]
        assert found.values("c").tolist() == [1.0, 1.0, 1.0]
        assert found.metadata["config"] == {"model_type": "llama"}
        assert {file.name for file in found.files} >= {"config.json", "model-00001-of-00002.safetensors"}
        assert faults(path) == []


def test_what_is_wrong_with_a_shard_set_is_named(tmp_path: Path) -> None:
    index = shards(tmp_path)
    (tmp_path / "old.safetensors").write_bytes(build(ONE, DATA))
    assert laws(index) == {"safetensors.stale"}
    assert "a" in open_checkpoint(index).tensors, "a stale neighbour is reported and not read"
    (tmp_path / "old.safetensors").unlink()

    stated = json.loads(index.read_text())
    stated["weight_map"]["b"] = "model-00002-of-00002.safetensors"
    stated["weight_map"]["lost"] = "model-00002-of-00002.safetensors"
    index.write_text(json.dumps(stated))
    assert laws(index) == {"safetensors.index-place", "safetensors.index-tensor"}

    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert "safetensors.shard-missing" in laws(tmp_path)
    with pytest.raises(FormatError, match="model-00002-of-00002"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"weight_map": 3}', '{"weight_map": {}}', '{"weight_map": {"a": 1}}', "[" * 100_000,
     '{"weight_map": {"a": "../../etc/passwd"}}', '{"weight_map": {"a": "gone.safetensors"}}'],
    ids=["empty", "object", "list", "number", "nothing", "not-a-name", "deep", "outside", "gone"],
)  # fmt: skip
def test_an_index_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    assert faults(path), text
    with pytest.raises(FormatError):
        open_checkpoint(path)


def test_a_broken_companion_file_is_left_out(tmp_path: Path) -> None:
    shards(tmp_path)
    (tmp_path / "config.json").write_text("{" * 100_000)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    assert not {"config", "tokenizer"} & set(open_checkpoint(tmp_path).metadata)


def test_an_index_may_name_what_no_file_can_be_called(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "x" * 5000}}))
    with pytest.raises(FormatError) as told:
        open_checkpoint(tmp_path)
    assert [fault.law for fault in told.value.faults] == ["safetensors.shard-missing"]
