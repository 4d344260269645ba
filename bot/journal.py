"""Evidence as JSON lines: what ties the rooms together and what one machine hands to another.

The first line is the run's header, every other line one record. Each is flushed when written, so a
crash loses the line in hand and no other; a torn last line is expected and passed over.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bot.errors import UserError
from bot.records import Cell, Evidence, Experiment

SCHEMA = 1
NAME = "evidence.jsonl"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the run was: enough to judge its evidence anywhere."""

    playbook: str
    playbook_sha256: str
    tier: str  # "quick", "mvp", "full", ...
    model: str
    toolchain: str
    commit: str | None
    started: str  # ISO 8601, UTC
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]  # everything planned, in order; a cell without evidence is visible here
    request: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # dtype asked for, tolerances, policy


@dataclasses.dataclass(frozen=True, slots=True)
class Journal:
    """A journal read back."""

    header: Header
    evidence: tuple[Evidence, ...]
    experiments: tuple[Experiment, ...]
    complete: bool  # the end record was written
    torn: bool  # the last line was cut by a crash


def _plain(value: Any) -> Any:
    """Make `value` JSON: a non-finite float becomes the string JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value


def encode(kind: str, record: Any) -> str:
    """Return one line of a journal, newline included."""
    return json.dumps({"type": kind, **_plain(record)}, sort_keys=True, allow_nan=False) + "\n"


class Writer:
    """Appends records to a journal, flushing each; `resume` continues one that a kill cut short."""

    def __init__(self, path: Path, header: Header, *, resume: bool = False) -> None:
        self.path = path
        keep = _sound_length(path) if resume and path.exists() else 0
        self._file = path.open("r+b" if keep else "wb")
        self._file.truncate(keep)
        self._file.seek(keep)
        if not keep:
            self._write("run", {"schema": SCHEMA, **_plain(header)})

    def append(self, record: Evidence | Experiment) -> None:
        """Write one record and flush it."""
        self._write("evidence" if isinstance(record, Evidence) else "experiment", record)

    def end(self) -> None:
        """Mark the journal complete."""
        self._write("end", {})

    def _write(self, kind: str, record: Any) -> None:
        self._file.write(encode(kind, record).encode())
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()


def _sound_length(path: Path) -> int:
    """Return how many bytes of the file are whole records, without an end record."""
    length = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or json.loads(line).get("type") == "end":
                break
            length += len(line)
    return length


R = TypeVar("R", Header, Cell, Evidence, Experiment)
_FIELDS: Mapping[Any, tuple[type | tuple[type, ...], str]] = {
    str: (str, "a text"),
    str | None: ((str, type(None)), "a text or null"),
    Mapping[str, Any]: (dict, "an object"),
    tuple[str, ...]: (tuple, "a list of texts"),
}


def _sound(record: R) -> R:
    """Return a record whose fields are of the types they are declared with; TypeError otherwise."""
    for field in dataclasses.fields(record):
        kinds, words = _FIELDS.get(field.type, (object, ""))
        value = getattr(record, field.name)
        texts = value if isinstance(value, tuple) and kinds is tuple else ()
        if not isinstance(value, kinds) or not all(isinstance(item, str) for item in texts):
            raise TypeError(f"{field.name} must be {words}, found {str(value)[:40]!r}")
    return record


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield (line number, record); None stands for a torn last line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line, parse_constant=str)
            except RecursionError:
                raise UserError("nested too deep", where=f"{path}:{number}") from None
            except ValueError:
                if line.endswith(b"\n"):
                    hint = "the journal is damaged"
                    raise UserError("not a JSON record", where=f"{path}:{number}", hint=hint) from None
                yield number, None
                return
            if not isinstance(record, dict):
                raise UserError("a record must be an object", where=f"{path}:{number}")
            yield number, record


def read(path: Path) -> Journal:
    """Read a journal file, or the journal inside a run's folder.

    Raises UserError naming file and line for anything but a torn last line.
    """
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise UserError("no journal here", where=str(path), hint="give the evidence.jsonl or the --out folder of a run")
    header: Header | None = None
    evidence: list[Evidence] = []
    experiments: list[Experiment] = []
    complete = torn = False
    for number, record in _lines(path):
        if record is None:
            torn = True
            break
        kind = record.pop("type", None)
        try:
            if number == 1:
                header = _header(kind, record)
            elif kind == "evidence":
                evidence.append(_sound(Evidence(**record)))
            elif kind == "experiment":
                experiments.append(_sound(Experiment(**{**record, "cells": tuple(record.get("cells", ()))})))
            elif kind == "end":
                complete = True
            else:
                raise TypeError(f"unknown record type {kind!r}")
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"bad record: {error}", where=f"{path}:{number}") from None
    if header is None:
        raise UserError("the journal is empty", where=str(path), hint="the run died before it began; run it again")
    return Journal(header, tuple(evidence), tuple(experiments), complete, torn)


def _header(kind: str | None, record: dict[str, Any]) -> Header:
    schema = record.pop("schema", None)
    if kind != "run" or schema != SCHEMA:
        raise ValueError(f"expected a run record of schema {SCHEMA}, found {kind!r} of schema {schema!r}")
    cells = tuple(_sound(Cell(**{**cell, "chain": tuple(cell["chain"])})) for cell in record.pop("cells"))
    return _sound(Header(**record, cells=cells))


def by_cell(evidence: Iterable[Evidence]) -> dict[str, dict[str, Evidence]]:
    """Group evidence by cell and kind; of two records of one kind the later one counts (a resumed cell)."""
    grouped: dict[str, dict[str, Evidence]] = {}
    for item in evidence:
        grouped.setdefault(item.cell, {})[item.kind] = item
    return grouped
