"""The runner on converters that refuse, hang, crash, lie and litter."""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
from suite.plans import plan, playbook

from bot import journal
from bot.errors import UserError
from bot.gates import judge_all
from bot.playbook.model import Budgets, FailurePolicy, Plan
from bot.probes.once import Once
from bot.records import Outcome, Verdict
from bot.suite.admission import Admission, StoppedError
from bot.suite.runner import Options, Run
from bot.suite.workspace import check_space
from bot.toolchains import conversion

# gates that run no model, on one conversion
ONE = ("F-CONV-CARD-001",)
CONVERT = (
    f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
    "from bot.toolchains.conversion import convert\nfrom bot.toolchains.plants import parse\n"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    conversion.convert(tiny.hf(folder / "hf", "llama"), folder / "gguf.gguf")
    return folder / "gguf.gguf"


def tool(folder: Path, body: str) -> dict[str, Any]:
    """A toolchain of a Python script: `source` and `target` are its arguments."""
    script = folder / "tool.py"
    script.write_text(
        f"import os, pathlib, shutil, sys, time\nsource, target = map(pathlib.Path, sys.argv[1:3])\n{body}\n"
    )
    argv = [sys.executable, str(script), "{source}", "{target}"]
    return {
        "toolchain": "command",
        "toolchain_options": {"argv": argv, "version": [sys.executable, "--version"], "pairs": ["gguf-apr"]},
    }  # fmt: skip


def run(made: Plan, model: Path, out: Path, **options: Any) -> dict[str, Verdict]:
    with Run(made, Options(model=model, out=out, **options)) as it:
        it.measure()
        it.end()
    return {verdict.cell.id: verdict for verdict in judge_all(journal.read(out))}


def outcome_of(model: Path, folder: Path, body: str, **changes: Any) -> tuple[Verdict, dict[str, Any]]:
    """Run one conversion by a script; return the verdict and the evidence of its failure."""
    found = run(plan(*ONE, **tool(folder, body), **changes), model, folder / "out")
    evidence = journal.by_cell(journal.read(folder / "out").evidence)
    cell = "F-CONV-CARD-001/gguf-apr"
    return found[cell], dict(evidence[cell]["failure"].data) if "failure" in evidence[cell] else {}


@pytest.mark.parametrize(
    ("body", "outcome", "words"),
    [
        ("sys.exit('error: tensor 3 has no home')", Outcome.FALSIFIED, "tensor 3 has no home"),
        ("os.kill(os.getpid(), 11)", Outcome.CRASHED, "signal 11"),
        ("sys.exit(101)", Outcome.CRASHED, "exit code 101"),
        ("pass", Outcome.FALSIFIED, "wrote nothing"),
        ("target.write_bytes(b'APR' + bytes(10))", Outcome.FALSIFIED, "cannot be read"),
        ("target.write_bytes(b'')", Outcome.FALSIFIED, "cannot be read"),
        ("shutil.copy(source, target)", Outcome.FALSIFIED, "its bytes are GGUF"),
        ("sys.exit('OSError: [Errno 28] No space left on device')", Outcome.ERROR, "the machine ran out"),
        ("sys.exit(127)", Outcome.ERROR, "called wrongly"),
    ],
)
def test_what_a_converter_can_do_wrong(model: Path, tmp_path: Path, body: str, outcome: Outcome, words: str) -> None:
    verdict, failure = outcome_of(model, tmp_path, body)
    assert (verdict.outcome, words in verdict.reason) == (outcome, True), verdict.reason
    assert failure["stage"]
    assert not (tmp_path / "out" / ".work").exists()


def test_a_hanging_converter_is_ended_with_all_it_started(model: Path, tmp_path: Path) -> None:
    note = f"(pathlib.Path({str(tmp_path)!r}) / 'grandchild').write_text(str(pid)) if pid else None"
    body = f"pid = os.fork()\n{note}\ntime.sleep(600)"
    verdict, failure = outcome_of(model, tmp_path, body, budgets=Budgets(convert_s=1.5))
    assert verdict.outcome is Outcome.TIMEOUT
    assert failure["signal"] == 9
    grandchild = int((tmp_path / "grandchild").read_text())
    assert gone(grandchild)


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_greedy_converter_is_stopped_at_its_memory(model: Path, tmp_path: Path) -> None:
    budgets = Budgets(memory_bytes=300 << 20)
    verdict, failure = outcome_of(
        model, tmp_path, "x = bytearray(os.urandom(1) * (900 << 20)); time.sleep(600)", budgets=budgets
    )
    assert verdict.outcome is Outcome.ERROR
    assert "outgrew its memory" in failure["reason"]


def test_what_the_toolchain_cannot_do_is_skipped(model: Path, tmp_path: Path) -> None:
    found = run(plan(*ONE, **tool(tmp_path, "sys.exit(1)")), model, tmp_path / "out")
    assert found["F-CONV-CARD-001/apr-gguf"].outcome is Outcome.SKIPPED
    assert "does not convert apr to gguf" in found["F-CONV-CARD-001/apr-gguf"].reason


def test_planned_skips_are_recorded_with_their_reason(model: Path, tmp_path: Path) -> None:
    found = run(plan("G0-FORMAT-GGUF", skip="no GPU here"), model, tmp_path / "out")
    assert {(v.outcome, v.reason) for v in found.values()} == {(Outcome.SKIPPED, "no GPU here")}


def test_a_way_of_asking_that_is_not_measured_is_no_pass(model: Path, tmp_path: Path) -> None:
    found = run(plan("F-A3-001", "F-A5-001"), model, tmp_path / "out")
    assert len(found) == 4
    assert {v.outcome for v in found.values()} == {Outcome.SKIPPED}
    assert {v.reason for v in found.values()} == {
        "models are asked by run only, not by chat", "models are asked by run only, not by serve",
    }  # fmt: skip


def test_a_runner_that_is_not_fit_learns_nothing_about_the_product(model: Path, tmp_path: Path) -> None:
    found = run(plan(*ONE), model, tmp_path / "out", sick={"GPU": "0 of 80000 MiB free"})
    assert {(v.outcome, v.reason) for v in found.values()} == {
        (Outcome.ERROR, "the runner is not fit: GPU: 0 of 80000 MiB free")
    }
    header = journal.read(tmp_path / "out").header
    assert header.environment["runner health"] == {"GPU": "0 of 80000 MiB free"}


def test_a_conversion_is_made_once_for_all_that_need_it_and_twice_for_idempotency(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f"open({str(log)!r}, 'a').write('x')\n{CONVERT}convert(source, target)"
    made = plan("F-CONV-CARD-001", "F-CONV-NAME-001", "F-CONTRACT-I2-001", "F-CONV-IDEM-001", **tool(tmp_path, body))
    found = run(made, model, tmp_path / "out", workers=4)
    assert {v.outcome for v in found.values()} == {Outcome.CORROBORATED, Outcome.SKIPPED}
    assert found["F-CONV-IDEM-001/gguf-apr"].outcome is Outcome.CORROBORATED
    assert log.read_text() == "xx"


def test_a_converter_that_answers_otherwise_each_time_is_not_idempotent(model: Path, tmp_path: Path) -> None:
    mark = tmp_path / "second"
    plants = f"mark = pathlib.Path({str(mark)!r})\nplants = [parse('LAYOUT-002')] if mark.exists() else []\n"
    body = f"{CONVERT}{plants}convert(source, target, plants=plants)\nmark.touch()"
    found = run(plan("F-CONV-IDEM-001", **tool(tmp_path, body)), model, tmp_path / "out")
    assert found["F-CONV-IDEM-001/gguf-apr"].outcome is Outcome.FALSIFIED


def test_direct_conversions_start_from_files_the_toolchain_did_not_make(model: Path, tmp_path: Path) -> None:
    """A toolchain that breaks what it writes must not be handed its own breakage for another direct conversion."""
    seen = tmp_path / "seen"
    options = tool(tmp_path, f"open({str(seen)!r}, 'a').write(str(source) + chr(10))\nsys.exit('no')")
    options["toolchain_options"]["pairs"] = ["gguf-apr", "apr-gguf"]
    run(plan(*ONE, **options), model, tmp_path / "out")
    sources = seen.read_text().split()
    assert sources[0] == str(model)
    assert sources[1].endswith("model.apr")  # made by the embedded converter though the toolchain can make none


@pytest.mark.parametrize(
    ("policy", "fail_fast", "unreached"),
    [(FailurePolicy.COLLECT_ALL, False, 0), (FailurePolicy.STOP_ON_P0, False, 2), (FailurePolicy.COLLECT_ALL, True, 2)],
)
def test_policies(model: Path, tmp_path: Path, policy: FailurePolicy, fail_fast: bool, unreached: int) -> None:
    made = plan("F-CONV-IDEM-001", "G0-FORMAT-GGUF", "G0-FORMAT-APR", **tool(tmp_path, "sys.exit('no')"), policy=policy)
    found = run(made, model, tmp_path / "out", fail_fast=fail_fast)
    assert sum(v.outcome is Outcome.NO_EVIDENCE for v in found.values()) == unreached
    assert found["F-CONV-IDEM-001/gguf-apr"].outcome is Outcome.FALSIFIED


def test_a_bug_in_one_measurement_costs_one_cell(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> dict[str, Any]:
        raise ZeroDivisionError("ours")

    monkeypatch.setitem(__import__("bot.probes", fromlist=["PROBES"]).PROBES, "integrity", broken)
    found = run(plan("G0-LAYOUT-001", "G0-FORMAT-GGUF"), model, tmp_path / "out")
    assert found["G0-LAYOUT-001/gguf"].outcome is Outcome.ERROR
    assert "ZeroDivisionError" in found["G0-LAYOUT-001/gguf"].reason
    assert found["G0-FORMAT-GGUF/gguf"].outcome is Outcome.CORROBORATED


def test_a_damaged_conversion_of_an_interrupted_run_is_not_believed(model: Path, tmp_path: Path) -> None:
    out, made = tmp_path / "out", plan("F-CONV-CARD-001", "F-CONV-NAME-001")
    with Run(made, Options(model=model, out=out)) as it:
        it.meter.cell(made.cells[0].cell)  # converted, and the run is cut before anything is recorded
    (kept,) = (out / ".work" / "conversions").glob("gguf-apr-*")
    data = bytearray((kept / "model.apr").read_bytes())
    data[len(data) // 2] ^= 1
    (kept / "model.apr").write_bytes(data)
    found = run(made, model, out, resume=True)
    assert {v.outcome for v in found.values()} == {Outcome.CORROBORATED}


def test_disk_is_checked_before_anything_is_converted(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"MiB are needed .* MiB are free"):
        run(plan(*ONE, budgets=Budgets(disk_bytes=1 << 60)), model, tmp_path / "out")
    assert not (tmp_path / "out" / journal.NAME).exists()
    with pytest.raises(UserError, match="choose --out on another disk"):
        check_space(tmp_path / "not" / "yet" / "there", 1 << 60)


def test_defects_are_planted_in_the_reference_only(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reference toolchain only"):
        run(plan(*ONE, **tool(tmp_path, "pass")), model, tmp_path / "out", plants=("LAYOUT-002",))


def test_a_plan_for_another_format_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the plan starts from apr"):
        run(Plan(playbook=playbook(), source="apr", cells=()), model, tmp_path / "out")


def test_heavy_children_wait_for_each_other_and_a_stop_wakes_them(model: Path) -> None:
    admission, running, most, lock = Admission(1), [0], [0], threading.Lock()

    def hold() -> None:
        with admission.of(model):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.02)
            with lock:
                running[0] -= 1

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    admission.stop()
    with pytest.raises(StoppedError), admission.of(model):
        pass


def test_once_makes_a_thing_once_and_keeps_what_it_raised() -> None:
    once: Once[int] = Once()
    calls: list[str] = []

    def make() -> int:
        calls.append("made")
        time.sleep(0.05)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(once.get("key", make))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, calls) == ([7] * 5, ["made"])

    def fail() -> int:
        calls.append("failed")
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            once.get("other", fail)
    assert calls == ["made", "failed"]
