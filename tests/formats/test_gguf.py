"""GGUF: what we read equals what gguf-py and ggml read, and every broken law is named."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from formats import ggml

from bot.formats import blocks, faults, gguf_write, open_checkpoint
from bot.formats._base import FormatError, OutTensor
from bot.formats.gguf_write import KV

STRING, ARRAY = 8, 9


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def entry(name: str | bytes, dims: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    """One tensor of the table; dims fastest first, as the file lists them."""
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


ARCHITECTURE = key("general.architecture", STRING, text("llama"))


def build(
    keys: tuple[bytes, ...] = (ARCHITECTURE,), table: tuple[bytes, ...] = (entry("a", (8, 2)),),
    data: bytes = bytes(64), *, magic: bytes = b"GGUF", version: int = 3, counts: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    """A GGUF written by hand from the specification."""
    tensors, stated = counts or (len(table), len(keys))
    head = struct.pack("<4sIQQ", magic, version, tensors, stated) + b"".join(keys) + b"".join(table)
    return head + bytes(-len(head) % 32) + data


def laws(path: Path) -> set[str]:
    return {fault.law for fault in faults(path)}


def test_what_gguf_py_writes_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint8("a.u8", 200), writer.add_int8("a.i8", -3), writer.add_uint16("a.u16", 60000)
    writer.add_int16("a.i16", -3), writer.add_int32("a.i32", -70000), writer.add_float32("a.f32", 0.1)
    writer.add_uint64("a.u64", 1 << 63), writer.add_int64("a.i64", -(1 << 40)), writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.yes", True), writer.add_string("a.text", "Überß 😀")
    writer.add_array("a.list", ["x", "", "ü"]), writer.add_array("a.numbers", [1, 2, 3])
    writer.add_array("a.floats", [0.5, 1.5]), writer.add_array("a.flags", [True, False])
    matrix = rng.normal(0, 1, (6, 64)).astype(np.float32)
    packed = gguf.quants.quantize(matrix, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("plain", matrix)
    writer.add_tensor("half", matrix[:3].astype(np.float16))
    writer.add_tensor("packed", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("cube", rng.normal(0, 1, (2, 3, 5)).astype(np.float32))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()

    found = open_checkpoint(path)
    assert faults(path) == []
    m = found.metadata
    assert (m["a.u8"], m["a.i8"], m["a.u16"], m["a.i16"], m["a.i32"]) == (200, -3, 60000, -3, -70000)
    assert (m["a.u64"], m["a.i64"], m["a.f64"], m["a.f32"]) == (1 << 63, -(1 << 40), 0.1, float(np.float32(0.1)))
    assert (m["a.yes"], m["a.text"], m["a.list"], m["a.numbers"]) == (True, "Überß 😀", ["x", "", "ü"], [1, 2, 3])
    assert (m["a.floats"], m["a.flags"]) == ([0.5, 1.5], [True, False])
    for tensor in gguf.GGUFReader(path).tensors:
        info = found.tensors[tensor.name]
        assert info.shape == tuple(int(d) for d in tensor.shape[::-1]), "C order"
        assert (info.offset, info.nbytes) == (tensor.data_offset, tensor.n_bytes)
        want = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(info.shape)
        assert np.array_equal(found.values(tensor.name), want)
    assert np.array_equal(found.values("packed", [4, 0]), found.values("packed")[[4, 0]])
    assert np.array_equal(found.values("cube", slice(1, 2)), found.values("cube")[1:2])


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(tmp_path: Path, version: int) -> None:
    (tmp_path / "m.gguf").write_bytes(build(version=version, data=np.arange(16, dtype="<f4").tobytes()))
    found = open_checkpoint(tmp_path / "m.gguf")
    assert found.values("a").tolist() == np.arange(16).reshape(2, 8).tolist()


def test_what_we_write_is_what_gguf_py_reads(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    matrix = np.random.default_rng(1).normal(0, 1, (4, 32)).astype(np.float32)
    metadata = {
        "general.architecture": "llama", "a.small": 7, "a.large": 1 << 40, "a.minus": -1, "a.float": 0.1, "a.on": True,
        "a.words": ["x", "ü"], "a.none": [], "a.types": KV("i32", [1, 2]), "a.scores": KV("f32", [0, 1]),
        "a.count": KV("u16", 3),
    }  # fmt: skip

    def tensor(name: str, dtype: str, shape: tuple[int, ...], data: np.ndarray) -> OutTensor:
        return OutTensor(name=name, dtype=dtype, shape=shape, nbytes=data.size, chunks=iter([data]))

    raw = matrix.view(np.uint8).reshape(-1)
    q8 = blocks.encode("Q8_0", matrix)
    gguf_write.write(path, metadata, [tensor("odd", "F32", (3,), raw[:12]), tensor("q", "Q8_0", (4, 32), q8)])
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert (fields["a.small"], fields["a.large"], fields["a.minus"], fields["a.on"]) == (7, 1 << 40, -1, True)
    assert (fields["a.words"], fields["a.types"], fields["a.scores"]) == (["x", "ü"], [1, 2], [0.0, 1.0])
    assert (fields["a.count"], fields["a.float"]) == (3, pytest.approx(0.1))
    assert [(t.name, t.tensor_type.name) for t in reader.tensors] == [("odd", "F32"), ("q", "Q8_0")]
    assert np.array_equal(gguf.quants.dequantize(reader.tensors[1].data, reader.tensors[1].tensor_type).ravel(),
                          blocks.decode("Q8_0", q8))  # fmt: skip
    assert faults(path) == []


HOSTILE = {
    "gguf.version": build(version=1),
    "gguf.byte-order": build(version=3 << 24),
    "gguf.count": build(counts=(1 << 60, 1)),
    "gguf.truncated": build(counts=(2, 1), data=b""),
    "gguf.value-type": build((key("k", 13, bytes(8)),)),
    "gguf.array-type": build((key("k", ARRAY, struct.pack("<IQ", ARRAY, 1) + bytes(32)),)),
    "gguf.array-length": build((key("k", ARRAY, struct.pack("<IQ", 10, 1 << 61)),)),
    "gguf.string-length": build((key("k", STRING, struct.pack("<Q", 1 << 30)),)),
    "gguf.key-twice": build((ARCHITECTURE, ARCHITECTURE)),
    "gguf.key-empty": build((key("", 0, b"\1"),)),
    "gguf.utf-8": build((key("k", STRING, text(b"\xff\xfe")),)),
    "gguf.bool": build((key("k", 7, b"\2"),)),
    "gguf.alignment": build((key("general.alignment", 4, struct.pack("<I", 24)),)),
    "gguf.dimensions": build(table=(entry("a", (1, 1, 1, 1, 1)),)),
    "gguf.tensor-type": build(table=(entry("a", (8, 2), 99),)),
    "gguf.tensor-twice": build(table=(entry("a", (8, 2)), entry("a", (8, 2), 0, 64)), data=bytes(128)),
    "gguf.name-length": build(table=(entry("n" * 64, (8, 2)),)),
    "gguf.block": build(table=(entry("a", (33,), 2),)),
    "gguf.size": build(table=(entry("a", (1 << 40, 1 << 40)),)),
    "gguf.offset": build(table=(entry("a", (8, 2), 0, 0), entry("b", (8, 2), 0, 32)), data=bytes(128)),
    "gguf.shared": build(table=(entry("output.weight", (8, 2)), entry("token_embd.weight", (8, 2)))),
    "gguf.data-truncated": build(data=bytes(60)),
    "gguf.trailing": build(data=bytes(100)),
    "gguf.split-name": build((key("split.count", 2, struct.pack("<H", 2)),)),
}  # fmt: skip
# what only we refuse or ggml only warns of
GGML_LENIENT = {"gguf.utf-8", "gguf.bool", "gguf.trailing", "gguf.split-name", "gguf.data-truncated"}


@pytest.mark.parametrize("law", sorted(HOSTILE))
def test_each_broken_law_is_named_with_its_place(tmp_path: Path, law: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(HOSTILE[law])
    found = [fault for fault in faults(path) if fault.law == law]
    assert len(found) == 1, faults(path)
    assert found[0].path == str(path)
    assert found[0].offset is not None or law in {"gguf.trailing", "gguf.split-name"}
    if found[0].fatal:
        with pytest.raises(FormatError, match=r"m\.gguf") as error:
            open_checkpoint(path)
        assert law in str(error.value)
    else:
        assert open_checkpoint(path).format == "gguf"


@pytest.mark.tools
def test_ggml_refuses_what_we_report(tmp_path: Path) -> None:
    files = {}
    for law, data in HOSTILE.items():
        if law not in GGML_LENIENT | {"gguf.string-length"}:
            files[law] = tmp_path / f"{law}.gguf"
            files[law].write_bytes(data)
    (tmp_path / "sound.gguf").write_bytes(build())
    assert ggml.opens(*files.values(), tmp_path / "sound.gguf") == [False] * len(files) + [True]


def test_a_dimension_of_2_to_the_63_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(build(table=(entry("a", (1 << 63, 0)), entry("b", (8, 2), 0, (1 << 63) + 32))))
    assert laws(path) == {"gguf.size"}


def test_an_empty_tensor_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(build(table=(entry("a", (8, 0)), entry("b", (8, 2)))))
    assert faults(path) == []
    found = open_checkpoint(path)
    assert found.values("a").shape == (0, 8)
    assert found.values("a", slice(0, 0)).shape == (0, 8)


def test_truncation_at_every_byte_is_named(tmp_path: Path) -> None:
    whole = build((ARCHITECTURE, key("k", ARRAY, struct.pack("<IQ", STRING, 2) + text("x") + text("yy"))))
    path = tmp_path / "m.gguf"
    for size in range(5, len(whole)):
        path.write_bytes(whole[:size])
        found = faults(path)
        assert found, size
        assert {"FILE-001"} >= {fault.cause for fault in found if fault.fatal}, (size, found)
        with pytest.raises(FormatError):
            open_checkpoint(path)


def split(folder: Path, names: tuple[tuple[str, ...], ...], total: int | None = None) -> list[Path]:
    """Write the parts of a split, as llama-gguf-split names and numbers them."""
    paths = []
    for number, part in enumerate(names):
        keys = (
            *((ARCHITECTURE,) if not number else ()),
            key("split.no", 2, struct.pack("<H", number)),
            key("split.count", 2, struct.pack("<H", len(names))),
            key("split.tensors.count", 5, struct.pack("<i", total or sum(map(len, names)))),
        )
        table = tuple(entry(name, (8, 2), 0, 64 * i) for i, name in enumerate(part))
        data = np.full(16 * len(part), number, "<f4").tobytes()
        paths.append(folder / f"m-{number + 1:05d}-of-{len(names):05d}.gguf")
        paths[-1].write_bytes(build(keys, table, data))
    return paths


def test_a_split_is_one_checkpoint_from_any_part(tmp_path: Path) -> None:
    paths = split(tmp_path, (("a", "b"), ("c",), ("d",)))
    for path in (paths[0], paths[2], tmp_path):
        found = open_checkpoint(path)
        assert list(found.tensors) == ["a", "b", "c", "d"]
        assert found.values("d").tolist() == np.full((2, 8), 2.0).tolist()
        assert found.metadata["general.architecture"] == "llama"
    assert faults(paths[0]) == []


def test_a_split_that_does_not_fit_together_is_named(tmp_path: Path) -> None:
    paths = split(tmp_path, (("a",), ("b",), ("c",)))
    paths[1].unlink()
    assert laws(paths[0]) == {"gguf.split-missing"}
    with pytest.raises(FormatError, match="m-00002-of-00003"):
        open_checkpoint(paths[0])
    paths[1].write_bytes(paths[2].read_bytes())
    assert {"gguf.split-order", "gguf.tensor-twice"} <= laws(paths[0])
    split(tmp_path, (("a",), ("b",), ("c",)), total=7)
    assert laws(paths[0]) == {"gguf.split-tensors"}


def test_a_name_that_promises_a_hundred_thousand_parts_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "m-00001-of-99999.gguf"
    path.write_bytes(build())
    assert [fault.law for fault in faults(path)].count("gguf.split-missing") == 1


def test_a_header_of_many_faults_is_reported_in_bounds(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(build(table=tuple(entry("a", (8, 2), 99) for _ in range(5000))))
    assert 1 < len(faults(path)) <= 400


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    short = OutTensor(name="a", dtype="F32", shape=(4,), nbytes=16, chunks=iter([np.zeros(3, np.uint8)]))
    with pytest.raises(ValueError, match="gave 3 bytes of 16"):
        gguf_write.write(tmp_path / "m.gguf", {}, [short])
    assert list(tmp_path.iterdir()) == []
