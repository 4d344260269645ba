"""Reads a journal that a stranger may have written: bounds everything before anything of ours believes it.

A journal of a pull request comes out of an artifact which that pull request could have forged. What passes
here is small, well-formed, free of NaN and of surprises; whether it is true is another matter.
"""

import dataclasses
import json
import math
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bot import journal
from bot.errors import UserError
from bot.journal import Header, Journal
from bot.triage.judge import Judgement, judge

FILE = 64 << 20
LINE = 8 << 20
RECORDS = 50_000
CELLS = 2_000
DEPTH = 24
TEXT = 1 << 20
NAME = 300
RUNS = 40  # journals in one folder

_GATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
_HEX = re.compile(r"[0-9a-f]{7,64}")
_HEADER = {field.name for field in dataclasses.fields(Header)} | {"schema", "type"}
_RECORDS = {
    "evidence": {"type", "cell", "kind", "data", "provenance"},
    "experiment": {"type", "pair", "cause", "data", "cells"},
    "end": {"type"},
}


def judged(path: Path) -> Judgement:
    """Read a foreign journal and judge it with this code; UserError when it is not one that could be judged."""
    read = evidence(path)
    try:
        return judge(read)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UserError(f"its records can not be judged: {type(error).__name__}", where=str(path)) from None


def evidence(path: Path) -> Journal:
    """Return the journal of a file or of a run's folder once it is known to be harmless.

    Raises UserError naming file and line.
    """
    path = path / journal.NAME if path.is_dir() else path
    _regular(path)
    seen: set[str] = set()
    for number, record in _records(path):
        _try(path, number, lambda record=record, first=number == 1: _checked(record, first, seen))  # type: ignore[misc]
    return journal.read(path)


def journals(folder: Path) -> list[Path]:
    """Return the journals of a folder: its own, or one of each folder in it (`merge --each` writes those)."""
    if not folder.is_dir() or (folder / journal.NAME).exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{journal.NAME}"))
    if len(found) > RUNS:
        raise UserError(f"{len(found)} journals, at most {RUNS} are published at once", where=str(folder))
    return found or [folder]


def _regular(path: Path) -> None:
    try:
        told = path.lstat()
    except OSError:
        hint = "give the evidence.jsonl or the --out folder of a run"
        raise UserError("no journal here", where=str(path), hint=hint) from None
    if not stat.S_ISREG(told.st_mode):
        raise UserError("not a plain file: links and devices are refused", where=str(path))
    if told.st_size > FILE:
        raise UserError(f"{told.st_size} bytes, at most {FILE} are read", where=str(path))


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each line's value; a torn last line is left to the journal."""
    with path.open("rb") as file:
        for number in range(1, RECORDS + 2):
            line = file.readline(LINE + 1)
            if not line:
                return
            if number > RECORDS or len(line) > LINE:
                what = f"more than {RECORDS} records" if number > RECORDS else f"a line of more than {LINE} bytes"
                raise UserError(what, where=f"{path}:{number}")
            if line.endswith(b"\n"):
                yield number, _try(path, number, lambda line=line: _parsed(line))  # type: ignore[misc]


def _try(path: Path, number: int, check: Callable[[], Any]) -> Any:
    try:
        return check()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise UserError(f"not a record that can be trusted: {why}", where=f"{path}:{number}") from None


def _parsed(line: bytes) -> Any:
    return json.loads(
        line, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer, object_pairs_hook=_object
    )


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("an integer of more than 20 digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is given twice")
    return made


def _checked(record: Any, first: bool, seen: set[str]) -> None:
    if not isinstance(record, dict):
        raise TypeError("a record must be an object")
    _bounded(record, DEPTH)
    if first:
        _header(record)
        return
    kind = record.get("type")
    fields = _RECORDS.get(kind) if isinstance(kind, str) else None
    if fields is None or set(record) - fields or "end" in seen:
        raise ValueError("an unknown record, an unknown field, or a record after the end")
    if kind == "evidence":
        _evidence(record)
    elif kind == "experiment":
        _experiment(record)
    else:
        seen.add("end")


def _bounded(value: Any, depth: int) -> None:
    """Refuse what is nested too deep, too long a text, or half a character."""
    if depth < 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        if len(value) > TEXT:
            raise ValueError(f"a text of more than {TEXT} characters")
        value.encode()  # half a character raises
    elif isinstance(value, dict):
        for key, item in value.items():
            _bounded(key, depth)
            _bounded(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _bounded(item, depth - 1)


def _text(record: Mapping[str, Any], name: str, limit: int = NAME) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise ValueError(f"{name!r} is not one line of at most {limit} characters")
    return value


def _header(record: dict[str, Any]) -> None:
    if unknown := set(record) - _HEADER:
        raise ValueError(f"unknown fields of a run: {', '.join(sorted(map(ascii, unknown)))}")
    for name in ("playbook", "playbook_sha256", "tier", "model", "toolchain", "started"):
        _text(record, name)
    if any(part == ".." for part in re.split(r"[/\\]", record["playbook"])):
        raise ValueError("the playbook's path leaves its folder")
    if record.get("commit") is not None and not _HEX.fullmatch(_text(record, "commit")):
        raise ValueError("'commit' is no commit")
    if not isinstance(record.get("environment"), dict) or not isinstance(record.get("request", {}), dict):
        raise ValueError("'environment' and 'request' are objects")
    cells = record.get("cells")
    if not isinstance(cells, list) or len(cells) > CELLS:
        raise ValueError(f"'cells' is no list of at most {CELLS}")
    ids = [_cell(cell) for cell in cells]
    if len(set(ids)) != len(ids):
        raise ValueError("a cell is planned twice")


def _cell(cell: Any) -> tuple[Any, ...]:
    if not isinstance(cell, dict) or set(cell) - {"gate", "chain", "backend", "variant"}:
        raise ValueError("not a cell")
    chain, backend, variant = cell.get("chain"), cell.get("backend"), cell.get("variant", "")
    if not isinstance(cell.get("gate"), str) or not _GATE.fullmatch(cell["gate"]):
        raise ValueError("not the id of a gate")
    if (
        not isinstance(chain, list)
        or len(chain) > 8
        or not all(isinstance(f, str) and _WORD.fullmatch(f) for f in chain)
    ):
        raise ValueError("not a chain of formats")
    if backend not in {None, "cpu", "gpu"}:
        raise ValueError("not a backend")
    if not isinstance(variant, str) or len(variant) > 120 or not variant.isprintable():
        raise ValueError("not a variant")
    return cell["gate"], tuple(chain), backend, variant


def _evidence(record: dict[str, Any]) -> None:
    _text(record, "cell")
    if not _WORD.fullmatch(_text(record, "kind")):
        raise ValueError("not a kind of evidence")
    if not isinstance(record.get("data"), dict) or not isinstance(record.get("provenance", {}), dict):
        raise ValueError("'data' and 'provenance' are objects")


def _experiment(record: dict[str, Any]) -> None:
    _text(record, "pair")
    if not _GATE.fullmatch(_text(record, "cause")):
        raise ValueError("not the id of a cause")
    cells = record.get("cells", [])
    if not isinstance(record.get("data"), dict) or not isinstance(cells, list) or len(cells) > CELLS:
        raise ValueError("'data' is an object and 'cells' a list")
    if not all(isinstance(cell, str) and len(cell) <= NAME for cell in cells):
        raise ValueError("not the id of a cell")
