"""APR version 2, against files built by hand from its published layout."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.errors import UserError
from bot.formats import apr_write, blocks, faults, open_checkpoint
from bot.formats._base import FormatError, OutTensor


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 64)


def record(name: str | bytes, code: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    head = struct.pack("<H", len(raw)) + raw + struct.pack("<BB", code, len(shape))
    return head + struct.pack(f"<{len(shape)}QQQ", *shape, offset, size)


def build(
    tensors: list[tuple[str, int, tuple[int, ...], bytes]], metadata: Any = None, *, flags: int = 0x0400,
    footer: bool = True, major: int = 2, sort: bool = True,
) -> bytes:  # fmt: skip
    """An APR by the steps of its writer: sort, offsets by 64, header with CRC, padded parts, CRC of everything."""
    stated = metadata if isinstance(metadata, bytes) else json.dumps(metadata or {}, separators=(",", ":")).encode()
    index = data = b""
    for name, code, shape, raw in sorted(tensors) if sort else tensors:
        index += record(name, code, shape, len(data), len(raw))
        data += padded(raw)
    at = 64 + len(padded(stated))
    fields = (b"APR\0", major, 0, flags, len(tensors), 64, len(stated), at, at + len(padded(index)))
    first = struct.pack("<4sBBHIQIQQ", *fields)
    head = first + struct.pack("<I", zlib.crc32(first + bytes(20))) + bytes(20)
    whole = head + padded(stated) + padded(index) + data
    return whole + struct.pack("<I", zlib.crc32(whole)) if footer else whole


def reseal(data: bytearray) -> bytes:
    """Correct the header's checksum after a change."""
    data[40:44] = struct.pack("<I", zlib.crc32(bytes(data[:40] + data[44:64])))
    return bytes(data)


