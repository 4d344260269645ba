"""Plants of the file family: what happens to a file after it was written rightly."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from bot.formats import detect, open_checkpoint
from bot.formats._base import Checkpoint

SHIFT = 4  # bytes
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8}


def truncated(path: Path, _: str) -> None:
    """FILE-001: the last part is not there."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10])


def pointer(path: Path, _: str) -> None:
    """FILE-002: a Git LFS pointer lies in the model's place."""
    size = path.stat().st_size
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {size}\n")


def shifted(path: Path, _: str) -> None:
    """FILE-003: tensor data lies a few bytes beside where the table says."""

    def shift(data: bytearray, checkpoint: Checkpoint) -> None:
        spans = [(t.offset, t.offset + t.nbytes) for t in checkpoint.tensors.values()]
        start, end = min(a for a, _ in spans), max(b for _, b in spans)
        data[start:end] = data[end - SHIFT : end] + data[start : end - SHIFT]

    _rewritten(path, shift)


def stale_offset(path: Path, _: str) -> None:
    """FILE-004: the table says of one tensor that it lies where another does."""
    fmt = detect(path)

    def repeat(data: bytearray, checkpoint: Checkpoint) -> None:
        first, second = sorted(checkpoint.tensors.values(), key=lambda t: t.offset)[len(checkpoint.tensors) // 2 :][:2]
        if fmt == "safetensors":
            return _in_json(data, first.name, second.name)
        base = min(tensor.offset for tensor in checkpoint.tensors.values())
        name = second.name.encode()
        at = data.index(name) + len(name)
        # GGUF lists u32 dims, the dims, u32 type; APR u8 type, u8 dims, the dims; then both the offset
        at += 4 + 8 * len(second.shape) + 4 if fmt == "gguf" else 2 + 8 * len(second.shape)
        struct.pack_into("<Q", data, at, first.offset - base)
        return None

    _rewritten(path, repeat)


def _in_json(data: bytearray, first: str, second: str) -> None:
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    start = header[first]["data_offsets"][0]
    size = header[second]["data_offsets"][1] - header[second]["data_offsets"][0]
    header[second]["data_offsets"] = [start, start + size]
    data[8 : 8 + length] = json.dumps(header, separators=(",", ":")).encode().ljust(length)


def swapped(path: Path, _: str) -> None:
    """FILE-005: each number's bytes are in the opposite order."""

    def swap(data: bytearray, checkpoint: Checkpoint) -> None:
        for info in checkpoint.tensors.values():
            width = _WIDTHS.get(info.dtype)
            if width:
                part = bytes(data[info.offset : info.offset + info.nbytes])
                for i in range(width):
                    data[info.offset + i : info.offset + info.nbytes : width] = part[width - 1 - i :: width]

    _rewritten(path, swap)


def damaged(path: Path, _: str) -> None:
    """FILE-008: the header says what its format forbids."""
    fmt = detect(path)

    def damage(data: bytearray, checkpoint: Checkpoint) -> None:
        if fmt == "gguf":
            name = next(iter(checkpoint.tensors)).encode()
            struct.pack_into("<I", data, data.index(name) + len(name), 9)  # dimensions
        elif fmt == "apr":
            data[64] = ord("[")  # the metadata is no object
        else:
            (length,) = struct.unpack_from("<Q", data)
            data[data.rindex(b"}", 8, 8 + length)] = ord(" ")

    _rewritten(path, damage)


def unsummed(path: Path, _: str) -> None:
    """FILE-009: the checksum is not that of the file."""
    from bot.toolchains.plants import NothingToPlantError

    if detect(path) != "apr":
        raise NothingToPlantError("FILE-009 finds no checksum in this format", where=str(path))
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)


def _rewritten(path: Path, change: Callable[[bytearray, Checkpoint], None]) -> None:
    """Change a file's bytes and make its own checksum fit again."""
    checkpoint = open_checkpoint(path)
    data = bytearray(path.read_bytes())
    change(data, checkpoint)
    checkpoint.close()
    if checkpoint.format == "apr":
        struct.pack_into("<I", data, len(data) - 4, zlib.crc32(memoryview(data)[:-4]))
    path.write_bytes(data)


PLANTS = {
    "FILE-001": truncated, "FILE-002": pointer, "FILE-003": shifted, "FILE-004": stale_offset, "FILE-005": swapped,
    "FILE-008": damaged, "FILE-009": unsummed,
}  # fmt: skip
