"""What the command says of a model of one's own, and that it would notice a cause named wrongly."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from bot.cli.selftest import command
from bot.errors import UserError
from bot.formats import open_checkpoint
from bot.formats.names import expected
from bot.formats.view import canonical
from bot.toolchains import specimen
from bot.triage import selftest

CAUSES = ("ROPE-001", "LAYOUT-002", "VALUE-008", "META-001", "TOK-006", "FILE-001", "LAYOUT-005", "DTYPE-003")


def run(*words: str) -> tuple[int, dict]:
    done = CliRunner().invoke(command, [*words, "--json"], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value, json.loads(done.stdout)


def plants(causes: tuple[str, ...] = CAUSES) -> list[str]:
    return [word for cause in causes for word in ("--plant", cause)]


def test_every_cause_planted_in_the_models_it_writes_is_named() -> None:
    code, said = run(*plants())
    assert code in {0, None}, said
    assert said["summary"] == {"planted": len(CAUSES), "right": len(CAUSES), "not_plantable": []}
    assert {row["planted"]: row["named"] for row in said["confusion"] if row["planted"] != "DTYPE-003"} == {
        cause: cause for cause in CAUSES if cause != "DTYPE-003"
    }


def test_a_model_of_ones_own_says_what_could_not_be_planted(tmp_path: Path) -> None:
    model = specimen.write(tmp_path / "mine", "qwen2")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in model.iterdir())
    _, said = run("--model", str(model), *plants(("LAYOUT-005", "ROPE-003")))
    assert said["summary"]["not_plantable"] == ["LAYOUT-005"]
    assert [row["named"] for row in said["confusion"]] == ["ROPE-003"]
    assert sorted((path.name, path.stat().st_mtime_ns) for path in model.iterdir()) == before


def test_a_cause_named_wrongly_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiments on rotary rows taken away, the rows that did not move are something else."""
    from bot.triage import engine
    from bot.triage.experiments import rotary

    monkeypatch.setattr(engine, "FAMILIES", [family for family in engine.FAMILIES if family.moves is not rotary.moves])
    code, said = run(*plants(("ROPE-001",)))
    assert code == 1
    assert said["confusion"][0]["right"] is False
    assert said["confusion"][0]["named"] == "UNKNOWN-001"


def test_nothing_planted_is_no_success(tmp_path: Path) -> None:
    model = specimen.write(tmp_path / "mine", "llama")
    assert run("--model", str(model), *plants(("LAYOUT-005",)))[0] == 4


@pytest.mark.parametrize("words", [["--plant", "LAYOUT-999"], ["--model", "nowhere.gguf"]])
def test_mistakes_of_the_user_are_named(words: list[str]) -> None:
    done = CliRunner().invoke(command, words, standalone_mode=False)
    assert isinstance(done.exception, UserError)


@pytest.mark.parametrize("architecture", sorted(specimen.ARCHITECTURES))
def test_a_specimen_is_a_whole_model_of_random_weights(tmp_path: Path, architecture: str) -> None:
    one, other = (specimen.write(tmp_path / name, architecture, seed) for name, seed in (("a", 0), ("b", 1)))
    view = canonical(open_checkpoint(one))
    assert view.architecture == architecture
    assert set(expected(architecture, specimen.LAYERS, specimen.EXPERTS)) <= set(view.tensors)
    weights, others = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert all(not np.array_equal(values, others[name]) for name, values in weights.items())
    assert (
        specimen.write(tmp_path / "again", architecture).joinpath("model.safetensors").read_bytes()
        == (one / "model.safetensors").read_bytes()
    )


def test_trials_are_graded_by_the_first_cause_named() -> None:
    trial = selftest.Trial(planted="ROPE-001", target="gguf", found=("ROPE-002", "ROPE-001"), defects=("ROPE-002",))
    assert trial.right is False
    assert selftest.Trial(planted="ROPE-001", target="gguf", found=("ROPE-001", "META-001")).right is True
    assert selftest.Trial(planted="ROPE-001").right is None
    assert (
        selftest.Trial(planted="DTYPE-003", target="gguf", found=("DTYPE-003", "ROPE-001"), defects=("ROPE-001",)).right
        is False
    )
