"""The only place that starts a process: own process group, deadline, memory cap, bounded output.

A child that hangs, eats the memory or dies is an answer here, never an exception. Its whole group goes with
it, on a deadline, on Ctrl-C and at close.
"""

import contextlib
import dataclasses
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

TICK = 0.1  # seconds between looks at memory and deadline
PAGE = os.sysconf("SC_PAGE_SIZE")

_RUNNING: set[int] = set()  # groups that are ours to end
_CHANGING = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What became of a process."""

    argv: tuple[str, ...]
    exit_code: int | None  # None when it ended by a signal or could not start
    signal: int | None
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    out_of_memory: bool = False  # stopped by us at its memory cap
    truncated: bool = False  # more output than was kept
    peak_rss: int = 0  # bytes, of the group
    not_started: str | None = None  # why it could not be started

    @property
    def ok(self) -> bool:
        """Tell whether it ended by itself with status 0."""
        return self.exit_code == 0 and not self.timed_out


def run(
    argv: Sequence[str], *, timeout_s: float, memory_bytes: int | None = None, cwd: Path | None = None,
    env: Mapping[str, str] | None = None, stdin: str | None = None, max_output: int = 1 << 20,
) -> Completed:  # fmt: skip
    """Run a command to its end or its deadline; keep the first and last halves of `max_output` bytes a stream."""
    words = tuple(map(str, argv))
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        out, err, given = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write((stdin or "").encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                words, stdin=given, stdout=out, stderr=err, cwd=cwd, env=_environment(env), start_new_session=True
            )
        except (OSError, ValueError) as error:
            return Completed(
                argv=words, exit_code=None, signal=None, stdout="", stderr="", seconds=0.0, not_started=str(error)
            )
        with _CHANGING:
            _RUNNING.add(process.pid)
        stack.callback(kill_group, process)
        timed_out, hungry, peak = _watch(process, started + timeout_s, memory_bytes, (out, err), max_output * 16)
        seconds = time.monotonic() - started
        kill_group(process)
        (stdout, cut_out), (stderr, cut_err) = _kept(out, max_output), _kept(err, max_output)
    code = process.returncode
    return Completed(
        argv=words, exit_code=code if code is not None and code >= 0 else None,
        signal=-code if code and code < 0 else None,
        stdout=stdout, stderr=stderr, seconds=seconds, timed_out=timed_out, out_of_memory=hungry,
        truncated=cut_out or cut_err, peak_rss=peak,
    )  # fmt: skip


def _environment(changes: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if changes is None else {**os.environ, **changes}


def _watch(
    process: "subprocess.Popen[bytes]", deadline: float, memory: int | None, files: Sequence[BinaryIO], flood: int
) -> tuple[bool, bool, int]:
    """Wait for the end; return (deadline passed, memory cap passed, peak bytes)."""
    peak = 0
    while True:
        left = deadline - time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.0, min(TICK, left)))
            return False, False, max(peak, 0)
        peak = max(peak, group_rss(process.pid))
        if left <= 0 or any(os.fstat(file.fileno()).st_size > flood for file in files):
            return True, False, peak
        if memory is not None and peak > memory:
            return False, True, peak


def group_rss(group: int) -> int:
    """Return the resident bytes of all processes of a group; 0 where /proc does not tell."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int((entry / "statm").read_text().split()[1]) * PAGE
    return total


def kill_all() -> None:
    """Kill every group that is still running, whichever thread waits for it; each wait then ends."""
    with _CHANGING:
        groups = tuple(_RUNNING)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill everything the process started, itself included, and reap it."""
    with _CHANGING:
        _RUNNING.discard(process.pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)


def _kept(file: BinaryIO, limit: int) -> tuple[str, bool]:
    """Return a stream's text, its middle left out when it is longer than `limit` bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= limit:
        return file.read().decode("utf-8", "replace"), False
    head = file.read(limit // 2)
    file.seek(size - limit // 2)
    middle = f"\n... {size - limit} bytes left out ...\n"
    return head.decode("utf-8", "replace") + middle + file.read().decode("utf-8", "replace"), True


class Child:
    """A conversation by lines with one process: `ask` sends a line and returns the line it answers.

    Raises OSError when the program cannot be started.
    """

    def __init__(
        self, argv: Sequence[str], *, memory_bytes: int | None = None, cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.argv = tuple(map(str, argv))
        self.memory_bytes, self.peak_rss = memory_bytes, 0
        self._started, self._buffer = time.monotonic(), b""
        self._ended: Completed | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=cwd,
            env=_environment(env), start_new_session=True,
        )  # fmt: skip
        with _CHANGING:
            _RUNNING.add(self._process.pid)

    @property
    def pid(self) -> int:
        """The process id, which is that of its group."""
        return self._process.pid

    def ask(self, line: str, *, timeout_s: float) -> str:
        """Send one line and return the answer's line.

        Raises TimeoutError when none comes in time, EOFError when the child ended or outgrew its memory,
        OSError when it no longer listens. `close` then says how it ended.
        """
        deadline = time.monotonic() + timeout_s
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.rstrip("\n").encode() + b"\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                self._wait(selector, deadline)
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return answer.decode("utf-8", "replace")

    def _wait(self, selector: selectors.BaseSelector, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        if selector.select(min(TICK * 5, left)):
            assert self._process.stdout is not None
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                raise EOFError("the child ended")
            self._buffer += data
        self.peak_rss = max(self.peak_rss, group_rss(self.pid))
        if self.memory_bytes is not None and self.peak_rss > self.memory_bytes:
            raise EOFError("the child outgrew its memory")

    def stderr_tail(self) -> str:
        """Return the end of what the child wrote to stderr so far."""
        return _kept(self._errors, 1 << 16)[0] if not self._errors.closed else ""

    def close(self) -> Completed:
        """Kill the child and everything it started; return how it ended. May be called again."""
        if self._ended is not None:
            return self._ended
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=TICK)  # let one that is ending end by itself
        kill_group(self._process)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        code, errors = self._process.returncode, self.stderr_tail()
        self._errors.close()
        self._ended = Completed(
            argv=self.argv, exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code and code < 0 else None, stdout="", stderr=errors,
            seconds=time.monotonic() - self._started, peak_rss=self.peak_rss,
        )  # fmt: skip
        return self._ended
