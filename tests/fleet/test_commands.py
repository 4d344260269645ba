"""`requalify plan` and `requalify merge` as a shell calls them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fleet.plans import book, journal, planned

from bot import journal as journals
from bot.cli import main
from bot.gates import ALL
from bot.playbook import load, plan, shard

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in argv])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def ours() -> list[Path]:
    return sorted(PLAYBOOKS.glob("*.playbook.yaml"))


def test_a_matrix_names_what_run_then_does(shell: Any) -> None:
    code, out, err = shell("plan", *ours(), "--shards", 3, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    entries = json.loads(out)["include"]
    assert [(entry["job"], entry["jobs"]) for entry in entries] == [(1, 3), (2, 3), (3, 3)]
    cells: dict[str, list[str]] = {}
    for run in (run for entry in entries for run in entry["runs"]):
        whole = plan(
            load(Path(run["playbook"])), source="gguf", known=ALL.values(), backends_missing={"gpu": "none here"}
        )
        part, parts = map(int, run["shard"].split("/"))
        cells.setdefault(run["name"], []).extend(item.cell.id for item in shard(whole, part, parts).cells)
    assert {name: (len(found), len(set(found))) for name, found in cells.items()} == {
        "smollm2-135m-quick": (106, 106),
        "qwen2.5-coder-0.5b-quick": (106, 106),
    }


def test_people_see_a_table_on_stderr(shell: Any) -> None:
    code, out, err = shell("plan", ours()[0])
    assert code == 0
    assert json.loads(out)["include"][0]["shard"] == "1/1"
    assert "qwen2.5-coder-0.5b-quick" in err


def test_costs_of_earlier_runs_are_used(shell: Any, tmp_path: Path) -> None:
    book = load(ours()[0])
    run = journal(tmp_path / "run", shard(planned(book), 1, 1), seconds=10.0)
    _, out, _ = shell("plan", ours()[0], "--costs", run, "--json")
    assert json.loads(out)["include"][0]["seconds"] == 1060


@pytest.mark.parametrize(
    ("argv", "words"),
    (
        (["--shards", "257"], "257 is not in the range 1<=x<=256"),
        (["--gpu-memory", "lots"], "'lots' is no size such as 24GiB"),
        (["--gpu-memory", "1GiB"], "GiB of GPU memory, a runner has 1.0 GiB"),
        (["--costs", "nowhere.json"], "nowhere.json: cannot be read"),
        ([str(ours()[0])], "given twice (a matrix runs every playbook once)"),
    ),
)
def test_plan_refuses(shell: Any, argv: Sequence[str], words: str) -> None:
    code, out, err = shell("plan", *ours(), *argv)
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())


@pytest.mark.parametrize("name", ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m-instruct", "smollm2-135m-quick"))
def test_only_the_models_asked_for(shell: Any, name: str) -> None:
    _, out, _ = shell("plan", *ours(), "--model", name, "--json")
    assert [run["name"] for entry in json.loads(out)["include"] for run in entry["runs"]] == ["smollm2-135m-quick"]


def test_a_model_nobody_plans(shell: Any) -> None:
    code, _, err = shell("plan", *ours(), "--model", "smollm2-135m-instrct")
    assert (code, err) == (
        2,
        "error: --model: no playbook is of 'smollm2-135m-instrct' (nearest: smollm2-135m-instruct)\n",
    )


def test_mistakes_of_all_playbooks_are_told_at_once(shell: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nmodle: 1\nmodel: {{name: o/m}}\n")
    code, out, err = shell("plan", tmp_path / "a.yaml", ours()[0], tmp_path / "b.yaml", tmp_path / "c.yaml")
    assert (code, out) == (2, "")
    assert [line.rpartition("/")[2][:9] for line in err.splitlines()] == ["a.yaml:2:", "b.yaml:2:", "c.yaml: n"]


def test_merged_shards_are_told(shell: Any, tmp_path: Path) -> None:
    whole = planned(book("p"), ["G0-*"])
    for number in (1, 2):
        journal(tmp_path / "artifacts" / f"evidence-{number}", shard(whole, number, 2))
    code, out, err = shell("merge", tmp_path / "artifacts", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out == f"{tmp_path}/out/evidence.jsonl: 2 of 2 shards, 18 of 18 cells\n"
    assert journals.read(tmp_path / "out").complete
    assert len(json.loads((tmp_path / "out" / "costs.json").read_text())["playbooks"]["p"]) == 18


def test_costs_of_earlier_runs_are_kept(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"schema": 1, "playbooks": {"p": {"gone": 9.0}, "q": {"a": 1.0}}}')
    journal(tmp_path / "a", shard(planned(book("p"), ["G0-LAYOUT-001/gguf"]), 1, 1), seconds=2.0)
    assert shell("merge", tmp_path / "a", "--out", tmp_path / "out", "--costs", tmp_path / "old.json")[0] == 0
    kept = json.loads((tmp_path / "out" / "costs.json").read_text())["playbooks"]
    assert kept == {"p": {"G0-LAYOUT-001/gguf": 2.0}, "q": {"a": 1.0}}
    assert shell("merge", tmp_path / "a", "--out", tmp_path / "new", "--costs", tmp_path / "none.json")[0] == 2
    assert not (tmp_path / "new").exists()


def test_a_missing_shard_ends_with_4(shell: Any, tmp_path: Path) -> None:
    whole = planned(book("p"), ["G0-*"])
    journal(tmp_path / "a", shard(whole, 2, 3), ended=False)
    code, out, _ = shell("merge", tmp_path / "a", "--out", tmp_path / "out")
    assert code == 4
    assert out.splitlines()[1:] == [
        "  missing: shard 1/3 of p",
        "  missing: shard 3/3 of p",
        "  cut short: shard 2/3 of p",
    ]
    code, out, _ = shell("merge", tmp_path / "a", "--out", tmp_path / "out", "--json")
    assert code == 4
    assert json.loads(out)["journals"][0]["missing"] == [1, 3]
    assert json.loads((tmp_path / "out" / "merge.json").read_text()) == json.loads(out)


def test_several_playbooks_want_a_word(shell: Any, tmp_path: Path) -> None:
    for name in ("p", "q"):
        journal(tmp_path / "in" / name, shard(planned(book(name), ["G0-LAYOUT-001"]), 1, 1))
    code, _, err = shell("merge", tmp_path / "in", "--out", tmp_path / "out")
    assert (code, "journals of 2 playbooks: p, q" in err) == (2, True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "matrix.json").write_text(json.dumps({"include": [{"runs": [{"name": n} for n in "pqr"]}]}))
    code, out, _ = shell(
        "merge", tmp_path / "in", "--out", tmp_path / "out", "--each", "--plan", tmp_path / "matrix.json"
    )
    assert (code, out.splitlines()[-1]) == (4, "missing: every shard of r")
    assert [journals.read(tmp_path / "out" / name).header.playbook for name in "pq"] == ["p", "q"]


def test_nothing_is_written_for_a_name_that_is_no_folder(shell: Any, tmp_path: Path) -> None:
    journal(tmp_path / "in", shard(planned(book("p"), ["G0-LAYOUT-001"]), 1, 1), playbook="../../p")
    code, _, err = shell("merge", tmp_path / "in", "--out", tmp_path / "out", "--each")
    assert (code, "is no name for a folder" in err) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ("none", "empty"))
def test_nothing_to_merge(shell: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = shell("merge", tmp_path / name, "--out", tmp_path / "out")
    assert code == 2
    assert {"none": "no such folder", "empty": "no journal in any of the folders"}[name] in err
