"""A cursor over the header of a GGUF: scalars, strings and arrays, each checked before it is taken.

    string = u64 length + UTF-8; array = element type u32, count u64, elements

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and ggml's own loader, gguf.cpp.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np

from bot.formats._base import Fault

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
BOOL, STRING, ARRAY = 7, 8, 9
# far above any real file, far below what would fill the memory
MAX_STRING = 1 << 26  # bytes of one string
MAX_HEADER = 1 << 28  # bytes of metadata and table
MAX_ELEMENTS = 1 << 24  # of all arrays together
MAX_FAULTS = 200  # kept of one file


class BrokenError(Exception):
    """A law broken so that nothing after it can be read."""

    def __init__(self, law: str, cause: str, detail: str, offset: int) -> None:
        super().__init__(detail)
        self.law, self.cause, self.detail, self.offset = law, cause, detail, offset


class Cursor:
    """A position in a mapped file, and the laws found broken so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        with path.open("rb") as file:
            self.size = path.stat().st_size
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        self.at = 0
        self.elements = 0  # of arrays so far

    @property
    def fatal(self) -> bool:
        """Tell whether a law is broken without which the file cannot be read."""
        return any(fault.fatal for fault in self.faults)

    def fault(self, law: str, cause: str, detail: str, offset: int | None = None, *, fatal: bool = False) -> None:
        """Note a broken law."""
        if len(self.faults) >= MAX_FAULTS and (self.fatal or not fatal):
            return
        self.faults.append(
            Fault(law=f"gguf.{law}", cause=cause, path=str(self.path), detail=detail, offset=offset, fatal=fatal)
        )

    def take(self, count: int, what: str) -> int:
        """Advance over `count` bytes; return where they start."""
        start = self.at
        if count > self.size - start:
            raise BrokenError(
                "truncated", "FILE-001", f"ends inside {what}: {count} bytes wanted at byte {start}", start
            )
        self.at = start + count
        if self.at > MAX_HEADER:
            raise BrokenError("header-size", "FILE-008", f"{what} reaches beyond byte {MAX_HEADER}", start)
        return start

    def _text(self, raw: bytes, what: str, at: int) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fault("utf-8", "FILE-008", f"{what} is not UTF-8", at)
            return raw.decode("utf-8", "replace")

    def string(self, what: str) -> str:
        """Read a string."""
        start = self.take(8, what)
        (length,) = struct.unpack_from("<Q", self.bytes, start)
        if length > MAX_STRING:
            raise BrokenError("string-length", "FILE-008", f"{what} claims {length} bytes", start)
        start = self.take(length, what)
        return self._text(self.bytes[start : start + length], what, start)

    def value(self, kind: int, what: str) -> Any:
        """Read a value of a type."""
        if kind in SCALARS:
            code = "<" + SCALARS[kind]
            start = self.take(struct.calcsize(code), what)
            if kind == BOOL and self.bytes[start] > 1:
                self.fault("bool", "FILE-008", f"{what} is a truth value of {self.bytes[start]}", start)
            return struct.unpack_from(code, self.bytes, start)[0]
        if kind == STRING:
            return self.string(what)
        if kind == ARRAY:
            return self._array(what)
        raise BrokenError("value-type", "FILE-008", f"{what} has the unknown value type {kind}", self.at)

    def _array(self, what: str) -> list[Any]:
        kind, count = struct.unpack_from("<IQ", self.bytes, self.take(12, what))
        self.elements += count
        if self.elements > MAX_ELEMENTS:
            raise BrokenError("array-length", "FILE-008", f"{what} claims {count} elements", self.at - 8)
        if kind == STRING:
            return self._strings(count, what)
        if kind not in SCALARS:
            raise BrokenError("array-type", "FILE-008", f"{what} is an array of value type {kind}", self.at - 12)
        code = "?" if kind == BOOL else "<" + SCALARS[kind]
        start = self.take(count * struct.calcsize(code), what)
        found: list[Any] = np.frombuffer(self.bytes, np.dtype(code), count, start).tolist()
        return found

    def _strings(self, count: int, what: str) -> list[str]:
        """Read an array of strings: a loop without calls, since vocabularies have 150 000 of them."""
        data, at, size, unpack = self.bytes, self.at, self.size, struct.Struct("<Q").unpack_from
        found: list[bytes] = []
        for _ in range(count):
            if at + 8 > size:
                raise BrokenError("truncated", "FILE-001", f"ends inside {what}", at)
            (length,) = unpack(data, at)
            at += 8
            if length > MAX_STRING:
                raise BrokenError("string-length", "FILE-008", f"a string of {what} claims {length} bytes", at - 8)
            if at + length > size:
                raise BrokenError("truncated", "FILE-001", f"ends inside a string of {what}", at)
            found.append(data[at : at + length])
            at += length
        self.at = at
        self.take(0, what)
        try:
            return [raw.decode() for raw in found]
        except UnicodeDecodeError:
            return [self._text(raw, f"a string of {what}", at) for raw in found]
