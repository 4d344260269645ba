"""A journal may come from anywhere: a record of the wrong shape is an error naming file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot import journal
from bot.errors import UserError

CELL: dict[str, Any] = {"gate": "F-CONV-G-A", "chain": ["gguf", "apr"], "backend": "cpu", "variant": ""}
HEADER: dict[str, Any] = {
    "type": "run", "schema": 1, "playbook": "p", "playbook_sha256": "0", "tier": "quick", "model": "m",
    "toolchain": "t", "commit": None, "started": "2026-01-01T00:00:00Z", "environment": {}, "cells": [CELL],
    "request": {},
}  # fmt: skip
EVIDENCE: dict[str, Any] = {"type": "evidence", "cell": "x", "kind": "tensors", "data": {}, "provenance": {}}
EXPERIMENT: dict[str, Any] = {"type": "experiment", "pair": "a-b", "cause": "ROPE-001", "data": {}, "cells": ["x"]}


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_sound_records_are_read(tmp_path: Path) -> None:
    read = journal.read(written(tmp_path / "j", HEADER, EVIDENCE, EXPERIMENT))
    assert (read.header.cells[0].id, len(read.evidence), read.experiments[0].cells) == (
        "F-CONV-G-A/gguf-apr/cpu", 1, ("x",),
    )  # fmt: skip


@pytest.mark.parametrize(("line", "record"), (
    (1, {**HEADER, "playbook": 3}), (1, {**HEADER, "environment": []}), (1, {**HEADER, "commit": 1}),
    (1, {**HEADER, "cells": [{**CELL, "chain": [["gguf"]]}]}), (1, {**HEADER, "cells": [{**CELL, "backend": {}}]}),
    (2, {**EVIDENCE, "cell": ["x"]}), (2, {**EVIDENCE, "data": [1]}), (2, {**EVIDENCE, "provenance": "x"}),
    (2, {**EXPERIMENT, "cause": []}), (2, {**EXPERIMENT, "data": 7}), (2, {**EXPERIMENT, "cells": [1]}), (2, [1]),
), ids=str)  # fmt: skip
def test_a_field_of_another_type_is_told(tmp_path: Path, line: int, record: object) -> None:
    path = written(tmp_path / "j", *([HEADER] if line == 2 else []), record)
    with pytest.raises(UserError, match=f"j:{line}: .*must be"):
        journal.read(path)


def test_a_bottomless_line_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "j", HEADER)
    path.write_text(path.read_text() + "[" * 100_000 + "\n")
    with pytest.raises(UserError, match="j:2: nested too deep"):
        journal.read(path)


def test_a_constant_that_json_lacks_is_text(tmp_path: Path) -> None:
    path = written(tmp_path / "j", HEADER, {**EVIDENCE, "data": {"rel_l2": float("nan")}})
    assert journal.read(path).evidence[0].data == {"rel_l2": "NaN"}
