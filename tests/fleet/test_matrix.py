"""A matrix whose jobs end together: simulated for a large fleet, and what it refuses."""

import dataclasses
from pathlib import Path

import pytest
from fleet.plans import book, fleet, planned

from bot.errors import UserError
from bot.fleet.costs import Costs, estimate
from bot.fleet.matrix import Limits, jobs, longest
from bot.playbook import Plan, cost
from bot.playbook.shards import groups

FLEET = fleet(1000, 24)


def indivisible(of: Plan) -> float:
    return max(cost.seconds(cells, of.source, cost.parameters(of.playbook)) for cells in groups(of))


@pytest.mark.parametrize("shards", (16, 100, 256))
def test_a_thousand_playbooks_end_together(shards: int) -> None:
    found = jobs(FLEET, shards, Costs())
    # nothing can end before the mean, nor before its largest indivisible group
    bound = max(sum(estimate(plan) for plan in FLEET) / shards, *(indivisible(plan) for plan in FLEET))
    assert longest(found) <= 1.15 * bound
    assert len(found) <= shards
    cells = [
        (piece.plan.playbook.name, item.cell.id) for job in found for piece in job.pieces for item in piece.plan.cells
    ]
    assert len(cells) == len(set(cells)) == 24_000


def test_measured_costs_decide() -> None:
    plans = [planned(book(name), ["G4-VALID"]) for name in ("a", "b", "c")]
    slow = Costs(
        {
            "a": {"G4-VALID/gguf/cpu": 90.0, "G4-VALID/gguf/gpu": 10.0},
            "b": {"G4-VALID/gguf/cpu": 20.0},
            "c": {"G4-VALID/gguf/cpu": 25.0},
        }
    )
    found = jobs(plans, 2, slow)
    assert [[piece.plan.playbook.name for piece in job.pieces] for job in found] == [["a"], ["b", "c"]]
    assert [job.seconds for job in found] == [100.0, 90.0]  # a cell never seen counts as the mean of the others


def test_estimates_follow_the_speed_that_was_measured() -> None:
    known, new = planned(book("known"), ["G4-VALID/*/cpu"]), planned(book("new"), ["G4-VALID/*/cpu"])
    found = jobs([known, new], 2, Costs({"known": {"G4-VALID/gguf/cpu": 3 * estimate(known)}}))
    assert [job.seconds for job in found] == pytest.approx([3 * estimate(known)] * 2)


def test_one_playbook_is_cut_between_its_groups() -> None:
    whole = planned(book())
    found = jobs([whole], 3, Costs())
    assert sorted(job.as_json()["shard"] for job in found) == ["1/3", "2/3", "3/3"]
    assert sorted(item.cell.id for job in found for piece in job.pieces for item in piece.plan.cells) == sorted(
        item.cell.id for item in whole.cells
    )
    assert longest(found) < 0.5 * estimate(whole)


def test_an_entry_of_the_matrix() -> None:
    small = dataclasses.replace(book("small", 10**8), backends=("cpu",))
    (job,) = jobs([planned(small, ["G4-VALID"]), planned(book("big"), ["G4-VALID"])], 1, Costs())
    told = job.as_json()
    assert told["playbook"] == "small.playbook.yaml big.playbook.yaml"
    assert told["shard"] == "1/1 1/1"
    assert told["runs"][1] == {"playbook": "big.playbook.yaml", "shard": "1/1", "name": "big"}
    assert (told["job"], told["jobs"], told["cells"]) == (1, 1, 3)
    assert told["gpu_memory_gib"] == 5.5  # 4.8 GB and a GiB; the small one wants none
    assert told["timeout_minutes"] * 60 >= 1800 + 3 * told["seconds"]


def test_what_is_stated_goes_before_estimates() -> None:
    stated = book(budgets=dataclasses.replace(book().budgets, gpu_memory_bytes=2**31, disk_bytes=2**33))
    (job,) = jobs([planned(stated)], 1, Costs())
    assert (job.gpu_memory, job.disk) == (2**31, 2**33)


def test_what_does_not_fit_a_runner_is_refused_by_name() -> None:
    plans = [planned(book("big", 7 * 10**10)), planned(book("small", 10**8))]
    with pytest.raises(UserError) as caught:
        jobs(plans, 2, Costs(), Limits(gpu_memory=80 * 2**30, disk=10**15))
    assert str(caught.value).split(" (")[0] == "big.playbook.yaml: needs 314.0 GiB of GPU memory, a runner has 80.0 GiB"


@pytest.mark.parametrize(
    ("paths", "names", "words"),
    (
        (("a.yaml", "./a.yaml"), ("a", "a"), "given twice"),
        (("a.yaml", "b.yaml"), ("a", "a"), "b.yaml: has the name of a.yaml: a"),
    ),
)
def test_doubles_are_refused(paths: tuple[str, str], names: tuple[str, str], words: str) -> None:
    plans = [planned(dataclasses.replace(book(name), path=Path(path))) for path, name in zip(paths, names, strict=True)]
    with pytest.raises(UserError, match=words):
        jobs(plans, 2, Costs())


def test_a_matrix_has_its_limits() -> None:
    for shards in (0, 257):
        with pytest.raises(UserError, match="a matrix holds 1 to 256"):
            jobs([], shards, Costs())


@pytest.mark.parametrize(
    ("name", "parameters"),
    (("o/Qwen2.5-Coder-0.5B-Instruct", 5e8), ("o/SmolLM2-135M", 135e6), ("o/Qwen3-30B-A3B", 3e10), ("7B/model", 1e9)),
)
def test_the_size_is_read_off_the_name(name: str, parameters: float) -> None:
    of = book()
    assert (
        cost.parameters(dataclasses.replace(of, model=dataclasses.replace(of.model, name=name, parameters=None)))
        == parameters
    )
