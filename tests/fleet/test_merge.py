"""Shard journals become one; what is missing stays missing; what does not belong together is refused."""
# ruff: noqa: E501 - a table row reads best on one line

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fleet.plans import book, journal, planned

from bot import journal as journals
from bot.errors import UserError
from bot.fleet.merge import check_name, found, merge
from bot.playbook import shard
from bot.records import Cell, Evidence, Outcome
from bot.triage.judge import judge

WHOLE = planned(book())


def shards(folder: Path, numbers: tuple[int, ...], of: int = 3, **changes: Any) -> Path:
    for number in numbers:
        journal(folder / f"shard-{number}", shard(WHOLE, number, of), **changes)
    return folder


def joined(*places: Path, out: Path = Path("out")) -> Any:
    return merge(found(places, out)[0])


def test_all_shards_make_the_whole(tmp_path: Path) -> None:
    merged = joined(shards(tmp_path, (3, 1, 2)))
    assert (merged.missing, merged.unfinished, merged.complete) == ((), (), True)
    assert merged.header.cells == tuple(item.cell for item in WHOLE.cells)  # in the plan's order again
    assert {item.cell for item in merged.evidence} == {item.cell.id for item in WHOLE.cells}
    back = journals.read(merged.write(tmp_path / "out"))
    assert back.complete
    assert (back.header.request, len(back.evidence)) == ({"dtype": None, "merged": 3, "missing": []}, len(WHOLE.cells))


def test_a_missing_shard_is_never_a_pass(tmp_path: Path) -> None:
    merged = joined(shards(tmp_path, (1, 3)))
    assert merged.missing == (2,)
    back = journals.read(merged.write(tmp_path / "out"))
    assert not back.complete
    lost = {item.cell.id for item in shard(WHOLE, 2, 3).cells}
    verdicts = {verdict.cell.id: verdict.outcome for verdict in judge(back).verdicts}
    assert {cell for cell, outcome in verdicts.items() if outcome is Outcome.NO_EVIDENCE} == lost
    assert len(verdicts) == len(WHOLE.cells)


def test_a_shard_that_was_cut_short_leaves_the_whole_unfinished(tmp_path: Path) -> None:
    journal(tmp_path / "a", shard(WHOLE, 1, 2))
    journal(tmp_path / "b", shard(WHOLE, 2, 2), ended=False)
    merged = joined(tmp_path)
    assert (merged.missing, merged.unfinished) == ((), (2,))
    assert not journals.read(merged.write(tmp_path / "out")).complete


def test_a_shard_alone_certifies_nothing(tmp_path: Path) -> None:
    path = journal(tmp_path, shard(planned(book(), ["G0-FORMAT-GGUF"]), 1, 2))
    with journals.Writer(path / "evidence.jsonl", journals.read(path).header) as writer:
        writer.append(Evidence(cell="G0-FORMAT-GGUF/gguf", kind="faults", data={"faults": []}))
    alone = judge(journals.read(path)).score
    assert (alone.mqs, alone.status) == (1000, "PARTIAL")
    assert "shard 1 of 2" in alone.note
    assert judge(journals.read(joined(path).write(tmp_path / "out"))).score.status == "CERTIFIED"


@pytest.mark.parametrize(
    ("changes", "words"),
    (
        ({"commit": "beef"}, "commit"),
        ({"playbook_sha256": "1" * 64}, "playbook_sha256"),
        ({"model": "o/other"}, "model"),
        ({"toolchain": "apr", "tier": "mvp"}, "tier, toolchain"),
        (
            {"environment": {"requalify": "1", "gpu": "H100", "toolchain reference": "2"}},
            "environment.toolchain reference",
        ),
        ({"request": {"dtype": "f16", **shard(WHOLE, 2, 3).as_request()}}, "request.dtype"),
        ({"request": {"dtype": None, **shard(WHOLE, 2, 4).as_request()}}, "number of parts"),
        ({"request": {"dtype": None, "shard": [2, 3], "whole": [{"gate": "G", "chain": []}]}}, "planned cells"),
    ),
)
def test_journals_of_different_runs_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    shards(tmp_path, (1,))
    shards(tmp_path, (2,), **changes)
    with pytest.raises(UserError) as caught:
        joined(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/shard-2/evidence.jsonl: is of another run than {tmp_path}/shard-1/evidence.jsonl: they differ in {words} "
        "(merge only parts of one run: same playbook, commit, toolchain and request)"
    )


def test_a_shard_is_merged_once(tmp_path: Path) -> None:
    shards(tmp_path, (1, 2))
    journal(tmp_path / "again", shard(WHOLE, 2, 3))
    with pytest.raises(UserError, match="part 2 of 3 is there twice"):
        joined(tmp_path)


