"""Inference: what a converted model answers, by which way and on which device; and how fast."""

from bot.gates._gate import Data, Gate, Ruling, field, real, within
from bot.gates.conversion import same_answer
from bot.records import Severity


def answers(generation: Data, reference: Data) -> Ruling:
    """The converted model answers as its source does, when run this way on this backend.

    Why it matters: run, chat and serve prepare the prompt differently; each can lose the tokenizer or the template.

    If it fails: compare the token ids of the prompt first, then those of the answer.
    """
    return same_answer(generation, reference)


def backends_agree(backend_pair: Data) -> Ruling:
    """One file computes the same logits on CPU and GPU, up to the order of float32 sums.

    Why it matters: half-precision attention overflows on a GPU while every tensor is right (cause ENGINE-001).

    If it fails: tensors and CPU are right, so look at the kernels, not at the converter.
    """
    value, limit = real(backend_pair, "rel_l2"), real(backend_pair, "bound")
    words = str(backend_pair.get("expected") or limit)
    return Ruling(
        held=within(value, limit),
        reason=f"logits differ by {value:.3g}",
        metric="relative L2 distance of logits",
        diff=value,
        expected=words,
    )


def fast_enough(performance: Data) -> Ruling:
    """The converted model is not much slower than its source in the same run.

    Why it matters: a format without a kernel falls back to a slow path and nobody notices in a correctness test.

    If it fails: see cause ENGINE-004. Ratios of one run are compared, never absolute times.
    """
    ratio, least = real(performance, "ratio"), real(performance, "least")
    word = str(field(performance, "measure", str))
    return Ruling(
        held=ratio >= least,
        reason=f"{word} {ratio:.2f} of the source's",
        metric=word,
        diff=ratio,
        expected=f"> {least:g}",
    )


def _inference(name: str, modality: str, backend: str) -> Gate:
    return Gate(
        id=name,
        severity=Severity.P1,
        family="inference",
        rule=answers,
        chains=(("*result",),),
        backends=True,
        only=backend,
        modality=modality,
    )


GATES: tuple[Gate, ...] = (
    _inference("F-A1-001", "run", "cpu"),
    _inference("F-A2-001", "run", "gpu"),
    _inference("F-A3-001", "chat", "cpu"),
    _inference("F-A4-001", "chat", "gpu"),
    _inference("F-A5-001", "serve", "cpu"),
    _inference("F-A6-001", "serve", "gpu"),
    Gate(
        id="F-BACKEND-001", severity=Severity.P1, family="inference", rule=backends_agree, chains=(("source",),),
        both=True,
    ),
    Gate(
        id="F-PERF-001", severity=Severity.P2, family="performance", rule=fast_enough, chains=(("*result",),),
        backends=True, tiers=frozenset({"mvp", "full"}),
    ),
)  # fmt: skip
