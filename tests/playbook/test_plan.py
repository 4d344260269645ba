"""What the quick playbooks amount to, cell by cell, and what a machine or a toolchain takes out."""
# ruff: noqa: E501 - a table row reads best on one line

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.errors import UserError
from bot.gates import ALL
from bot.playbook import Plan, Playbook, load, plan

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
QUICK = ("smollm2-135m-quick", "qwen2.5-coder-0.5b-quick")


def quick(name: str = QUICK[0], **changes: Any) -> Playbook:
    book = load(PLAYBOOKS / f"{name}.playbook.yaml")
    formats = changes.pop("formats", book.model.formats)
    return dataclasses.replace(book, model=dataclasses.replace(book.model, formats=formats), **changes)


def planned(book: Playbook, source: str = "gguf", **more: Any) -> Plan:
    return plan(book, source=source, known=ALL.values(), **{"backends_missing": {}, **more})


def ids(found: Plan) -> list[str]:
    return [item.cell.id for item in found.cells]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("source", ("gguf", "apr", "safetensors"))
def test_a_quick_playbook_counts(name: str, source: str) -> None:
    found = planned(quick(name), source)
    families = Counter(ALL[item.cell.gate].family for item in found.cells)
    # six pairs, four chains and the golden rule on two backends each; byte, idempotency and commutativity once
    assert families == {"gateways": 34, "direct": 12, "chains": 13, "structure": 42, "inference": 5}
    assert len(set(ids(found))) == 106
    assert not [item.skip for item in found.cells if item.skip]


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_playbook_counts_without_a_gpu(name: str) -> None:
    found = planned(quick(name), backends_missing={"gpu": "no CUDA device"})
    skipped = [item.cell.id for item in found.cells if item.skip == "no CUDA device"]
    assert (len(found.cells), len(skipped)) == (106, 22)
    assert [name for name in skipped if not name.endswith("/gpu")] == ["F-BACKEND-001/gguf"]
    assert sum(item.skip is None for item in found.cells) == 84


def test_cells_come_in_report_order() -> None:
    order = [ALL[item.cell.gate].id for item in planned(quick(backends=("cpu",))).cells]
    assert list(dict.fromkeys(order)) == [gate for gate in ALL if gate in set(order)]
    assert ids(planned(quick(), gates=["G1-LOAD"])) == [
        "G1-LOAD/gguf/cpu", "G1-LOAD/gguf/gpu", "G1-LOAD/apr/cpu", "G1-LOAD/apr/gpu", "G1-LOAD/safetensors/cpu", "G1-LOAD/safetensors/gpu",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "source", "glob", "expected"),
    (
        pytest.param({}, "apr", "G3-STABLE/*/cpu", ["G3-STABLE/apr/cpu"], id="the source is what the run starts from"),
        pytest.param({}, "apr", "F-A1-001", ["F-A1-001/gguf/cpu", "F-A1-001/safetensors/cpu"], id="results are all others"),
        pytest.param({"formats": ("gguf", "apr")}, "gguf", "F-CONV-?-?/*/cpu", ["F-CONV-G-A/gguf-apr/cpu", "F-CONV-A-G/apr-gguf/cpu"], id="chains of the formats asked for only"),
        pytest.param({"formats": ("apr",)}, "gguf", "F-CONV-?-?/*/cpu", ["F-CONV-G-A/gguf-apr/cpu", "F-CONV-A-G/apr-gguf/cpu"], id="the source's format counts as asked for"),
        pytest.param({"modalities": ("chat",)}, "gguf", "F-A?-001/apr/*", ["F-A3-001/apr/cpu", "F-A4-001/apr/gpu"], id="a modality"),
        pytest.param({"modalities": ("run", "serve"), "backends": ("gpu",)}, "gguf", "F-A?-001/apr/*", ["F-A2-001/apr/gpu", "F-A6-001/apr/gpu"], id="gates about one backend"),
        pytest.param({"tier": "mvp", "backends": ("cpu",)}, "gguf", "F-PERF-*", ["F-PERF-001/apr/cpu", "F-PERF-001/safetensors/cpu"], id="a gate of higher tiers"),
        pytest.param({"gates": ("F-CONV-RT-*", "!*/gpu", "!F-CONV-RT-BYTE-001")}, "gguf", "*", [
            "F-CONV-RT-001/gguf-apr-safetensors-gguf/cpu", "F-CONV-RT-002/safetensors-apr-gguf-safetensors/cpu",
            "F-CONV-RT-003/safetensors-apr-gguf-apr-safetensors/cpu", "F-CONV-RT-004/safetensors-apr-gguf-apr/cpu",
        ], id="the playbook's own globs"),
    ),
)  # fmt: skip
def test_a_plan_holds(changes: dict[str, Any], source: str, glob: str, expected: list[str]) -> None:
    assert ids(planned(quick(**changes), source, gates=[glob])) == expected


def test_one_format_leaves_no_conversion() -> None:
    found = planned(quick(formats=("safetensors",), backends=("cpu",)), "safetensors")
    assert {ALL[item.cell.gate].family for item in found.cells} == {"gateways"}


def test_comparing_backends_wants_both() -> None:
    assert "F-BACKEND-001/gguf" in ids(planned(quick()))
    assert "F-BACKEND-001/gguf" not in ids(planned(quick(backends=("cpu",))))


def test_what_the_toolchain_cannot_do_is_planned_with_its_reason() -> None:
    def unsupported(source: str, target: str) -> str | None:
        return "it writes no apr" if target == "apr" else None

    found = planned(quick(backends=("cpu",)), toolchain_unsupported=unsupported)
    by_id = {item.cell.id: item.skip for item in found.cells}
    assert (
        by_id["F-CONV-G-A/gguf-apr/cpu"]
        == by_id["F-CONV-RT-002/safetensors-apr-gguf-safetensors/cpu"]
        == "it writes no apr"
    )
    assert by_id["G1-LOAD/apr/cpu"] == "it writes no apr"  # a single file of another format is its result
    # the trusted file a chain starts from is not of its making
    assert (
        by_id["F-CONV-A-G/apr-gguf/cpu"]
        is by_id["G1-LOAD/gguf/cpu"]
        is by_id["F-CONV-G-S/gguf-safetensors/cpu"]
        is None
    )


@pytest.mark.parametrize(
    ("gates", "words"),
    (
        (["F-CONV-G-B"], "--gates: 'F-CONV-G-B' matches no gate or cell of this plan (nearest: F-CONV-G-S, F-CONV-G-A, F-CONV-S-G)"),
        (["F-*", "zzzz"], "--gates: 'zzzz' matches no gate or cell of this plan (`requalify gates` lists them)"),
    ),
)  # fmt: skip
def test_a_glob_that_matches_nothing_is_a_mistake(gates: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        planned(quick(), gates=gates)
    assert str(caught.value) == words


def test_the_playbooks_own_globs_must_match_as_well() -> None:
    for glob in ("F-NONE", "!F-NONE"):
        with pytest.raises(UserError, match="gates: 'F-NONE' matches no gate"):
            planned(quick(gates=("*", glob)))


def test_a_plan_without_what_the_playbook_asks_for_is_refused() -> None:
    book = quick(gates=("*", "!G4-VALID"), wanted=("G4-VALID",))
    with pytest.raises(UserError, match="the playbook asks for G4-VALID but plans no such gate"):
        planned(book)
    # narrowing on the command line is the user's own choice
    assert ids(planned(quick(wanted=("G4-VALID",)), gates=["G0-LAYOUT-001/gguf"])) == ["G0-LAYOUT-001/gguf"]
