"""What probes share in one run: open checkpoints, comparisons and models, each made once.

Models are kept as what they answered, by the hash of what is computed from: a child is loaded once for the tensors
and the configuration of a container on a backend, and asked everything.
"""

import contextlib
import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.compare import metrics, tolerance
from bot.compare.diff import DiffReport, compare
from bot.formats import config as configs
from bot.formats import open_checkpoint
from bot.formats._base import Checkpoint
from bot.formats.view import View, canonical
from bot.probes.once import Once
from bot.reference import prompts as probing
from bot.reference.client import Model
from bot.reference.prompts import Prompt
from bot.reference.sanity import sane

F32 = npt.NDArray[np.float32]
TOKENS = 16  # greedy tokens generated for each of the first prompts
GENERATED = 2  # prompts continued


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how large a model child may become."""

    timeout_s: float = 900.0
    memory_bytes: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one model answered: its logits on disk, its greedy tokens, and what it says of itself."""

    info: Mapping[str, Any]
    files: tuple[Path, ...]  # logits of each prompt, (positions, vocabulary)
    generated: tuple[tuple[int, ...], ...]
    top5: tuple[tuple[tuple[int, ...], ...], ...]  # of each generated step
    problem: str | None  # what makes it no reference
    finite: bool
    spread: float | None  # relative L2 between two runs
    seconds: Mapping[str, float]

    def logits(self) -> list[F32]:
        """Return the logits of each prompt."""
        return [np.load(file, allow_pickle=False) for file in self.files]

    @property
    def positions(self) -> int:
        """Return how many positions were computed."""
        return sum(len(np.load(file, mmap_mode="r")) for file in self.files)