def test_machines_may_differ_and_all_are_named(tmp_path: Path) -> None:
    shards(tmp_path, (1, 2))
    shards(tmp_path, (3,), environment={"requalify": "1", "gpu": "A100", "toolchain reference": "1"})
    assert joined(tmp_path).header.environment["gpu"] == "H100, A100"


def test_a_shard_speaks_for_its_own_cells_only(tmp_path: Path) -> None:
    folder, stranger = shards(tmp_path, (1, 2, 3)), shard(WHOLE, 2, 3).cells[0].cell.id
    with (folder / "shard-1" / "evidence.jsonl").open("a") as file:
        file.write(journals.encode("evidence", Evidence(cell=stranger, kind="skip", data={"reason": "forged"})))
    assert [item.data["reason"] for item in joined(folder).evidence if item.cell == stranger] == ["by shard-2"]


def test_unreadable_journals_are_told_and_count_as_missing(tmp_path: Path) -> None:
    shards(tmp_path, (1,), of=2)
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "evidence.jsonl").touch()
    (tmp_path / "none").mkdir()
    parts, notes = found((tmp_path / "shard-1", tmp_path / "dead", tmp_path / "none"), tmp_path / "out")
    assert merge(parts).missing == (2,)
    assert [note.replace(str(tmp_path), "") for note in notes] == [
        "/dead/evidence.jsonl: the journal is empty (the run died before it began; run it again)",
        "/none: no evidence.jsonl in it",
    ]


@pytest.mark.parametrize("told", ([0, 1], [2, 1], ["1", 2], [1], "1/2", [True, True], {}))
def test_a_header_that_names_no_part_is_told(tmp_path: Path, told: Any) -> None:
    journal(tmp_path / "a", WHOLE, request={"shard": told})
    parts, notes = found((tmp_path,), tmp_path / "out")
    assert not parts
    assert "names no part" in notes[0]


@pytest.mark.parametrize(
    "changes",
    (
        {"playbook": ["p"]}, {"environment": 1}, {"request": []}, {"cells": (Cell(gate="G", chain=(1,)),)},  # type: ignore[arg-type]
        {"cells": (Cell(gate=None),)},  # type: ignore[arg-type]
    ),
    ids=str,
)  # fmt: skip
def test_a_forged_header_is_told(tmp_path: Path, changes: dict[str, Any]) -> None:
    journal(tmp_path / "a", dataclasses.replace(WHOLE, cells=()), **changes)
    parts, notes = found((tmp_path,), tmp_path / "out")
    assert not parts
    assert len(notes) == 1
    assert notes[0].startswith(f"{tmp_path}/a/evidence.jsonl:1: bad record: ")


@pytest.mark.parametrize(
    "record",
    ({"cell": ["x"], "data": {}, "kind": "k"}, {"cell": "x", "data": {}, "kind": "k", "provenance": 1}),
    ids=str,
)
def test_forged_evidence_is_told(tmp_path: Path, record: dict[str, Any]) -> None:
    path = journal(tmp_path / "a", WHOLE) / "evidence.jsonl"
    with path.open("a") as file:
        file.write(json.dumps({**record, "type": "evidence"}) + "\n")
    (note,) = found((tmp_path,), tmp_path / "out")[1]
    assert re.match(rf"{re.escape(str(path))}:\d+: bad record: (cell|provenance) must be ", note)


def test_a_bottomless_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").write_text("[" * 100_000)
    assert found((tmp_path,), tmp_path / "out")[1] == [f"{tmp_path}/evidence.jsonl:1: nested too deep"]


CHAIN = {"gate": "x", "chain": [1]}


@pytest.mark.parametrize(
    "whole", (1, [1], [{}], [{"gate": "x"}], [{"gate": "x", "chain": 1}], [CHAIN], [], None), ids=str
)
def test_a_header_without_the_plan_is_refused(tmp_path: Path, whole: Any) -> None:
    journal(tmp_path / "a", WHOLE, request={"shard": [1, 2], "whole": whole})
    with pytest.raises(UserError, match="does not say what all parts plan"):
        joined(tmp_path)


def test_merging_again_does_not_read_its_own_result(tmp_path: Path) -> None:
    folder = shards(tmp_path, (1, 2, 3))
    joined(folder, out=tmp_path / "out").write(tmp_path / "out")
    assert joined(folder, out=tmp_path / "out").complete


@pytest.mark.parametrize("name", ("../x", "", ".", "a/b", "-x", "a\n", "x" * 101))
def test_a_name_that_is_no_folder(name: str) -> None:
    with pytest.raises(UserError, match="is no name for a folder"):
        check_name(name)


def test_a_plan_says_its_part_as_json_gives_it_back() -> None:
    part = shard(WHOLE, 1, 2)
    assert part.as_request()["shard"] == [1, 2]
    assert part.as_request()["whole"][0] == {**dataclasses.asdict(part.whole[0]), "chain": list(part.whole[0].chain)}
    assert WHOLE.as_request() == {}
