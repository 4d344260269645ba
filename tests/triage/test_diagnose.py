"""diagnose end to end: clean conversions, other checkpoints, odd sizes, hops of chains, and what is printed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from triage.families import defects, named, planted

from bot import cli
from bot.journal import Header, Journal
from bot.records import Cell, Confidence, Outcome, Severity, Verdict
from bot.suite import pairs as tested
from bot.toolchains.conversion import convert
from bot.toolchains.plants import parse
from bot.triage import conclude, hypotheses
from bot.triage.investigate import diagnose, explain

Model = Callable[[str], Path]
NAMES = {"gguf": "m.gguf", "apr": "m.apr", "safetensors": "folder"}
PAIRS = [(a, b) for a in NAMES for b in NAMES if a != b]


def changed(source: Path, folder: Path, change: Callable[[str, Any], Any]) -> Path:
    shutil.copytree(source, folder)
    tensors = {name: change(name, values) for name, values in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("arch", ["llama", "qwen2", "gemma3", "gpt2", "mixtral", "phi3"])
def test_right_conversions_of_all_six_pairs_raise_no_alarm(arch: str, model: Model, tmp_path: Path) -> None:
    sources = {"safetensors": model(arch)}
    for fmt in ("gguf", "apr"):
        sources[fmt] = tmp_path / f"source.{fmt}"
        convert(model(arch), sources[fmt])
    for a, b in PAIRS:
        result = tmp_path / f"{a}-{b}-{NAMES[b]}"
        convert(sources[a], result)
        found = diagnose(sources[a], result)
        assert (defects(found), found.unexplained) == ([], ()), (a, b)
        assert found.verdict in ({"equal"} if arch not in {"gemma3", "gpt2"} else {"equal", "within-budget"})


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("arch", ["llama-tied", "qwen3"])
def test_lossy_conversions_are_within_budget_and_say_of_what(
    arch: str, dtype: str, model: Model, tmp_path: Path
) -> None:
    for target in ("gguf", "apr") if dtype in {"f16", "bf16"} else ("gguf",):
        convert(model(arch), tmp_path / f"m.{target}", dtype=dtype)
        found = diagnose(model(arch), tmp_path / f"m.{target}")
        assert (found.verdict, defects(found)) == ("within-budget", [])
        assert [finding.id for finding in found.findings] == ["QUANT-008"]
        assert defects(diagnose(model(arch), tmp_path / f"m.{target}", asked=dtype)) == []
        # who asked for no loss has another opinion
        assert defects(diagnose(model(arch), tmp_path / f"m.{target}", asked="")) == ["DTYPE-007"]


def test_another_checkpoint_is_one_verdict_and_no_list_of_broken_tensors(model: Model, tmp_path: Path) -> None:
    other = tiny.hf(tmp_path / "other", "llama", seed=7)
    convert(other, tmp_path / "other.gguf", dtype="q8_0")
    trained = changed(
        model("llama"), tmp_path / "trained",
        lambda _, v: (v + np.random.default_rng(1).normal(0, 0.1 * v.std(), v.shape)).astype(v.dtype),
    )  # fmt: skip
    wide = tiny.hf(tmp_path / "wide", "llama", seed=3, hidden_size=128)
    gpt2 = tiny.hf(tmp_path / "gpt2", "gpt2", seed=5)
    gemma = tiny.hf(tmp_path / "gemma", "gemma3", seed=5)
    for result in (other, tmp_path / "other.gguf", trained, wide, gpt2, gemma):
        found = diagnose(model("llama"), result)
        assert found.verdict == "different-checkpoint", result.name
        assert [finding.id for finding in found.findings] == ["VALUE-009"]
        assert found.unexplained == ()


def test_training_that_left_the_norms_alone_is_another_checkpoint_too(model: Model, tmp_path: Path) -> None:
    noise = np.random.default_rng(2)
    trained = changed(
        model("llama"), tmp_path / "trained",
        lambda _, v: (v + noise.normal(0, 0.05 * v.std(), v.shape)).astype(v.dtype) if v.ndim > 1 else v,
    )  # fmt: skip
    assert diagnose(model("llama"), trained).verdict == "different-checkpoint"


def test_what_nothing_restores_stays_and_says_what_was_tried(model: Model, tmp_path: Path) -> None:
    lost = "model.layers.1.mlp.down_proj.weight"
    noise = np.random.default_rng(3)
    broken = changed(
        model("llama"), tmp_path / "b",
        lambda name, v: noise.normal(0, v.std(), v.shape).astype(v.dtype) if name == lost else v,
    )  # fmt: skip
    found = diagnose(model("llama"), broken)
    assert (found.verdict, defects(found), found.unexplained) == ("faulty", ["UNKNOWN-001"], (lost,))
    assert "causes tried" in named(found, "UNKNOWN-001").evidence_for[0]
    assert named(found, "UNKNOWN-001").confidence is Confidence.LOW


def test_numbers_that_are_none_and_tensors_of_size_zero(model: Model, tmp_path: Path) -> None:
    nan = changed(model("llama"), tmp_path / "nan", lambda _, v: np.full_like(v, np.nan))
    assert diagnose(model("llama"), nan).verdict == "faulty"

    def with_empty(folder: str) -> Path:
        made = changed(model("llama"), tmp_path / folder, lambda _, v: v)
        tensors = load_file(made / "model.safetensors")
        save_file({**tensors, "model.layers.0.mlp.empty": np.zeros((0, 4), np.float32)}, made / "model.safetensors")
        return made

    assert diagnose(with_empty("a"), with_empty("b")).verdict == "equal"
    assert defects(diagnose(model("llama"), with_empty("c"))) == ["NAME-003"]


def test_one_layer_and_a_hundred(tmp_path: Path) -> None:
    for layers in (1, 100):
        small = {"num_hidden_layers": layers, "hidden_size": 32, "intermediate_size": 48}
        source = tiny.hf(tmp_path / f"a{layers}", "llama", **small)
        assert defects(planted(source, tmp_path, "gguf", "META-001")) == ["META-001"]
        found = planted(source, tmp_path, "gguf", "LAYOUT-002")
        assert defects(found) == ["LAYOUT-002"]
        assert named(found, "LAYOUT-002").explained == named(found, "LAYOUT-002").suspect >= 7 * layers - 2
        other = tiny.hf(tmp_path / f"b{layers}", "llama", seed=9, **small)
        assert diagnose(source, other).verdict == "different-checkpoint"


def test_planes_do_not_hide_each_other(model: Model, tmp_path: Path) -> None:
    found = planted(model("llama"), tmp_path, "gguf", "LAYOUT-002:*o_proj*", "ROPE-005", "TOK-006", "NAME-008")
    assert set(defects(found)) == {"LAYOUT-002", "ROPE-005", "TOK-006", "NAME-008"}
    assert all(named(found, cause).confidence is Confidence.HIGH for cause in defects(found))


def test_the_hop_that_broke_a_chain_is_found_and_all_gates_are_one_finding(model: Model, tmp_path: Path) -> None:
    stations = (tmp_path / "s.gguf", tmp_path / "s.apr", tmp_path / "folder", tmp_path / "end.gguf")
    convert(model("llama"), stations[0])
    convert(stations[0], stations[1])
    convert(stations[1], stations[2], plants=[parse("LAYOUT-002"), parse("TOK-006")])
    convert(stations[2], stations[3])
    chains = [("gguf", "apr"), ("gguf", "apr", "safetensors"), ("gguf", "apr", "safetensors", "gguf")]
    cells = tuple(Cell(gate="F-CONV-G-A", chain=chain, variant=str(i)) for i, chain in enumerate(chains))
    broken = {"severity": Severity.P0, "outcome": Outcome.FALSIFIED, "reason": "", "tensors": {"differ": 1}}
    verdicts = tuple(Verdict(gate=cell.gate, cell=cell, **broken) for cell in cells)  # type: ignore[arg-type]
    pairs = [
        tested.TestedPair(name="-".join(cell.chain), source=stations[0], result=stations[len(cell.chain) - 1],
                   stations=stations[: len(cell.chain)], cells=(cell.id,))
        for cell in cells
    ]  # fmt: skip
    header = Header(
        playbook="p", playbook_sha256="0", tier="quick", model="m", toolchain="t", commit=None, started="",
        environment={}, cells=cells,
    )  # fmt: skip
    found = tuple(explain(pairs, Journal(header, (), (), True, False), verdicts))
    standing = {item.pair for item in found if item.cause == "LAYOUT-002" and item.data["stands"]}
    assert standing == {pair.name for pair in pairs[1:]}
    layout = next(
        f for f in conclude.findings(Journal(header, (), found, True, False), verdicts)[0] if f.id == "LAYOUT-002"
    )
    assert layout.hop == "apr-safetensors"
    assert list(layout.gates) == [cell.id for cell in cells[1:]]


def invoke(*argv: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.group, list(argv))
    return done.exit_code, done.stdout


def test_what_diagnose_prints(model: Model, tmp_path: Path) -> None:
    result = tmp_path / "a b" / "m.gguf"
    result.parent.mkdir()
    convert(model("llama"), result, plants=[parse("LAYOUT-002"), parse("META-001")])
    code, out = invoke("diagnose", str(model("llama")), str(result), "--json")
    made = json.loads(out)
    assert (code, made["verdict"], made["unexplained"]) == (1, "faulty", [])
    first, second = made["causes"]
    assert (first["id"], first["slug"], first["confidence"], first["kind"]) == (
        "LAYOUT-002",
        "data-transposed",
        "HIGH",
        "defect",
    )
    assert first["explained"] == first["suspect"] == len(first["tensors"]) == 14
    assert first["residual_before"] > 1 and first["residual_after"] == 0
    assert {"ROPE-001", "LAYOUT-001"} & set(first["refuted"])
    assert (second["id"], second["residual_before"]) == ("META-001", None)
    for argv in first["commands"]:
        code, _ = invoke(*argv[1:])
        assert code in {0, 1}, argv
    code, out = invoke("diagnose", str(model("llama")), str(result))
    assert code == 1 and "LAYOUT-002 data-transposed (HIGH)" in out and "faulty" in out
    convert(model("llama"), tmp_path / "right.apr")
    assert json.loads(invoke("diagnose", str(model("llama")), str(tmp_path / "right.apr"), "--json")[1]) == {
        "verdict": "equal", "causes": [], "unexplained": [],
    }  # fmt: skip


def test_commands_of_every_cause_are_understood() -> None:
    values = {"a": "a.gguf", "b": "b.apr", "tensor": "model.norm.weight"}
    for cause in hypotheses.ALL.values():
        assert cause.CLAIM and cause.PREDICTS and cause.REFUTED_IF and cause.FIX_HINT and cause.PLANES
        for argv in cause.COMMANDS:
            program, *rest = (word.format_map(values) for word in argv)
            if program == "requalify":
                verb, *rest = rest
                command = cli.group.get_command(None, verb)  # type: ignore[arg-type]
                assert command is not None, argv
                command.make_context(verb, rest)


def test_causes_are_listed_and_explained() -> None:
    listed = json.loads(invoke("causes", "--json")[1])["causes"]
    assert [cause["id"] for cause in listed] == list(hypotheses.ALL)
    assert json.loads(invoke("causes", "explain", "data-transposed", "--json")[1])["id"] == "LAYOUT-002"
    assert "LAYOUT-002" in invoke("causes")[1]
    text = invoke("causes", "explain", "meta-*")[1]
    assert all(f"META-00{n}" in text for n in range(1, 10))