def content_digest(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 over all files a checkpoint was read from."""
    total = hashlib.sha256()
    for file in checkpoint.files:
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()


def model_digest(view: View) -> str:
    """Return the SHA-256 over all that a model's answers depend on: configuration, names, types, shapes, stored bytes.

    Name, description, tokenizer and the order of tensors are left out. Files of two containers never share one.
    """
    config = json.dumps(configs.to_hf(view.config), sort_keys=True, default=str)
    total = hashlib.sha256(repr((view.checkpoint.format, view.architecture, view.heads, config)).encode())
    for name, slot in sorted(view.tensors.items()):
        slot_facts = (name, slot.stored, slot.change, slot.heads, slot.expert, slot.dtype, slot.info.shape)
        total.update(repr((*slot_facts, slot.info.row_padding)).encode())
    for stored in sorted(view.checkpoint.tensors):
        total.update(stored.encode())
        total.update(view.checkpoint.raw(stored).data)
    return total.hexdigest()


class Services:
    """The caches of one run, for any number of threads. `source` is the trusted model: its tokenizer makes the prompts.

    `admit` is entered with a checkpoint while a child holds its model, so that few of them do so at a time.
    """

    def __init__(
        self,
        source: Path,
        scratch: Path,
        *,
        limits: Limits,
        seed: int = 0,
        texts: Sequence[str] = (),
        asked: str | None = None,
        admit: Callable[[Path], contextlib.AbstractContextManager[None]] = lambda _: contextlib.nullcontext(),
    ) -> None:
        self.source, self.scratch, self.limits, self.seed = source, scratch, limits, seed
        self.texts, self.asked, self.admit = tuple(texts), asked, admit
        self._lock, self._idle = threading.Lock(), list[Model]()
        self._views: Once[View] = Once()
        self._reports: Once[DiffReport] = Once()
        self._digests: Once[str] = Once()
        self._models: Once[str] = Once()
        self._answers: Once[Answers] = Once()
        self._constants: Once[float] = Once()
        self._hidden: Once[F32] = Once()
        self._prompts: Once[tuple[Prompt, ...]] = Once()

    def view(self, path: Path) -> View:
        """Open a checkpoint by its own metadata."""
        return self._views.get(path, lambda: canonical(open_checkpoint(path)))

    def trusting(self, path: Path, trusted: Path) -> View:
        """Open a checkpoint read by the architecture and heads of a trusted one."""
        return self._views.get((path, trusted), lambda: canonical(open_checkpoint(path), trusted=self.view(trusted)))

    def report(self, a: Path, b: Path) -> DiffReport:
        """Compare the tensors of two files, A trusted."""
        return self._reports.get((a, b), lambda: compare(self.view(a), self.trusting(b, a)))

    def digest(self, path: Path) -> str:
        """Return the SHA-256 over all files a checkpoint was read from."""
        return self._digests.get(path, lambda: content_digest(self.view(path).checkpoint))

    def model(self, path: Path) -> str:
        """Return the digest of what a checkpoint computes."""
        return self._models.get(path, lambda: model_digest(self.view(path)))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The probes: texts in the source's own tokens, or spread ids where it has no tokenizer."""
        return self._prompts.get((), self._probes)

    def _probes(self) -> tuple[Prompt, ...]:
        view = self.view(self.source)
        context = view.config.integer("max_position_embeddings", 512) or 512
        from bot.formats.tokenizer import read_tokenizer

        tokenizer = read_tokenizer(view.checkpoint)
        if tokenizer is not None:
            try:
                return probing.from_texts(tokenizer.encode, self.texts or probing.TEXTS, context=context)
            except ValueError:
                pass  # a tokenizer that cannot be built is found by its own gate
        vocabulary = view.config.integer("vocab_size", 1) or 1
        return probing.from_ids(vocabulary, seed=self.seed, context=context)

    def answers(self, path: Path, backend: str) -> Answers:
        """Ask a model everything, once for its content; raises ChildFailure, every time the same."""
        key = (self.model(path), backend)
        return self._answers.get(key, lambda: self._ask(path, backend, f"{key[0][:24]}-{backend}"))

    @contextlib.contextmanager
    def _open(self, path: Path, backend: str) -> Iterator[Model]:
        """Lend a child that holds the model. One that answered well is used again, for it is slow to start."""
        with self.admit(path):
            model = self._child()
            try:
                model.load(path, backend=backend, seed=self.seed)
                yield model
                model.release()
            except BaseException:
                model.close()
                raise
        with self._lock:
            self._idle.append(model)

    def _child(self) -> Model:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Model(timeout_s=self.limits.timeout_s, memory_bytes=self.limits.memory_bytes)

    def close(self) -> None:
        """End the children that wait for another model."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _ask(self, path: Path, backend: str, name: str) -> Answers:
        ids = [list(prompt.ids) for prompt in self.prompts]
        with self._open(path, backend) as model:
            seconds = {"load": float(model.last.get("seconds") or 0.0)}
            logits = model.logits(ids)
            seconds["logits"] = float(model.last.get("seconds") or 0.0)
            again = model.logits(ids) if self.model(path) == self.model(self.source) else None
            generated = [model.generate(prompt, TOKENS) for prompt in ids[1 : 1 + GENERATED] or ids[:1]]
            top5 = [_top5(model, prompt, tokens) for prompt, tokens in zip(ids[1:] or ids, generated, strict=False)]
            info = dict(model.info)
        problem = sane(logits, ids, generated)
        return Answers(
            info=info, files=self._kept(logits, name), generated=tuple(map(tuple, generated)), top5=tuple(top5),
            problem=problem, finite=all(bool(np.isfinite(rows).all()) for rows in logits),
            spread=None if again is None else metrics.rel_l2(logits, again), seconds=seconds,
        )  # fmt: skip

    def _kept(self, logits: Sequence[F32], name: str) -> tuple[Path, ...]:
        files = []
        for number, rows in enumerate(logits):
            file = self.scratch / f"logits-{name}-{number}.npy"
            np.save(file, rows)
            files.append(file)
        return tuple(files)

    def hidden(self, path: Path, backend: str) -> F32:
        """Return the hidden states of the second prompt, (layers + 1, positions, hidden). Raises ChildFailure."""
        ids = list(self.prompts[1 % len(self.prompts)].ids)

        def ask() -> F32:
            with self._open(path, backend) as model:
                return model.hidden([ids])[0]

        return self._hidden.get((self.model(path), backend), ask)

    def constant(self, path: Path, backend: str) -> float:
        """Return the model's A: how strongly its logits answer to noise in its weights. Raises ChildFailure."""
        key = (self.model(path), backend)
        return self._constants.get(key, lambda: self._calibrated(path, backend))

    def _calibrated(self, path: Path, backend: str) -> float:
        ids = [list(prompt.ids) for prompt in self.prompts]
        clean = self.answers(path, backend).logits()
        with self._open(path, backend) as model:
            found = tolerance.calibrate(lambda: clean, lambda eps, seed: model.perturbed_logits(ids, eps, seed))
        return found.constant


def _top5(model: Model, prompt: Sequence[int], tokens: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the five likeliest tokens at each generated step."""
    if not tokens:
        return ()
    (rows,) = model.logits([[*prompt, *tokens[:-1]]])
    steps = rows[len(prompt) - 1 :]
    return tuple(tuple(int(i) for i in np.argsort(-row)[:5]) for row in steps)


def plain(value: Any) -> Any:
    """Return a value as JSON would give it back."""
    return json.loads(json.dumps(value, default=str))
