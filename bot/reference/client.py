"""A model in a child process, as its parent sees it. Whatever becomes of the child is a ChildFailure."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bot import process
from bot.reference.protocol import Failure, GarbledError, decode, encode

F32 = npt.NDArray[np.float32]
Prompts = Sequence[Sequence[int]]
_PACKAGE = Path(__file__).parents[2]
_TAIL = 4000  # characters of stderr worth keeping


class ChildFailure(Exception):  # noqa: N818  a failure of the child, not an error of this program
    """A request that was not answered, and what is known of why."""

    def __init__(
        self,
        outcome: str,
        reason: str,
        *,
        argv: Sequence[str] = (),
        exit_code: int | None = None,
        signal: int | None = None,
        stderr_tail: str = "",
        unavailable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome  # "error", "timeout" or "crashed"
        self.reason, self.argv = reason, tuple(argv)
        self.exit_code, self.signal, self.stderr_tail = exit_code, signal, stderr_tail
        self.unavailable = unavailable  # the machine has no such device: a reason to skip

    def evidence(self, stage: str) -> dict[str, Any]:
        """Return the data of a "failure" evidence; `stage` is what was being done."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "stage": stage,
            "argv": list(self.argv),
            "exit_code": self.exit_code,
            "signal": self.signal,
            "stdout_tail": "",
            "stderr_tail": self.stderr_tail,
        }


class Model:
    """One model, loaded once in a child of its own, answering until it is closed (a context manager).

    After a timeout or a crash the child is gone and every further request fails the same way; an ordinary
    refusal (outcome "error") leaves it in service.
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int | None) -> None:
        """Start a child without a model; `open` is the usual way."""
        self.info: Mapping[str, Any] = {}
        self.last: Mapping[str, Any] = {}  # seconds and peak_bytes of the latest answer
        self.timeout_s = timeout_s
        self._gone: ChildFailure | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="requalify-reference-"))
        self.argv = (sys.executable, "-m", "bot.reference", str(self._scratch), str(memory_bytes or 0))
        try:
            self._child = process.Child(self.argv, env=_environment(), memory_bytes=memory_bytes)
        except OSError as problem:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise ChildFailure("error", f"cannot start a child: {problem}", argv=self.argv) from problem

    @classmethod
    def open(
        cls, path: Path, *, backend: str, timeout_s: float, memory_bytes: int | None = None, seed: int = 0
    ) -> Self:
        """Load a checkpoint on "cpu" or "gpu". Each request may take `timeout_s`; raises ChildFailure."""
        model = cls(timeout_s=timeout_s, memory_bytes=memory_bytes)
        try:
            model.load(path, backend=backend, seed=seed)
        except BaseException:
            model.close()
            raise
        return model

    def load(self, path: Path, *, backend: str, seed: int = 0) -> None:
        """Load a checkpoint in place of whatever the child holds: starting one costs seconds, this does not."""
        self.info = {}
        self.info = self._ask("open", path=str(Path(path).absolute()), backend=backend, seed=seed)["info"]

    def release(self) -> None:
        """Let go of the model and its memory; the child stays."""
        self._ask("release")
        self.info = {}

    def tokenize(self, text: str) -> list[int]:
        """Return the token ids the file's own tokenizer makes of a text."""
        return list(self._ask("tokenize", text=text)["ids"])

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        return str(self._ask("text", ids=_ids(ids))["text"])

    def logits(self, prompts: Prompts) -> list[F32]:
        """Return the logits of each prompt, (positions, vocabulary)."""
        return self._arrays("logits", prompts=_all_ids(prompts))

    def hidden(self, prompts: Prompts) -> list[F32]:
        """Return the hidden states of each prompt, (layers + 1, positions, hidden): embeddings first, last normed."""
        return self._arrays("hidden", prompts=_all_ids(prompts))

    def perturbed_logits(self, prompts: Prompts, eps: float, seed: int) -> list[F32]:
        """Return logits with Gaussian noise of relative size eps in every matrix; the model stays as it was."""
        return self._arrays("perturbed_logits", prompts=_all_ids(prompts), eps=float(eps), seed=int(seed))

    def generate(self, ids: Sequence[int], n: int) -> list[int]:
        """Return up to n greedy tokens; fewer when the file's end token comes first (it is the last one then)."""
        return list(self._ask("generate", ids=_ids(ids), count=int(n))["ids"])

    def devices(self) -> dict[str, bool]:
        """Return which backends the child could use: {"gpu": False}."""
        return {"gpu": bool(self._ask("devices")["gpu"])}

    def close(self) -> None:
        """End the child with all it started, and remove its scratch folder. May be called again."""
        self._child.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _arrays(self, operation: str, **arguments: Any) -> list[F32]:
        arrays = []
        for path in map(Path, self._ask(operation, **arguments)["arrays"]):
            arrays.append(np.load(path, allow_pickle=False))
            path.unlink()
        return arrays

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if self._gone is not None:
            raise self._gone
        try:
            answer = decode(self._child.ask(encode({"op": operation, **arguments}), timeout_s=self.timeout_s))
        except TimeoutError:
            raise self._lost("timeout", f"{operation}: no answer within {self.timeout_s:g} s") from None
        except (OSError, EOFError) as problem:
            raise self._lost("crashed", f"{operation}: the child died ({problem or 'no answer'})", died=True) from None
        except GarbledError as problem:
            raise self._lost("crashed", f"{operation}: {problem}") from None
        self.last = {key: answer.get(key) for key in ("seconds", "peak_bytes")}
        if not answer.get("ok"):
            raise self._refused(operation, answer)
        return answer

    def _refused(self, operation: str, answer: Mapping[str, Any]) -> ChildFailure:
        reason = f"{operation}: {answer.get('reason')}"
        if answer.get("failure") == Failure.MEMORY:
            return self._lost("crashed", f"{operation}: out of memory: {answer.get('reason')}")
        tail = self._child.stderr_tail()[-_TAIL:] if answer.get("failure") == Failure.BUG else ""
        unavailable = answer.get("failure") == Failure.UNAVAILABLE
        return ChildFailure("error", reason, argv=self.argv, stderr_tail=tail, unavailable=unavailable)

    def _lost(self, outcome: str, reason: str, *, died: bool = False) -> ChildFailure:
        """End the child and keep what became of it for this request and every later one.

        A child that had not `died` is killed by us, so its exit says nothing.
        """
        ended = self._child.close()
        killed = f", killed by signal {ended.signal}" if died and ended.signal else ""
        self._gone = ChildFailure(
            outcome,
            reason + killed,
            argv=self.argv,
            exit_code=ended.exit_code if died else None,
            signal=ended.signal if died else None,
            stderr_tail=ended.stderr[-_TAIL:],
        )
        return self._gone


def unavailable(backend: str, *, timeout_s: float = 120.0) -> str | None:
    """Return why no model can run on that backend here, or None. Costs the start of a child for "gpu"."""
    if backend == "cpu":
        return None
    try:
        with Model(timeout_s=timeout_s, memory_bytes=None) as model:
            found = model.devices()
    except ChildFailure as failure:
        return failure.reason
    return None if found.get(backend) else "no CUDA device"


def _environment() -> dict[str, str]:
    """Return what makes this very package importable, wherever the parent was started."""
    paths = [str(_PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def _ids(ids: Sequence[int]) -> list[int]:
    return [int(token) for token in ids]


def _all_ids(prompts: Prompts) -> list[list[int]]:
    return [_ids(ids) for ids in prompts]
