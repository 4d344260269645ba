"""`requalify run`, whole, on a tiny model: what it writes, what it says, and how it ends."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from click.testing import CliRunner, Result

from bot import journal
from bot.cli.run import command
from bot.errors import Exit
from bot.records import Outcome
from bot.toolchains import conversion
from bot.triage.judge import Judgement, judge

PLAYBOOK = """\
name: tiny-quick
version: "1.0.0"
tier: quick
model:
  name: tiny/llama
  formats: [gguf, apr, safetensors]
toolchain: reference
backends: [cpu, gpu]
modalities: [run]
failure_policy: {policy}
"""
DIRECT = {"F-CONV-G-A", "F-CONV-A-G", "F-CONV-G-S", "F-CONV-S-G", "F-CONV-A-S", "F-CONV-S-A"}
CHAINS = {f"F-CONV-RT-00{n}" for n in range(1, 5)} | {
    "F-CONV-RT-BYTE-001", "F-CONV-IDEM-001", "F-CONV-COM-001", "F-GOLDEN-RULE-001",
}  # fmt: skip
# no model is run for these
QUICK = ("G0-*", "F-CONV-CARD-*", "F-CONV-IDEM-*", "F-CONV-COM-*", "F-CONV-RT-BYTE-*")


class Bench:
    """A tiny model with a playbook, and the command on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.model = folder, folder / "models" / "tiny.gguf"
        self.model.parent.mkdir()
        conversion.convert(tiny.hf(folder / "hf", "llama", hidden_size=64), self.model)
        self.book()

    def book(self, policy: str = "collect_all") -> Path:
        path = self.folder / f"{policy}.playbook.yaml"
        path.write_text(PLAYBOOK.format(policy=policy))
        return path

    def argv(self, out: str, *more: str, gates: tuple[str, ...] = (), policy: str = "collect_all") -> list[str]:
        globs = [word for glob in gates for word in ("--gates", glob)]
        return [
            str(self.book(policy)), "--model", str(self.model), "--out", str(self.folder / out), *globs, *more,
        ]  # fmt: skip

    def run(self, out: str, *more: str, gates: tuple[str, ...] = (), policy: str = "collect_all") -> Result:
        return CliRunner().invoke(command, self.argv(out, *more, gates=gates, policy=policy), catch_exceptions=False)

    def judged(self, out: str) -> Judgement:
        return judge(journal.read(self.folder / out))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def outcomes(judged: Judgement) -> dict[str, set[Outcome]]:
    found: dict[str, set[Outcome]] = {}
    for verdict in judged.verdicts:
        found.setdefault(verdict.gate, set()).add(verdict.outcome)
    return found


def test_a_sound_converter_holds_everywhere_and_every_report_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = bench.folder / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # no nvidia-smi
    before = bench.model.read_bytes()
    done = bench.run("sound")
    judged = bench.judged("sound")
    assert done.exit_code == Exit.HELD, done.output
    broken = {v.cell.id: v.reason for v in judged.verdicts if v.outcome not in {Outcome.CORROBORATED, Outcome.SKIPPED}}
    assert not broken
    assert {gate for gate, seen in outcomes(judged).items() if Outcome.CORROBORATED in seen} >= DIRECT | CHAINS
    gpu = [v for v in judged.verdicts if v.cell.backend == "gpu"]
    assert gpu
    assert all(v.outcome is Outcome.SKIPPED and "nvidia-smi" in v.reason for v in gpu)
    assert judged.score.mqs == 1000
    assert "quick" in judged.score.note
    names = {path.name for path in (bench.folder / "sound").iterdir()}
    assert names == {"evidence.jsonl", "verdicts.json", "report.md", "report.html", "junit.xml"}
    assert bench.model.read_bytes() == before
    assert [path.name for path in bench.model.parent.iterdir()] == ["tiny.gguf"]
    assert "tiny-quick" in summary.read_text()


