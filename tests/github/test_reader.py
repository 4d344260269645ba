"""A journal as hostile input: what is let through, and that everything else is refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.github import reader
from bot.journal import Header, Writer
from bot.records import Cell, Evidence, Experiment

CELL = Cell(gate="F-CONV-G-A", chain=("gguf", "apr"), backend="cpu")
HEADER = Header(
    playbook="playbooks/a.playbook.yaml", playbook_sha256="0" * 64, tier="quick", model="org/m", toolchain="apr",
    commit="a" * 40, started="2026-03-01T00:00:00Z", environment={"requalify": "0"}, cells=(CELL,),
)  # fmt: skip


def written(folder: Path) -> Path:
    path = folder / "evidence.jsonl"
    with Writer(path, HEADER) as out:
        out.append(Evidence(cell=CELL.id, kind="logits", data={"rel_l2": float("nan")}))
        out.append(Experiment(pair="gguf-apr", cause="LAYOUT-002", data={}, cells=(CELL.id,)))
        out.end()
    return path


def edited(path: Path, line: int, **changes: Any) -> Path:
    lines = path.read_text().splitlines()
    record = json.loads(lines[line])
    record.update(changes)
    lines[line] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_our_own_writer_wrote_passes(tmp_path: Path) -> None:
    written(tmp_path)
    found = reader.judged(tmp_path)
    assert found.header == HEADER and len(found.journal.evidence) == 1 and found.journal.complete


BAD_CELL = {"gate": "G", "chain": ["gguf"], "backend": "cpu", "variant": ""}
REFUSED: list[tuple[int, dict[str, Any], str]] = [
    (0, {"schema": 9}, "schema 9"),
    (0, {"extra": 1}, "unknown fields"),
    (0, {"model": ""}, "'model'"),
    (0, {"model": "x" * 301}, "'model'"),
    (0, {"model": "a\nb"}, "'model'"),
    (0, {"model": 3}, "'model'"),
    (0, {"playbook": "../../etc/passwd"}, "leaves its folder"),
    (0, {"commit": "main; rm -rf"}, "no commit"),
    (0, {"environment": []}, "objects"),
    (0, {"cells": [BAD_CELL] * 2}, "twice"),
    (0, {"cells": [{**BAD_CELL, "variant": str(n)} for n in range(2001)]}, "at most 2000"),
    (0, {"cells": [{**BAD_CELL, "gate": "../x"}]}, "id of a gate"),
    (0, {"cells": [{**BAD_CELL, "chain": ["a b"]}]}, "chain"),
    (0, {"cells": [{**BAD_CELL, "chain": "gguf"}]}, "chain"),
    (0, {"cells": [{**BAD_CELL, "backend": "tpu"}]}, "backend"),
    (0, {"cells": [{**BAD_CELL, "variant": "\u202e"}]}, "variant"),
    (0, {"cells": [3]}, "not a cell"),
    (1, {"type": "surprise"}, "unknown record"),
    (1, {"extra": 1}, "unknown field"),
    (1, {"data": 3}, "objects"),
    (1, {"cell": 3}, "'cell'"),
    (1, {"kind": "a b"}, "kind"),
    (1, {"data": {"x": "y" * (reader.TEXT + 1)}}, "text of more than"),
    (2, {"cause": "no such id!"}, "id of a cause"),
    (2, {"cells": [1]}, "id of a cell"),
    (2, {"pair": None}, "'pair'"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "changes", "why"), REFUSED)
def test_everything_else_is_refused_with_its_line(tmp_path: Path, line: int, changes: dict[str, Any], why: str) -> None:
    path = edited(written(tmp_path), line, **changes)
    with pytest.raises(UserError, match=f"evidence.jsonl:{line + 1}.*{why}"):
        reader.judged(path)


RAW: list[tuple[str, str]] = [
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":NaN}}', "NaN is no JSON"),
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":-Infinity}}', "-Infinity is no JSON"),
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":1e999}}', "not finite"),
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":' + "9" * 5000 + "}}", "20 digits"),
    ('{"type":"evidence","cell":"c","kind":"k","kind":"l","data":{}}', "twice"),
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":' + "[" * 60 + "]" * 60 + "}}", "deeply"),
    ('{"type":"evidence","cell":"c","kind":"k","data":{"x":' + "[" * 50_000 + "]" * 50_000 + "}}", "deeply"),
    ("not json", "Expecting value"),
    ("[1]", "must be an object"),
    ('{"type":"end"}', "after the end"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "why"), RAW, ids=[why for _, why in RAW])
def test_lines_that_are_no_records_are_refused(tmp_path: Path, line: str, why: str) -> None:
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text + line + "\n" if "end" in why else text.replace('{"type": "end"}\n', line + "\n"))
    with pytest.raises(UserError, match=why):
        reader.judged(path)


def test_links_devices_and_giants_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    for bad in (link, Path("/dev/zero")):
        with pytest.raises(UserError, match="plain file"):
            reader.judged(bad)
    with pytest.raises(UserError, match="no journal here"):
        reader.judged(tmp_path / "absent")
    for name, limit, why in (
        ("FILE", 10, "at most 10"),
        ("LINE", 50, "a line of more"),
        ("RECORDS", 2, "than 2 records"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(reader, name, limit)
            with pytest.raises(UserError, match=why):
                reader.judged(path)


def test_a_torn_last_line_is_a_crash_and_no_forgery(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text()[:-8])
    found = reader.judged(path)
    assert found.journal.torn and not found.journal.complete


def test_journals_of_several_playbooks_are_found_in_their_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        written(tmp_path / name)
    assert reader.journals(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert reader.journals(tmp_path / "a") == [tmp_path / "a"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2),
    st.sampled_from(["cells", "data", "model", "cell", "kind", "type", "cause", "environment", "request"]),
    json_values,
)
def test_whatever_stands_in_a_field_it_is_judged_or_refused(
    tmp_path_factory: pytest.TempPathFactory, line: int, name: str, value: Any
) -> None:
    path = edited(written(tmp_path_factory.mktemp("journal")), line, **{name: value})
    try:
        reader.judged(path)
    except UserError as error:
        assert len(str(error)) < 1000
