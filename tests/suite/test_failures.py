"""What a failed step is called: the table, both ways."""

import dataclasses

import pytest

from bot.process import Completed
from bot.suite.failures import TAIL, ended, failure

DONE = Completed(argv=("tool",), exit_code=5, signal=None, stdout="", stderr="error: bad\n", seconds=1.0)


@pytest.mark.parametrize(
    ("changes", "fair", "outcome"),
    [
        ({"exit_code": 0}, True, None),
        ({}, True, "falsified"),
        ({}, False, "error"),  # it was handed no model
        ({"exit_code": 2}, True, "error"),  # usage
        ({"exit_code": 3}, True, "falsified"),
        ({"exit_code": None, "signal": 11}, True, "crashed"),
        ({"exit_code": 101}, True, "crashed"),
        ({"exit_code": None, "signal": 9, "timed_out": True}, True, "timeout"),
        ({"exit_code": None, "signal": 9, "out_of_memory": True}, True, "error"),
        ({"exit_code": None, "not_started": "No such file"}, True, "error"),
        ({"stderr": "OSError: [Errno 28] No space left on device"}, True, "error"),
        ({"stderr": "CUDA_ERROR_OUT_OF_MEMORY (code: 2)"}, True, "error"),
    ],
)
def test_outcomes(changes: dict[str, object], fair: bool, outcome: str | None) -> None:
    found = ended(dataclasses.replace(DONE, **changes), usage=frozenset({2}), fair=fair)
    assert (found and found[0]) == outcome


def test_a_failure_keeps_the_tools_own_words_and_only_so_many() -> None:
    done = dataclasses.replace(DONE, stdout="x" * 10000, stderr="error: said so\n")
    data = failure("falsified", "refused", "convert gguf-apr", done, faults=[]).data
    assert len(data["stdout_tail"]) == TAIL
    assert data["stderr_tail"] == "error: said so\n"
    assert {"argv", "exit_code", "signal", "seconds", "stage", "outcome", "reason", "faults"} <= set(data)