def test_evidence_says_how_it_came_about(bench: Bench) -> None:
    if not (bench.folder / "sound").exists():
        bench.run("sound")
    found = journal.read(bench.folder / "sound")
    facts = journal.by_cell(found.evidence)["F-CONV-RT-001/gguf-apr-safetensors-gguf/cpu"]["tensors"].provenance
    assert [hop["hop"] for hop in facts["conversions"]] == ["gguf-apr", "apr-safetensors", "safetensors-gguf"]
    for hop in facts["conversions"]:
        assert hop["argv"][:4] == [sys.executable, "-m", "bot", "convert"]
        assert hop["toolchain"] == "reference"
        assert len(hop["source_sha256"]) == len(hop["result_sha256"]) == 64
    assert facts["conversions"][0]["result_sha256"] == facts["conversions"][1]["source_sha256"]
    assert facts["conversions"][-1]["result_sha256"] == facts["result_sha256"]
    assert {"commit", "seed", "versions", "backend", "seconds"} <= set(facts)
    assert found.header.environment["torch"]
    assert found.header.request["model_sha256"] == facts["source_sha256"]
    assert found.complete


def test_planted_defects_are_falsified_and_a_planted_path_bug_is_an_error(bench: Bench) -> None:
    done = bench.run("planted", "--plant", "LAYOUT-002", "--plant", "PATH-001")
    judged, seen = bench.judged("planted"), outcomes(bench.judged("planted"))
    assert done.exit_code == Exit.FALSIFIED
    for gate in DIRECT:
        assert Outcome.FALSIFIED in seen[gate]
        assert Outcome.CORROBORATED not in seen[gate]
    for gate in CHAINS:
        assert seen[gate] - {Outcome.SKIPPED} == {Outcome.ERROR}
    failure = next(item for item in judged.journal.evidence if item.kind == "failure")
    assert "without a model" in failure.data["stderr_tail"]
    assert failure.data["stage"].startswith("convert ")
    assert failure.data["exit_code"] == Exit.USER
    issues = sorted(path.name for path in (bench.folder / "planted").glob("issue-*.md"))
    assert issues == ["issue-LAYOUT-002.md"]
    assert str(bench.folder / "planted" / "issue-LAYOUT-002.md") in done.stdout
    assert judged.score.status == "BLOCKED"
    assert not (bench.folder / "planted" / ".work").exists()
    commands = investigation((bench.folder / "planted" / "issue-LAYOUT-002.md").read_text())
    assert {"mkdir", "convert", "diagnose", "diff", "run", "causes"} <= {verb(argv) for argv in commands}
    for argv in commands:
        assert run_as_printed(argv) in {Exit.HELD, Exit.FALSIFIED}, argv


def investigation(issue: str) -> list[list[str]]:
    """The commands an issue asks its reader to run."""
    block = issue.partition("## Investigation Commands")[2].partition("```bash\n")[2].partition("```")[0]
    return [shlex.split(line) for line in block.splitlines() if line and not line.startswith("#")]


def verb(argv: list[str]) -> str:
    return argv[1] if argv[0] == "requalify" else argv[0]


def run_as_printed(argv: list[str]) -> int:
    if argv[0] == "requalify":
        # the run itself is planned only: it was run a moment ago
        return requalify(*argv[1:], *(["--dry-run"] if argv[1] == "run" else [])).returncode
    return subprocess.run(argv, check=False).returncode


def test_the_plan_is_printed_and_nothing_is_run(bench: Bench) -> None:
    told = json.loads(bench.run("dry", "--dry-run", "--json", "--backend", "cpu").stdout)
    gates = {cell["gate"] for cell in told["cells"]}
    assert gates >= DIRECT | CHAINS
    assert not any("/gpu" in cell["id"] for cell in told["cells"])
    assert not (bench.folder / "dry").exists()
    assert "cells, " in bench.run("dry", "--dry-run").stdout


