"""The header of one SafeTensors file, each law of it checked.

    u64 length N | N bytes of JSON { name: { dtype, shape, data_offsets: [begin, end] }, __metadata__: {..} } | data

Offsets count from the end of the header, must touch without holes and end with the file.
Source: https://github.com/huggingface/safetensors (README and safetensors/src/tensor.rs).
"""

import json
import math
import mmap
import struct
from pathlib import Path
from typing import Any

from bot.formats._base import Fault, TensorInfo

MAX_HEADER = 100_000_000
MAX_FAULTS = 200  # kept of one file
MAX_DIMENSIONS = 64  # what an array can have
# bits of one element; what `blocks` has no decoder for can be listed and not read
DTYPES = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "I32": 32, "U32": 32, "I64": 64, "U64": 64, "F16": 16,
    "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


class BrokenError(Exception):
    """A law broken so that nothing after it can be read."""

    def __init__(self, law: str, cause: str, detail: str, offset: int = 0) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail, self.offset = law, cause, detail, offset


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; a key stated twice is a broken law."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BrokenError("key-twice", "FILE-008", f"the header states {key[:80]!r} twice", 8)
        key.encode()  # half of a surrogate pair is no text
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class File:
    """One file's header and the laws it breaks."""

    def __init__(self, path: Path) -> None:
        self.path, self.faults = path, list[Fault]()
        self.tensors: dict[str, TensorInfo] = {}
        self.metadata: dict[str, str] = {}
        self.bytes: mmap.mmap | bytes = b""
        try:
            self._parse()
        except BrokenError as bad:
            self.fault(bad.law, bad.cause, bad.detail, bad.offset, fatal=True)

    def fault(self, law: str, cause: str, detail: str, offset: int, *, fatal: bool = False) -> None:
        """Note a broken law."""
        if len(self.faults) >= MAX_FAULTS and (not fatal or any(fault.fatal for fault in self.faults)):
            return
        self.faults.append(
            Fault(law=f"safetensors.{law}", cause=cause, path=str(self.path), detail=detail, offset=offset, fatal=fatal)
        )

    def _parse(self) -> None:
        size = self.path.stat().st_size
        if size < 8:
            raise BrokenError("size", "FILE-001", f"{size} bytes are too few for a header")
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (length,) = struct.unpack_from("<Q", self.bytes, 0)
        if length > MAX_HEADER:
            raise BrokenError(
                "header-length", "FILE-008", f"the header claims {length} bytes; {MAX_HEADER} is the most"
            )
        if 8 + length > size:
            raise BrokenError("header-truncated", "FILE-001", f"the header claims {length} bytes, the file has {size}")
        self._entries(self._header(self.bytes[8 : 8 + length]), 8 + length, size)

    def _header(self, data: bytes) -> dict[str, Any]:
        try:
            # an explicit decoding: json.loads would take UTF-16 as well
            header = json.loads(data.decode(), object_pairs_hook=no_twins, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            detail = f"the header is not JSON: {str(error)[:120]}"
            raise BrokenError("header-json", "FILE-008", detail, 8) from None
        if not isinstance(header, dict):
            raise BrokenError("header-json", "FILE-008", "the header is not a JSON object", 8)
        stated = header.pop("__metadata__", {})
        if not isinstance(stated, dict) or not all(isinstance(value, str) for value in stated.values()):
            self.fault("metadata", "FILE-008", "__metadata__ must map strings to strings", 8)
            stated = {}
        self.metadata = stated
        return header

    def _entries(self, header: dict[str, Any], start: int, size: int) -> None:
        spans = []
        for name, entry in header.items():
            try:
                dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
                whole = isinstance(shape, list) and isinstance(dtype, str)
                whole = whole and all(type(n) is int and n >= 0 for n in (*shape, begin, end))
            except (TypeError, KeyError, ValueError):
                whole = False
            if not whole:
                raise BrokenError("entry", "FILE-008", f"the entry of tensor {name[:80]!r} is malformed", 8)
            spans.append((begin, end, name))
            self._entry(name, dtype, tuple(shape), begin, end, start)
        self._cover(sorted(spans), start, size)

    def _entry(self, name: str, dtype: str, shape: tuple[int, ...], begin: int, end: int, start: int) -> None:
        if dtype not in DTYPES:
            detail = f"tensor {name[:80]!r} has the unknown dtype {dtype[:20]!r}"
            self.fault("dtype", "ARCH-002", detail, 8, fatal=True)
            return
        sane = len(shape) <= MAX_DIMENSIONS and max((*shape, end), default=0) < 1 << 62
        if not sane or math.prod(shape) * DTYPES[dtype] != 8 * (end - begin):
            detail = f"tensor {name[:80]!r} of {dtype} {str(list(shape))[:80]} spans {end - begin} bytes"
            self.fault("size", "FILE-004", detail, 8, fatal=True)
            return
        self.tensors[name] = TensorInfo(
            name=name, dtype=dtype, shape=shape, path=self.path, offset=start + begin, nbytes=end - begin
        )

    def _cover(self, spans: list[tuple[int, int, str]], start: int, size: int) -> None:
        at = 0
        for begin, end, name in spans:
            if begin != at:
                what = "overlaps its neighbour" if begin < at else "leaves a hole before it"
                detail = f"tensor {name[:80]!r} begins at {begin}, not {at}: {what}"
                self.fault("offsets", "FILE-004", detail, start + begin, fatal=begin < at)
            at = max(at, end)
        if start + at > size:
            detail = f"{at} bytes of tensors, {size - start} in the file"
            self.fault("data-truncated", "FILE-001", detail, size, fatal=True)
        elif start + at < size:
            self.fault("trailing", "FILE-008", f"{size - start - at} bytes follow the last tensor", start + at)
