"""Entry of the child process: `python -m bot.reference SCRATCH`, JSON lines on stdin and stdout."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Take the real stdout for the protocol before any library can print on it, then serve."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # must be set before CUDA starts (torch's notes on reproducibility)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    from bot.reference.serve import Server

    Server(Path(sys.argv[1])).run(sys.stdin, answers)


if __name__ == "__main__":
    main()
