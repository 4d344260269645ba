"""What a failed step is to be called: the product's fault, or that of the harness or the machine.

A converter that was handed a sound checkpoint and does not convert it is falsified. It is an `error` only
where the converter never had a fair try: it could not be started, it was called wrongly (an exit code
its toolchain lists as usage), what it was handed is no model, or its words say that disk or memory ran out.
"""

from collections.abc import Mapping
from typing import Any

from bot.process import Completed

TAIL = 4000  # characters of each stream worth keeping
# said by the operating system, the CUDA driver and Python alike, whatever the tool
MACHINE = ("no space left on device", "cannot allocate memory", "out of memory", "memoryerror", "out_of_memory")
# exit codes by which shells and Rust tell of a death by panic or signal
DEATHS = {101: "panic", 134: "abort", 136: "arithmetic error", 137: "killed", 139: "segmentation fault"}


class Unmade(Exception):  # noqa: N818 - a finding, not an error of this program
    """A step that left nothing to go on with: `kind` and `data` are the evidence of it."""

    def __init__(self, data: Mapping[str, Any], kind: str = "failure") -> None:
        self.kind, self.data = kind, dict(data)
        super().__init__(str(data.get("reason")))


def failure(outcome: str, reason: str, stage: str, done: Completed | None = None, **more: Any) -> Unmade:
    """Return the evidence of a failed step."""
    data: dict[str, Any] = {
        "outcome": outcome, "reason": reason, "stage": stage, "argv": list(done.argv) if done else [],
        "exit_code": done.exit_code if done else None, "signal": done.signal if done else None,
        "stdout_tail": done.stdout[-TAIL:] if done else "", "stderr_tail": done.stderr[-TAIL:] if done else "",
        "seconds": round(done.seconds, 3) if done else None, **more,
    }  # fmt: skip
    return Unmade(data)


def skip(reason: str) -> Unmade:
    """Return the evidence that a cell does not apply."""
    return Unmade({"reason": reason}, kind="skip")


def ended(done: Completed, *, usage: frozenset[int], fair: bool = True) -> tuple[str, str] | None:
    """Return (outcome, reason) of a converter's process, None when it ended well. `fair`: it was handed a model."""
    if done.not_started is not None:
        return "error", f"cannot be started: {done.not_started}"
    if done.timed_out:
        return "timeout", f"did not end within {done.seconds:.0f} s"
    if done.out_of_memory:
        return "error", f"outgrew its memory: {done.peak_rss / 2**30:.1f} GiB"
    if done.ok:
        return None
    return _failed(done, usage, fair)


def _failed(done: Completed, usage: frozenset[int], fair: bool) -> tuple[str, str]:
    code, last = done.exit_code, last_line(done)
    how = f"ended by signal {done.signal}" if done.signal else f"exit code {code}"
    words = f"{how}: {last}" if last else how
    if not fair:
        return "error", f"was handed no model: {words}"
    if any(sign in done.stderr.lower() for sign in MACHINE):
        return "error", f"the machine ran out: {words}"
    if done.signal or code in DEATHS:
        return "crashed", words
    if code in usage:
        return "error", f"was called wrongly: {words}"
    return "falsified", f"the toolchain refused: {words}"


def last_line(done: Completed) -> str:
    """Return the last line a process said anything in, stderr first."""
    for stream in (done.stderr, done.stdout):
        lines = [line.strip() for line in stream.splitlines() if line.strip()]
        if lines:
            return lines[-1][:300]
    return ""
