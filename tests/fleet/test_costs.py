"""What cells took: out of journals, into a file, and back."""
# ruff: noqa: E501 - a table row reads best on one line

from pathlib import Path
from typing import Any

import pytest
from fleet.plans import book, journal, planned

from bot.errors import UserError
from bot.fleet.costs import Costs, of_records, read_costs
from bot.playbook import shard
from bot.records import Evidence


def evidence(cell: str, kind: str = "tensors", **provenance: Any) -> Evidence:
    return Evidence(cell=cell, kind=kind, data={}, provenance=provenance)


HOP = {"hop": "gguf-apr", "argv": ["convert", "a", "b"], "seconds": 8.0}
FILES = {"source_sha256": "1", "result_sha256": "2"}


@pytest.mark.parametrize(
    ("records", "expected"),
    (
        pytest.param([evidence("a", seconds=2.0), evidence("a", "logits", seconds=3.0)], {"a": 5.0}, id="kinds add up"),
        pytest.param([evidence("a", seconds=2.0), evidence("b", seconds=2.0)], {"a": 2.0, "b": 2.0}, id="cells apart"),
        pytest.param([evidence(c, seconds=2.0, **FILES) for c in "ab"], {"a": 1.0, "b": 1.0}, id="one measurement is shared"),
        pytest.param([evidence(c, seconds=None, conversions=[HOP]) for c in "abcd"], dict.fromkeys("abcd", 2.0), id="one conversion is shared"),
        pytest.param([evidence("a", conversions=[HOP, {**HOP, "argv": ["convert", "a", "c"]}])], {"a": 16.0}, id="two conversions add up"),
        pytest.param([evidence("a", seconds=s) for s in (None, "1", True, -1.0, float("nan"))], {}, id="what is no time"),
        pytest.param([evidence("a", conversions=7), evidence("a", conversions=[7])], {}, id="what is no conversion"),
    ),
)  # fmt: skip
def test_a_cell_took(records: list[Evidence], expected: dict[str, float]) -> None:
    assert of_records("p", records).playbooks == {"p": expected}


def test_costs_come_back_from_file_folder_and_journal(tmp_path: Path) -> None:
    plan = shard(planned(book("p"), ["G0-FORMAT-*"]), 1, 1)
    folder = journal(tmp_path / "run", plan, seconds=1.5)
    costs = read_costs(folder)
    assert costs == read_costs(folder / "evidence.jsonl")
    assert costs.measured(plan) == pytest.approx(4.5)
    (tmp_path / "costs.json").write_text(costs.dumps())
    assert read_costs(tmp_path / "costs.json") == read_costs(tmp_path) == costs


def test_newer_costs_of_a_playbook_replace_older_ones() -> None:
    old, new = Costs({"p": {"a": 1.0}, "q": {"a": 2.0}}), Costs({"p": {"b": 3.0}})
    assert old.updated(new).playbooks == {"p": {"b": 3.0}, "q": {"a": 2.0}}


@pytest.mark.parametrize(
    "text",
    ("", "[]", "{}", '{"schema": 2, "playbooks": {}}', '{"schema": 1, "playbooks": []}', '{"schema": 1, "playbooks": {"a": {"b": -1}}}',
     '{"schema": 1, "playbooks": {"a": 1}}', '{"schema": 1, "playbooks": {"a": {"b": NaN}}}', "[" * 100_000),
)  # fmt: skip
def test_what_is_no_costs_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UserError, match="not a costs file"):
        read_costs(tmp_path / "c.json")


def test_a_costs_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_costs(tmp_path / "none.json")