def test_fail_fast_stops_at_the_first_falsified_gate_and_leaves_diagnostics(bench: Bench) -> None:
    gates = ("G0-FORMAT-*", "F-CONV-IDEM-*", "F-INSPECT-META-001", "F-CONV-CARD-001")
    done = bench.run("fast", "--plant", "META-001", "--fail-fast", gates=gates)
    assert done.exit_code == Exit.FALSIFIED
    counts = [verdict.outcome for verdict in bench.judged("fast").verdicts]
    assert counts.count(Outcome.FALSIFIED) == 1
    assert Outcome.NO_EVIDENCE in counts
    (folder,) = (bench.folder / "fast" / "diagnostics").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "verdict.json", "evidence.jsonl", "environment.json", "files.json", "repeat.sh",
    }  # fmt: skip
    assert "--plant META-001" in (folder / "repeat.sh").read_text()
    assert all(station["sha256"] for station in json.loads((folder / "files.json").read_text()))


def test_stop_on_p0_goes_on_after_a_p1(bench: Bench) -> None:
    """Metadata is P1: the policy lets it pass, and stops at nothing else."""
    gates = ("F-INSPECT-META-001", "F-CONV-CARD-001")
    bench.run("p0", "--plant", "META-001", gates=gates, policy="stop_on_p0")
    counts = [verdict.outcome for verdict in bench.judged("p0").verdicts]
    assert counts.count(Outcome.FALSIFIED) > 1
    assert Outcome.NO_EVIDENCE not in counts


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--gates", "NO-SUCH-*"), "matches no gate"),
        (("--plant", "NO-SUCH"), "cannot be planted"),
        (("--toolchain", "nothing"), "no toolchain is called 'nothing'"),
        (("--shard", "3/2"), "no part of a plan"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(bench: Bench, more: tuple[str, ...], words: str) -> None:
    done = requalify("run", *bench.argv("wrong", *more))
    assert done.returncode == Exit.USER
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bench.folder / "wrong").exists()


def test_a_broken_source_is_the_users_mistake(bench: Bench) -> None:
    broken = bench.folder / "broken.gguf"
    broken.write_bytes(bench.model.read_bytes()[:200])
    done = requalify("run", str(bench.book()), "--model", str(broken), "--out", str(bench.folder / "wrong"))
    assert done.returncode == Exit.USER
    assert "broken.gguf" in done.stderr
    assert not (bench.folder / "wrong" / "verdicts.json").exists()


def test_results_never_go_beside_the_model(bench: Bench) -> None:
    done = requalify("run", str(bench.book()), "--model", str(bench.model), "--out", str(bench.model.parent))
    assert done.returncode == Exit.USER
    assert [path.name for path in bench.model.parent.iterdir()] == ["tiny.gguf"]


def requalify(*argv: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bot", *argv], capture_output=True, text=True, check=False, env=child_environment()
    )


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@pytest.mark.parametrize(("number", "exits"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_run_goes_on_where_it_stopped(bench: Bench, number: signal.Signals, exits: int) -> None:
    out = bench.folder / f"cut-{number.name}"
    argv = [sys.executable, "-m", "bot", "run", *bench.argv(out.name, gates=QUICK)]
    process = subprocess.Popen(
        argv, env=child_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
        # tests started in the background are deaf to an interrupt, and so would be their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    path = out / journal.NAME
    while process.poll() is None and not (path.exists() and path.read_bytes().count(b'"evidence"') >= 8):
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=60) == exits
    before = journal.read(out)
    assert 8 <= len(before.evidence) < len(before.header.cells)
    assert not before.complete
    done = bench.run(out.name, "--resume", gates=QUICK)
    after = journal.read(out)
    assert done.exit_code == Exit.HELD, done.output
    assert after.evidence[: len(before.evidence)] == before.evidence
    assert after.complete
    cells = [item.cell for item in after.evidence]
    assert len(cells) == len(set(cells)) == len(after.header.cells)  # each of these gates takes one kind


def test_resume_refuses_the_journal_of_another_run(bench: Bench) -> None:
    bench.run("other", gates=("G0-FORMAT-GGUF",))
    done = requalify("run", *bench.argv("other", "--resume", gates=("G0-LAYOUT-001",)))
    assert done.returncode == Exit.USER
    assert "another run" in done.stderr
