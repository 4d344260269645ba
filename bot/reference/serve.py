"""The child's loop: read a request, answer it, never die of a question."""

import gc
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
import transformers

from bot.errors import UserError
from bot.reference import engine as engines
from bot.reference.engine import Engine
from bot.reference.loading import UnavailableError, device_of, load
from bot.reference.protocol import Failure, decode, encode

Request = dict[str, Any]
Answer = dict[str, Any]


_MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory", "failed to map segment")


class Server:
    """Answers requests about one model; arrays go into `scratch`, which the parent owns and empties."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.served = scratch, 0
        self.engine: Engine | None = None
        self.operations: dict[str, Callable[[Request], Answer]] = {
            "open": self._open,
            "release": self._release,
            "tokenize": lambda r: {"ids": list(self._tokenizer().encode(r["text"]))},
            "text": lambda r: {"text": self._tokenizer().decode(r["ids"])},
            "logits": lambda r: self._arrays(self._engine().logits(r["prompts"])),
            "hidden": lambda r: self._arrays(self._engine().hidden(r["prompts"])),
            "perturbed_logits": lambda r: self._arrays(
                self._engine().perturbed_logits(r["prompts"], r["eps"], r["seed"])
            ),
            "generate": lambda r: {"ids": self._engine().generate(r["ids"], r["count"])},
            "devices": lambda _: {"gpu": torch.cuda.is_available()},
        }

    def run(self, requests: Iterable[str], answers: TextIO) -> None:
        """Answer line by line until the parent closes its end."""
        for line in requests:
            answers.write(encode(self.answer(line)) + "\n")
            answers.flush()

    def answer(self, line: str) -> Answer:
        """Answer one request; whatever goes wrong becomes an answer that says so."""
        started, self.served = time.monotonic(), self.served + 1
        try:
            request = decode(line)
            operation = self.operations.get(str(request.get("op")))
            if operation is None:
                raise UserError(f"no operation {request.get('op')!r}")
            answer = {"ok": True, **operation(request)}
        except Exception as problem:  # noqa: BLE001  every exception is an answer
            answer = _failed(problem)
        return {**answer, "seconds": time.monotonic() - started, "peak_bytes": peak_bytes()}

    def _open(self, request: Request) -> Answer:
        self._release({})
        engines.make_deterministic(int(request["seed"]), device_of(request["backend"]))
        self.engine = Engine(load(Path(request["path"]), request["backend"]))
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        return {"info": engines.info(self.engine.loaded, versions)}

    def _release(self, _: Request) -> Answer:
        """Drop the model, so that two are never held at once."""
        self.engine = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return {}

    def _engine(self) -> Engine:
        if self.engine is None:
            raise UserError("no model is open")
        return self.engine

    def _tokenizer(self) -> Any:
        tokenizer = self._engine().loaded.tokenizer
        if tokenizer is None:
            raise UserError("the file holds no tokenizer", hint="ask with token ids")
        return tokenizer

    def _arrays(self, arrays: Iterator[Any]) -> Answer:
        paths = []
        for number, array in enumerate(arrays):
            path = self.scratch / f"{self.served}-{number}.npy"
            np.save(path, array, allow_pickle=False)
            paths.append(str(path))
        return {"arrays": paths}


def _failed(problem: Exception) -> Answer:
    if isinstance(problem, UnavailableError):
        failure = Failure.UNAVAILABLE
    elif isinstance(problem, UserError):
        failure = Failure.USER
    elif out_of_memory(problem):
        failure = Failure.MEMORY
    else:
        traceback.print_exc(file=sys.stderr)
        return {"ok": False, "failure": Failure.BUG, "reason": f"{type(problem).__name__}: {problem}"}
    return {"ok": False, "failure": failure, "reason": str(problem) or type(problem).__name__}


def out_of_memory(problem: Exception) -> bool:
    """Tell whether an exception says that memory ran out; torch on the CPU says so in words only."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(problem).lower()
    return any(sign in words for sign in _MEMORY_WORDS)


def peak_bytes() -> int:
    """Return the most memory this process has held at once: resident, and on the device."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return resident + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)
