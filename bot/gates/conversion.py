"""Conversions, direct and in chains: what comes out must be what went in."""

from collections.abc import Iterator

from bot.gates._gate import Data, Gate, Ruling, count, field, real, within
from bot.records import Severity

G, A, S = "gguf", "apr", "safetensors"
LETTERS = {"G": G, "A": A, "S": S}


def same_model(tensors: Data, reference: Data, logits: Data | None = None) -> Ruling:
    """The result holds the source's tensors and computes the source's logits.

    Why it matters: a conversion that moves, loses or mislabels weights still runs; only the numbers tell.
    Tensors decide; logits corroborate. A source that is itself broken proves nothing about the conversion.

    If it fails: read the cause beside it; `requalify diagnose SOURCE RESULT` runs the experiments again.
    """
    if not field(reference, "sane", bool):
        return Ruling(
            held=None, reason=f"the source itself is broken: {reference.get('problem') or 'no reason recorded'}"
        )
    held, words, seen = _tensors_hold(tensors)
    if logits is None or not count(logits, "positions"):
        return _without_logits(held, words, seen, logits or {})
    value, limit = real(logits, "rel_l2"), logits.get("bound")
    expected = str(logits.get("expected") or "")
    if isinstance(limit, (int, float)) and not within(value, float(limit)):
        held, words = False, f"{words}; logits differ by {value:.3g}, {expected or limit} expected"
    metric = "relative L2 distance of logits"
    return Ruling(held=held, reason=words, metric=metric, diff=value, expected=expected, tensors=seen)


def _without_logits(held: bool | None, words: str, seen: dict[str, object], logits: Data) -> Ruling:
    """Rule where no logits could be had: tensors that differ, or a result that does not load, are enough."""
    problem = str(logits.get("problem") or "no logits were compared")
    if held is False or logits.get("loaded") is False:
        return Ruling(held=False, reason=f"{words}; {problem}", tensors=seen)
    return Ruling(held=None, reason=problem, tensors=seen)


def _tensors_hold(tensors: Data) -> tuple[bool | None, str, dict[str, object]]:
    """Return whether the tensors hold, in words, and the numbers beside the gate."""
    compared, differ = count(tensors, "compared"), count(tensors, "differ")
    missing, unexpected = (len(field(tensors, name, list)) for name in ("missing", "unexpected"))
    seen = {"compared": compared, "differ": differ + missing, "worst_rel_rmse": tensors.get("worst_rel_rmse")}
    if not compared:
        return None, "no tensors were compared", seen
    if differ or missing or unexpected:
        parts = [f"{differ} of {compared} tensors differ"] if differ else []
        parts += [f"{missing} are missing"] if missing else []
        parts += [f"{unexpected} are unexpected"] if unexpected else []
        return False, ", ".join(parts), seen
    return True, f"{compared} tensors agree", seen


def _broken_source(reference: Data) -> Ruling:
    return Ruling(held=None, reason=f"the source itself is broken: {reference.get('problem') or 'no reason recorded'}")


def same_tensors(tensors: Data) -> Ruling:
    """Both ways of converting give the same tensors.

    Why it matters: converting twice, or by a detour, must not depend on the road taken.

    If it fails: compare the two results with `requalify diff`; the first hop that differs is the place to look.
    """
    held, words, seen = _tensors_hold(tensors)
    worst = tensors.get("worst_rel_rmse")
    return Ruling(
        held=held,
        reason=words,
        metric="worst relative RMS error of tensors",
        tensors=seen,
        diff=float(worst) if isinstance(worst, (int, float)) else None,
        expected=str(tensors.get("budget_reason") or ""),
    )


def same_answer(generation: Data, reference: Data) -> Ruling:
    """Converted and source answer the same prompt alike (convert, infer, compare).

    Why it matters: it is what a user sees first. Tokens are compared, not text; where the weights were
    rounded, the first token that departs must be among the source's five likeliest.

    If it fails: look at the direct conversion gates; they say which tensors or which metadata did it.
    """
    if not field(reference, "sane", bool):
        return Ruling(
            held=None, reason=f"the source itself is broken: {reference.get('problem') or 'no reason recorded'}"
        )
    ids, expected = field(generation, "ids", list), field(generation, "reference_ids", list)
    if not expected:
        return Ruling(held=None, reason="the source generated nothing")
    first = next((i for i, (a, b) in enumerate(zip(ids, expected, strict=False)) if a != b), None)
    if first is None and len(ids) != len(expected):
        first = min(len(ids), len(expected))  # one of them ends where the other goes on
    facts = {"first_difference": first, "compared": min(len(ids), len(expected))}
    if first is None:
        return Ruling(
            held=True, reason=f"{facts['compared']} tokens agree", metric="tokens that differ", diff=0.0, facts=facts
        )
    near = bool(generation.get("divergence_in_top5"))
    reason = f"token {first} differs" + (", among the source's five likeliest" if near else "")
    return Ruling(
        held=near and not generation.get("exact"), reason=reason, metric="tokens that differ", diff=1.0, facts=facts
    )


def same_bytes(bytes_equal: Data) -> Ruling:
    """An APR made by way of GGUF stores the very bytes of the one made directly.

    Why it matters: a round trip that only looks equal after decoding has re-encoded the weights.

    If it fails: the tensors listed were decoded and encoded again on the way.
    """
    compared, differ = count(bytes_equal, "compared"), count(bytes_equal, "differ")
    seen = {"compared": compared, "differ": differ, "worst_rel_rmse": None}
    if not compared:
        return Ruling(held=None, reason="no tensors were compared", tensors=seen)
    reason = f"{differ} of {compared} tensors are stored differently" if differ else f"{compared} tensors byte for byte"
    metric = "tensors stored differently"
    return Ruling(held=differ == 0, reason=reason, metric=metric, diff=float(differ), expected="0 (copy)", tensors=seen)


def _direct() -> Iterator[Gate]:
    for a, source in LETTERS.items():
        for b, target in LETTERS.items():
            if a != b:
                yield Gate(
                    id=f"F-CONV-{a}-{b}",
                    severity=Severity.P0,
                    family="direct",
                    rule=same_model,
                    chains=((source, target),),
                    backends=True,
                )


def _chain(name: str, *chain: str) -> Gate:
    return Gate(id=name, severity=Severity.P0, family="chains", rule=same_model, chains=(chain,), backends=True)


GATES: tuple[Gate, ...] = (
    *_direct(),
    _chain("F-CONV-RT-001", G, A, S, G),
    _chain("F-CONV-RT-002", S, A, G, S),
    _chain("F-CONV-RT-003", S, A, G, A, S),
    _chain("F-CONV-RT-004", S, A, G, A),
    Gate(id="F-CONV-RT-BYTE-001", severity=Severity.P0, family="chains", rule=same_bytes, chains=((S, A, G, A),)),
    Gate(id="F-CONV-IDEM-001", severity=Severity.P0, family="chains", rule=same_tensors, chains=((G, A),)),
    Gate(id="F-CONV-COM-001", severity=Severity.P0, family="chains", rule=same_tensors, chains=((G, S, A),)),
    Gate(
        id="F-GOLDEN-RULE-001", severity=Severity.P0, family="chains", rule=same_answer, chains=((S, A),), backends=True
    ),
)
