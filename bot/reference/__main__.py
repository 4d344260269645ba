"""Entry of the child process: `python -m bot.reference SCRATCH MEMORY`, JSON lines on stdin and stdout.

MEMORY is a cap in bytes, 0 for none.
"""

import os
import resource
import sys
from pathlib import Path


def main() -> None:
    """Take the real stdout for the protocol before any library can print on it, then serve."""
    scratch, memory = Path(sys.argv[1]), int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # must be set before CUDA starts (torch's notes on reproducibility)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # threads that wait by spinning take the processor from whoever else runs; a busy machine is ten times slower for it
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    from bot.reference.serve import Server

    if memory:
        # what is written to, not what is mapped: CUDA reserves far more address space than it uses
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    Server(scratch).run(sys.stdin, answers)


if __name__ == "__main__":
    main()
