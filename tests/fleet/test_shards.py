"""Shards are the plan cut in parts, alike on every machine and never through a shared conversion."""

import dataclasses
from pathlib import Path

import pytest
from fleet.plans import book, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UserError
from bot.gates import ALL
from bot.playbook import Plan, load, parse_shard, plan, shard
from bot.playbook.cost import conversions
from bot.playbook.shards import balance, groups, shares

QUICK = load(Path(__file__).parents[2] / "playbooks" / "smollm2-135m-quick.playbook.yaml")
WHOLE = plan(QUICK, source="gguf", known=ALL.values(), backends_missing={})


def files(of: Plan) -> set[tuple[str, ...]]:
    return {file for item in of.cells for file in conversions(item.cell, of.source)}


@settings(max_examples=40, deadline=None)
@given(
    parts=st.integers(1, 9),
    source=st.sampled_from(("gguf", "apr", "safetensors")),
    formats=st.sets(st.sampled_from(("gguf", "apr", "safetensors")), min_size=1),
    backends=st.sampled_from((("cpu",), ("gpu",), ("cpu", "gpu"))),
)
def test_shards_partition_the_plan(parts: int, source: str, formats: set[str], backends: tuple[str, ...]) -> None:
    model = dataclasses.replace(QUICK.model, formats=tuple(sorted(formats)))
    whole = plan(
        dataclasses.replace(QUICK, model=model, backends=backends),
        source=source,
        known=ALL.values(),
        backends_missing={},
    )
    found = [shard(whole, number, parts) for number in range(1, parts + 1)]
    places = {item.cell.id: n for n, part in enumerate(found) for item in part.cells}
    assert sum(len(part.cells) for part in found) == len(whole.cells) == len(places)
    order = [item.cell.id for item in whole.cells]
    assert all([i.cell.id for i in part.cells] == [c for c in order if places[c] == n] for n, part in enumerate(found))
    for n, part in enumerate(found):
        assert not files(part) & {file for m, other in enumerate(found) if m != n for file in files(other)}
        assert part.part == (n + 1, parts)
        assert part.whole == tuple(item.cell for item in whole.cells)


def test_the_quick_playbook_falls_into_six_groups() -> None:
    assert [len(cells) for cells in groups(WHOLE)] == [15, 46, 9, 9, 9, 18]
    assert [len(shard(WHOLE, n, 3).cells) for n in (1, 2, 3)] == [46, 33, 27]
    # commutativity compares a detour with the direct way, so both stay with it
    together = next({cell.gate for cell in cells} for cells in groups(WHOLE) if cells[0].id.endswith("/apr"))
    assert {"F-CONV-COM-001", "F-CONV-G-A", "F-CONV-G-S", "F-CONV-RT-001"} <= together


def test_a_machine_without_a_gpu_cuts_alike() -> None:
    here = plan(QUICK, source="gguf", known=ALL.values(), backends_missing={"gpu": "no CUDA device"})
    for number in (1, 2, 3):
        mine, theirs = shard(here, number, 3), shard(WHOLE, number, 3)
        assert [item.cell for item in mine.cells] == [item.cell for item in theirs.cells]
    assert any(item.skip for item in shard(here, 1, 3).cells)


def test_more_shards_than_groups_leave_some_empty() -> None:
    assert [len(part.cells) > 0 for part in shares(planned(book(), ["G4-VALID"]), 3)] == [True, False, False]


@pytest.mark.parametrize(("text", "part"), (("1/1", (1, 1)), ("2/3", (2, 3)), ("256/256", (256, 256))))
def test_a_part_is_written(text: str, part: tuple[int, int]) -> None:
    assert parse_shard(text) == part


@pytest.mark.parametrize("text", ("", "1", "0/1", "2/1", "1/257", "-1/2", "1/2/3", "a/b", "1/2 ", "١/٢"))
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(UserError, match="is no part of a plan"):
        parse_shard(text)


def test_the_largest_goes_first_into_the_emptiest() -> None:
    assert balance([1, 5, 3, 3], 2) == [0, 0, 1, 1]
