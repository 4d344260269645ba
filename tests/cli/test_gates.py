"""`requalify gates`: listed, explained, and the nearest one when there is none."""
# ruff: noqa: E501 - a table row reads best on one line

import json
from typing import Any

import pytest

from bot.cli import main
from bot.gates import ALL


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(argv)
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def test_every_gate_is_listed(shell: Any) -> None:
    code, out, _ = shell("gates")
    assert code == 0
    assert [gate for gate in ALL if gate not in out] == []


def test_the_list_as_json(shell: Any) -> None:
    code, out, _ = shell("gates", "--json")
    told = json.loads(out)["gates"]
    assert code == 0
    assert [gate["id"] for gate in told] == list(ALL)
    assert all(gate["title"] and gate["definition"] == ALL[gate["id"]].definition for gate in told)


def test_a_gate_is_explained(shell: Any) -> None:
    code, out, _ = shell("gates", "explain", "f-a3-001")
    assert code == 0
    assert out.startswith(f"F-A3-001\n\n{ALL['F-A3-001'].text}\n")
    facts = dict(line.strip().split(":", 1) for line in out.splitlines() if line.startswith("  "))
    assert {name: value.strip() for name, value in facts.items()} == {
        "severity": "P1", "family": "inference", "judges": "each result, on cpu, asked by chat", "needs": "generation, reference",
        "definition": ALL["F-A3-001"].definition,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "judges"),
    (
        ("F-CONV-RT-001", "gguf to apr to safetensors to gguf, on each backend"),
        ("F-BACKEND-001", "the source, needs both backends"),
        ("G0-LAYOUT-001", "each format"),
        ("F-PERF-001", "each result, on each backend, in tiers full and mvp"),
    ),
)
def test_what_a_gate_judges(shell: Any, name: str, judges: str) -> None:
    assert f"judges:     {judges}\n" in shell("gates", "explain", name)[1]


@pytest.mark.parametrize("argv", (("gates", "explain", "G1-LOAD", "--json"), ("gates", "--json", "explain", "G1-LOAD")))
def test_one_gate_as_json(shell: Any, argv: tuple[str, ...]) -> None:
    told = json.loads(shell(*argv)[1])
    assert (told["id"], told["needs"], told["severity"]) == ("G1-LOAD", ["load"], "P0")


def test_a_glob_explains_several(shell: Any) -> None:
    code, out, _ = shell("gates", "explain", "F-CONV-RT-00?")
    assert (code, out.count("definition:")) == (0, 4)


@pytest.mark.parametrize(
    ("name", "words"),
    (
        ("F-CONV-G-B", "error: no gate 'F-CONV-G-B' (nearest: F-CONV-G-S, F-CONV-G-A, F-CONV-S-G)\n"),
        ("%%%", "error: no gate '%%%' (`requalify gates` lists them)\n"),
    ),
)
def test_no_such_gate(shell: Any, name: str, words: str) -> None:
    assert shell("gates", "explain", name) == (2, "", words)
