"""A run cut in shards and merged again is the run; a model that is not the one expected is refused first."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny

from bot import journal as journals
from bot.cli import main
from bot.gates import ALL
from bot.playbook import load, plan
from bot.reference.prompts import TEXTS
from bot.suite.runner import Options, Run
from bot.toolchains import conversion
from bot.triage.judge import judge

BOOK = """
name: tiny-quick
model: {name: tiny/llama, formats: [gguf, apr], expected_num_layers: LAYERS}
backends: [cpu]
gates: [G0-*, F-CONV-CARD-001, F-CONV-IDEM-001]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    conversion.convert(tiny.hf(folder / "hf", "llama"), folder / "tiny.gguf")
    return folder / "tiny.gguf"


def call(*argv: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in argv])
    return int(ended.value.code or 0)


def book(folder: Path, layers: int = 2) -> Path:
    path = folder / "tiny-quick.playbook.yaml"
    path.write_text(BOOK.replace("LAYERS", str(layers)))
    return path


def told(path: Path) -> dict[str, tuple[Any, ...]]:
    return {v.cell.id: (v.outcome, v.reason, v.diff) for v in judge(journals.read(path)).verdicts}


def test_shards_merged_are_the_run(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    path = book(tmp_path)
    assert call("run", path, "--model", model, "--out", tmp_path / "whole") == 0
    for number in (1, 2):
        out = tmp_path / "shards" / str(number)
        assert call("run", path, "--model", model, "--out", out, "--shard", f"{number}/2") == 0
    assert call("merge", tmp_path / "shards" / "1", "--out", tmp_path / "half") == 4
    assert call("merge", tmp_path / "shards", "--out", tmp_path / "all") == 0
    whole = told(tmp_path / "whole")
    assert told(tmp_path / "all") == whole
    assert list(told(tmp_path / "all")) == list(whole)
    half = told(tmp_path / "half")
    assert set(half) == set(whole)
    assert 0 < sum(outcome == "no-evidence" for outcome, _, _ in half.values()) < len(whole)
    # what the shards took balances the next matrix
    costs = json.loads((tmp_path / "all" / "costs.json").read_text())["playbooks"]["tiny-quick"]
    assert set(costs) == set(whole)


def test_another_model_than_expected_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", book(tmp_path, layers=24), "--model", model, "--out", tmp_path / "out") == 2
    assert (
        "num_hidden_layers is 2, not 24 (the playbook's model.expected_* name another model)" in capsys.readouterr().err
    )
    assert not (tmp_path / "out" / "evidence.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "texts"),
    (("prompt_limit: 2", TEXTS[:2]), ("prompts: [a, b, c]\nprompt_limit: 2", ("a", "b")), ("", TEXTS)),
)
def test_no_more_is_asked_than_the_playbook_allows(
    model: Path, tmp_path: Path, more: str, texts: tuple[str, ...]
) -> None:
    path = book(tmp_path)
    path.write_text(path.read_text() + more)
    whole = plan(load(path), source="gguf", known=ALL.values(), backends_missing={})
    with Run(whole, Options(model=model, out=tmp_path / "out")) as run:
        assert run.services.texts == texts