def f32(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def opened(tmp_path: Path, data: bytes) -> Any:
    (tmp_path / "m.apr").write_bytes(data)
    return open_checkpoint(tmp_path / "m.apr")


def laws(tmp_path: Path, data: bytes) -> list[str]:
    (tmp_path / "m.apr").write_bytes(data)
    return [fault.law for fault in faults(tmp_path / "m.apr")]


GOLDEN = [("weights", 0, (8,), f32(1, 2, 0.5, -0.5, 4, -2, 0.25, 8)), ("bias", 0, (1,), f32(0.125))]
NULLS_27 = {
    "model_type": "linear_regression", "name": "golden-v2", "description": None, "author": None, "license": None,
    "version": "0.0.0-golden", "source": None, "original_format": None, "created_at": "1700000000", "total_size": 0,
    "param_count": 8,
} | dict.fromkeys(
    ("quantization", "sharding", "chat_template", "chat_format", "special_tokens", "architecture", "hidden_size",
     "num_layers", "num_heads", "num_kv_heads", "vocab_size", "intermediate_size", "max_position_embeddings",
     "rope_theta", "rope_type", "rms_norm_eps"),
)  # fmt: skip


def out(name: str, dtype: str, shape: tuple[int, ...], raw: bytes) -> OutTensor:
    return OutTensor(name=name, dtype=dtype, shape=shape, nbytes=len(raw), chunks=iter([np.frombuffer(raw, np.uint8)]))


@pytest.mark.parametrize(("flags", "header", "footer"), [(0x0400, 0xB56B11E6, 0x6404C4D0), (0, 0x9578D6A3, 0xFBAC8020)])
def test_the_golden_model_has_the_size_and_checksums_of_the_layout(
    tmp_path: Path, flags: int, header: int, footer: int
) -> None:
    path = tmp_path / "golden.apr"
    tensors = [out(name, "F32", shape, raw) for name, _, shape, raw in GOLDEN]
    apr_write.write(path, NULLS_27, tensors, flags=flags)
    data = path.read_bytes()
    assert len(data) == 900
    assert struct.unpack_from("<I", data, 40) == (header,)
    assert struct.unpack_from("<I", data, 896) == (footer,)
    assert data == build(GOLDEN, NULLS_27, flags=flags), "two writers of one recipe agree on every byte"
    found = open_checkpoint(path)
    assert found.values("weights").tolist() == [1, 2, 0.5, -0.5, 4, -2, 0.25, 8]
    assert (list(found.tensors), faults(path)) == (["bias", "weights"], [])


def quantized(dtype: str, shape: tuple[int, ...]) -> bytes:
    kind = blocks.TYPES[dtype]
    count = shape[0] * -(-shape[1] // kind.elements)
    raw = np.random.default_rng(0).integers(0, 256, (count, kind.nbytes), dtype=np.uint8)
    return raw.tobytes()


F16 = np.arange(6, dtype="<f2").tobytes()
BF16 = (np.arange(6, dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
Q8 = blocks.encode("Q8_0", np.ones((2, 32), np.float32)).tobytes()


@pytest.mark.parametrize(
    ("code", "shape", "raw", "dtype"),
    [
        (0, (2, 3), f32(*range(6)), "F32"), (1, (2, 3), F16, "F16"), (2, (2, 3), BF16, "BF16"),
        (30, (2, 3), BF16, "BF16"), (3, (3,), np.arange(3, dtype="<f8").tobytes(), "F64"),
        (4, (3,), np.arange(3, dtype="<i4").tobytes(), "I32"), (5, (3,), np.arange(3, dtype="<i8").tobytes(), "I64"),
        (6, (3,), b"\xff\0\1", "I8"), (7, (3,), b"\xff\0\1", "U8"),
        (2, (2, 32), quantized("Q4_0", (2, 32)), "Q4_0"), (3, (2, 32), quantized("Q4_1", (2, 32)), "Q4_1"),
        (6, (2, 32), quantized("Q5_0", (2, 32)), "Q5_0"), (7, (2, 32), quantized("Q5_1", (2, 32)), "Q5_1"),
        (8, (2, 32), Q8, "Q8_0"), (8, (5, 7), bytes(18 * 2), "APR_Q4"), (128, (5, 7), bytes(18 * 2), "APR_Q4"),
        (9, (5, 7), bytes(4 + 35), "APR_Q8"), (129, (5, 7), bytes(4 + 35), "APR_Q8"),
        (9, (2, 32), quantized("Q8_1", (2, 32)), "Q8_1"), (10, (1, 256), quantized("Q2_K", (1, 256)), "Q2_K"),
        (12, (2, 256), quantized("Q4_K", (2, 256)), "Q4_K"), (14, (2, 256), quantized("Q6_K", (2, 256)), "Q6_K"),
        (13, (2, 256), quantized("Q5_K", (2, 256)), "Q5_K"), (0, (), f32(3), "F32"),
    ],
)  # fmt: skip
def test_a_code_means_what_its_size_says(
    tmp_path: Path, code: int, shape: tuple[int, ...], raw: bytes, dtype: str
) -> None:
    found = opened(tmp_path, build([("a", code, shape, raw)]))
    assert faults(tmp_path / "m.apr") == []
    info = found.tensors["a"]
    assert (info.dtype, info.shape, info.row_padding) == (dtype, shape, 0)
    whole = blocks.decode(dtype, np.frombuffer(raw, np.uint8))[: info.count].reshape(shape)
    assert np.array_equal(found.values("a"), whole, equal_nan=True)
    if len(shape) == 2:
        assert np.array_equal(found.values("a", [shape[0] - 1, 0]), whole[[-1, 0]], equal_nan=True)


@pytest.mark.parametrize(("code", "dtype"), [(12, "Q4_K"), (14, "Q6_K")])
def test_rows_padded_to_whole_blocks_lose_their_padding(tmp_path: Path, code: int, dtype: str) -> None:
    raw = quantized(dtype, (3, 300))  # two blocks a row
    found = opened(tmp_path, build([("a", code, (3, 300), raw)]))
    assert found.tensors["a"].row_padding == 212
    whole = blocks.decode(dtype, np.frombuffer(raw, np.uint8)).reshape(3, 512)[:, :300]
    assert np.array_equal(found.values("a"), whole, equal_nan=True)
    assert np.array_equal(found.values("a", slice(1, 3)), whole[1:], equal_nan=True)


def test_blocks_that_run_across_rows_are_read_flat(tmp_path: Path) -> None:
    raw = quantized("Q4_K", (1, 900))  # ceil(3 * 300 / 256) blocks
    found = opened(tmp_path, build([("a", 12, (3, 300), raw)]))
    whole = blocks.decode("Q4_K", np.frombuffer(raw, np.uint8))[:900].reshape(3, 300)
    assert np.array_equal(found.values("a"), whole, equal_nan=True)
    assert np.array_equal(found.values("a", [2]), whole[2:], equal_nan=True)


def test_both_kinds_of_writer_are_read(tmp_path: Path) -> None:
    """No footer, no flags; and data in another order than the index."""
    tensors = [("a", 0, (2,), f32(1, 2)), ("b", 0, (2,), f32(3, 4))]
    assert laws(tmp_path, build(tensors, flags=0, footer=False)) == []
    data = bytearray(build(tensors))
    index = data.index(b"\1\0a")
    size = len(record("a", 0, (2,), 0, 8))
    data[index : index + 2 * size] = record("a", 0, (2,), 64, 8) + record("b", 0, (2,), 0, 8)
    sealed = bytes(data[:-4]) + struct.pack("<I", zlib.crc32(bytes(data[:-4])))
    found = opened(tmp_path, sealed)
    assert (found.values("a").tolist(), found.values("b").tolist()) == ([3, 4], [1, 2])
    assert faults(tmp_path / "m.apr") == []


def changed(at: int, value: bytes) -> bytes:
    data = bytearray(build(GOLDEN, {"x": 1}))
    data[at : at + len(value)] = value
    return reseal(data)


INDEX_AT = 64 + 64
HOSTILE = {
    "apr.size": build([("a", 0, (3, 3), b"")]),
    "apr.header-crc": bytes(build(GOLDEN)[:50]) + b"\1" + build(GOLDEN)[51:],
    "apr.version": build(GOLDEN, major=3),
    "apr.flags": build(GOLDEN, flags=0x0404),
    "apr.layout-flag": build(GOLDEN, flags=0x0800),
    "apr.regions": changed(12, struct.pack("<Q", 1 << 63)),
    "apr.truncated": changed(32, struct.pack("<Q", 1 << 40)),
    "apr.metadata-json": build(GOLDEN, b'{"a":'),
    "apr.count": changed(8, struct.pack("<I", 0xFFFFFFFF)),
    "apr.index": changed(INDEX_AT, struct.pack("<H", 65535)),
    "apr.index-order": build([("b", 0, (1,), f32(1)), ("a", 0, (1,), f32(1))], sort=False),
    "apr.tensor-twice": build([("a", 0, (1,), f32(1)), ("a", 0, (1,), f32(2))]),
    "apr.dtype": build([("a", 99, (1,), f32(1))]),
    "apr.data-truncated": changed(INDEX_AT + 2 + 4 + 2 + 8, struct.pack("<Q", 1 << 63)),
    "apr.alignment": changed(INDEX_AT + 2 + 4 + 2 + 8, struct.pack("<Q", 4)),
    "apr.overlap": changed(INDEX_AT + 2 + 4 + 2 + 8, struct.pack("<Q", 64)),
    "apr.length": build(GOLDEN) + b"more",
    "apr.footer-crc": build(GOLDEN)[:-4] + bytes(4),
    "apr.utf-8": build(GOLDEN).replace(b"bias", b"b\xffas"),
}


@pytest.mark.parametrize("law", sorted(HOSTILE))
def test_each_broken_law_is_named_with_its_place(tmp_path: Path, law: str) -> None:
    assert law in laws(tmp_path, HOSTILE[law])
    found = faults(tmp_path / "m.apr")
    assert all(fault.offset is not None and fault.path.endswith("m.apr") for fault in found)
    if any(fault.fatal for fault in found):
        with pytest.raises(FormatError, match=r"m\.apr"):
            open_checkpoint(tmp_path / "m.apr")
    else:
        open_checkpoint(tmp_path / "m.apr")


@pytest.mark.parametrize("magic", [b"APRN", b"APR1", b"APR2"])
def test_older_generations_are_recognised_and_refused(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "m.apr").write_bytes(magic + bytes(200))
    with pytest.raises(FormatError, match=r"holds no language model \[apr.legacy\]"):
        open_checkpoint(tmp_path / "m.apr")


def test_truncation_at_every_byte_is_named(tmp_path: Path) -> None:
    whole = build(GOLDEN, {"x": "y" * 80})
    for size in (*range(4, len(whole) - 4), *range(len(whole) - 3, len(whole))):
        assert laws(tmp_path, whole[:size]), size


def test_a_tensor_without_its_bytes_says_so(tmp_path: Path) -> None:
    found = opened(tmp_path, build([("lm_head.weight", 0, (4, 4), b""), ("x", 0, (1,), f32(7))]))
    assert found.values("x").tolist() == [7.0]
    with pytest.raises(UserError, match=r"'lm_head\.weight' has a shape and no bytes"):
        found.values("lm_head.weight")


def test_a_writer_refuses_what_apr_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="APR has no element type Q5_0"):
        apr_write.write(tmp_path / "m.apr", {}, [out("a", "Q5_0", (32,), bytes(22))])
    assert list(tmp_path.iterdir()) == []
