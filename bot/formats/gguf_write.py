"""Writes GGUF version 3."""

import dataclasses
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from bot.formats import blocks
from bot.formats._base import OutTensor
from bot.formats._write import atomic, copy_tensor, pad

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
KINDS = {"u8": 0, "i8": 1, "u16": 2, "i16": 3, "u32": 4, "i32": 5, "f32": 6, "bool": 7, "u64": 10, "i64": 11, "f64": 12}
STRING, ARRAY = 8, 9


@dataclasses.dataclass(frozen=True, slots=True)
class KV:
    """A value with the GGUF type it must have: "u32", "f32", ...; of the elements, for a list."""

    kind: str
    value: Any


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data)) + data


def _kind_of(value: Any) -> int:
    if isinstance(value, KV):
        return KINDS[value.kind]
    if isinstance(value, bool):
        return 7
    if isinstance(value, int):
        return (4 if value < 1 << 32 else 10) if value >= 0 else (5 if value >= -(1 << 31) else 11)
    if isinstance(value, float):
        return 6
    if isinstance(value, str):
        return STRING
    raise TypeError(f"GGUF metadata cannot hold {type(value).__name__}")


def _packed(kind: int, value: Any) -> bytes:
    return _string(value) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def _element_kind(items: list[Any]) -> int:
    kinds = {_kind_of(item) for item in items} or {4}
    if kinds <= {4, 5}:
        return 5 if 5 in kinds else 4
    if kinds <= {4, 5, 6} and 6 in kinds:
        return 6
    if len(kinds) > 1:
        raise TypeError("a GGUF array has one element type")
    return kinds.pop()


def encoded(value: Any) -> bytes:
    """Return the type and bytes of one metadata value."""
    plain = value.value if isinstance(value, KV) else value
    if isinstance(plain, (list, tuple)):
        items = list(plain)
        kind = KINDS[value.kind] if isinstance(value, KV) else _element_kind(items)
        return struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(_packed(kind, item) for item in items)
    kind = _kind_of(value)
    return struct.pack("<I", kind) + _packed(kind, plain)


def write(path: Path, metadata: Mapping[str, Any], tensors: Iterable[OutTensor], *, alignment: int = 32) -> None:
    """Write a GGUF; tensors keep their order. Nothing is left under the final name when it fails."""
    listed = list(tensors)
    with atomic(path) as file:
        _header(file, metadata, listed, alignment)
        for tensor in listed:
            copy_tensor(file, tensor)
            pad(file, alignment)


def _header(file: BinaryIO, metadata: Mapping[str, Any], tensors: list[OutTensor], alignment: int) -> None:
    file.write(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)))
    file.writelines(_string(key) + encoded(value) for key, value in metadata.items())
    offset = 0
    for tensor in tensors:
        dims = tensor.shape[::-1]
        kind = blocks.TYPES[tensor.dtype].ggml_id
        if kind is None:
            raise ValueError(f"GGUF has no element type {tensor.dtype}")
        file.write(_string(tensor.name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset))
        offset += -(-tensor.nbytes // alignment) * alignment
    pad(file, alignment)
