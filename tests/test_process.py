"""Processes: whatever becomes of one is an answer, and nothing it started is left."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from bot import process
from bot.process import Child, run

FORKS = """import os, pathlib, sys, time
pid = os.fork()
if pid: pathlib.Path(sys.argv[1]).write_text(str(pid))
time.sleep(600)
"""


def python(code: str, *argv: str) -> list[str]:
    return [sys.executable, "-c", code, *argv]


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def written(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.02)
    return int(path.read_text())


def test_a_command_that_ends_well() -> None:
    done = run(
        python("import sys; print(sys.stdin.read().upper()); print('e', file=sys.stderr)"), timeout_s=60, stdin="ab"
    )
    assert (done.ok, done.exit_code, done.stdout, done.stderr) == (True, 0, "AB\n", "e\n")
    assert not done.timed_out
    assert not done.truncated


def test_exit_codes_signals_and_what_cannot_start_are_told_apart(tmp_path: Path) -> None:
    assert run(python("import sys; sys.exit(7)"), timeout_s=60).exit_code == 7
    died = run(python("import os; os.kill(os.getpid(), 11)"), timeout_s=60)
    assert (died.signal, died.exit_code, died.ok) == (11, None, False)
    absent = run([str(tmp_path / "no-such-tool")], timeout_s=60)
    assert "No such file" in str(absent.not_started)
    assert not absent.ok


def test_a_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    done = run(python(FORKS, str(tmp_path / "pid")), timeout_s=2)
    assert done.timed_out
    assert done.signal == 9
    assert gone(written(tmp_path / "pid"))


def test_a_memory_cap_is_ours_and_says_so() -> None:
    code = "import os, time; x = bytearray(os.urandom(1) * (400 << 20)); time.sleep(600)"
    done = run(python(code), timeout_s=60, memory_bytes=200 << 20)
    assert done.out_of_memory
    assert not done.timed_out
    assert done.peak_rss > 200 << 20


def test_output_keeps_its_ends(tmp_path: Path) -> None:
    done = run(python("print('a' * 5000 + 'b' * 5000)"), timeout_s=60, max_output=200)
    assert done.truncated
    assert done.stdout.startswith("aaa")
    assert done.stdout.endswith("bb\n")
    assert "bytes left out" in done.stdout
    assert len(done.stdout) < 300


def test_everything_can_be_ended_at_once_from_another_thread(tmp_path: Path) -> None:
    found: list[process.Completed] = []
    thread = threading.Thread(target=lambda: found.append(run(python(FORKS, str(tmp_path / "pid")), timeout_s=600)))
    thread.start()
    pid = written(tmp_path / "pid")
    process.kill_all()
    thread.join(timeout=30)
    assert found[0].signal == 9
    assert not found[0].timed_out
    assert gone(pid)
    process.kill_all()  # nothing left: a number that was reused must not be hit
    assert not process._RUNNING


def test_a_conversation_ends_by_answer_deadline_or_death(tmp_path: Path) -> None:
    code = "import sys, time\nfor line in sys.stdin:\n    time.sleep(float(line)); print('said', flush=True)"
    child = Child(python(code))
    assert child.ask("0", timeout_s=60) == "said"
    with pytest.raises(TimeoutError):
        child.ask("600", timeout_s=0.2)
    ended = child.close()
    assert ended.signal == 9
    assert child.close() is ended
    dead = Child(python("import os; os._exit(3)"))
    with pytest.raises((EOFError, OSError)):
        for _ in range(3):
            dead.ask("x", timeout_s=60)
    assert dead.close().exit_code == 3
    assert os.getpid() not in process._RUNNING
