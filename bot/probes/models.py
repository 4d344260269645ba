"""Measures running models: do they load, what do they compute, do they agree."""

from pathlib import Path
from typing import Any

from bot.compare import metrics, tolerance
from bot.probes._base import Context
from bot.probes.services import Services
from bot.probes.tensors import tensors
from bot.reference.client import ChildFailure


def load(context: Context) -> dict[str, Any]:
    """Return whether the model loads, and the tensors it lacks, does not know, or finds of another shape."""
    try:
        info = context.services.answers(context.result, _backend(context)).info
    except ChildFailure as failure:
        if failure.outcome != "error" or failure.unavailable:
            raise
        return {"loaded": False, "problem": failure.reason, "missing": [], "unexpected": [], "mismatched": []}
    gaps = {name: list(info.get(name, []))[:50] for name in ("missing", "unexpected", "mismatched")}
    return {"loaded": True, "parameters": info.get("parameters"), "device": info.get("device"), **gaps}


def _backend(context: Context) -> str:
    return context.backend or "cpu"


def reference(context: Context) -> dict[str, Any]:
    """Return whether the source of the comparison is fit to be one: {"sane", "problem", "positions", "finite"}."""
    found = context.services.answers(context.source, _backend(context))
    return {
        "sane": found.problem is None,
        "problem": found.problem,
        "positions": found.positions,
        "finite": found.finite,
    }


def stability(context: Context) -> dict[str, Any]:
    """Return what two runs of one file differ by: {"runs", "equal", "rel_l2"}."""
    spread = context.services.answers(context.source, _backend(context)).spread
    return {"runs": 1 if spread is None else 2, "equal": spread == 0, "rel_l2": spread}


def logits(context: Context) -> dict[str, Any]:
    """Return how far the result's logits are from the source's, and how far they may be."""
    backend, services = _backend(context), context.services
    source = services.answers(context.source, backend)
    try:
        result = services.answers(context.result, backend)
    except ChildFailure as failure:
        if failure.outcome != "error" or failure.unavailable:
            raise
        return {"positions": 0, "loaded": False, "problem": failure.reason}
    a, b = source.logits(), result.logits()
    if any(x.shape != y.shape for x, y in zip(a, b, strict=True)):
        return {"positions": 0, "loaded": False, "problem": "the result's logits have another vocabulary"}
    weights = tensors(context)
    exact = weights["equal"] == weights["compared"] > 0
    # tensors that differ have no say in how far logits may stray: what they were allowed has
    eps = weights["eps_allowed"] if weights["differ"] else weights["eps"]
    wanted = not exact and eps > tolerance.SAME_ARITHMETIC
    constant = services.constant(context.source, backend) if wanted else None
    bound = tolerance.logits_bound(exact=exact, eps=eps, constant=constant)
    mean, high = metrics.kl_summary(a, b)
    distance = metrics.rel_l2(a, b)
    # where tensors differ they say themselves what is wrong
    apart = not weights["differ"] and bound.limit is not None and not distance <= bound.limit
    sides = (context.source, backend), (context.result, backend)
    departure = departs(services, *sides, limit=bound.limit) if apart else {}
    return {
        "positions": source.positions, "prompts": len(a), "rel_l2": distance, "nmse": metrics.nmse(a, b),
        "kl_mean": mean, "kl_p99": high, "top1": metrics.top1(a, b), "bound": bound.limit, "expected": bound.words,
        "bound_reason": bound.reason, "calibration": {"A": constant, "eps": eps} if constant else None,
        "by_position": metrics.nmse_by_position(a, b)[:16], **departure,
    }  # fmt: skip


def departs(services: Services, a: tuple[Path, str], b: tuple[Path, str], *, limit: float | None) -> dict[str, Any]:
    """Return where the hidden states of two models on their backends part: {"first_layer", "departs_at"}.

    `first_layer` is None when the embeddings part already, or nothing does before the head.
    """
    x, y = services.hidden(*a), services.hidden(*b)
    if x.shape != y.shape:
        return {"first_layer": None, "departs_at": "hidden states of other shapes"}
    least = max(limit or 0.0, tolerance.TWO_ENGINES)
    first = next((i for i, (one, other) in enumerate(zip(x, y, strict=True)) if not _near(one, other, least)), len(x))
    if 0 < first < len(x):
        return {"first_layer": first - 1, "departs_at": f"the output of layer {first - 1}"}
    return {"first_layer": None, "departs_at": "the embeddings" if first == 0 else "the output head"}


def _near(a: Any, b: Any, least: float) -> bool:
    return metrics.rel_l2([a], [b]) <= least


def generation(context: Context) -> dict[str, Any]:
    """Return greedy tokens of result and source for the first prompt, and whether the first departure was close."""
    backend, services = _backend(context), context.services
    source = services.answers(context.source, backend)
    result = services.answers(context.result, backend)
    ids, wanted = list(result.generated[0]), list(source.generated[0])
    first = next((i for i, (x, y) in enumerate(zip(ids, wanted, strict=False)) if x != y), None)
    near = first is not None and _close(source.top5[0], result.top5[0], ids, wanted, first)
    report = services.report(context.source, context.result)
    return {
        "ids": ids, "reference_ids": wanted, "divergence_in_top5": near, "modality": context.modality,
        "exact": all(t.rel_rmse == 0 for t in report.tensors),
        "prompt": services.prompts[1 % len(services.prompts)].text,
    }  # fmt: skip


def _close(a: Any, b: Any, ids: list[int], wanted: list[int], at: int) -> bool:
    """Tell whether each side's token is among the other's five likeliest where they first part."""
    return at < min(len(a), len(b)) and ids[at] in a[at] and wanted[at] in b[at]


def backend_pair(context: Context) -> dict[str, Any]:
    """Return how far one file's logits on GPU are from those on CPU."""
    a = context.services.answers(context.result, "cpu").logits()
    b = context.services.answers(context.result, "gpu").logits()
    bound, distance = tolerance.backend_bound(), metrics.rel_l2(a, b)
    sides = (context.result, "cpu"), (context.result, "gpu")
    departure = {} if bound.holds(distance) else departs(context.services, *sides, limit=bound.limit)
    return {
        "rel_l2": distance, "bound": bound.limit, "expected": bound.words, "reason": bound.reason, **departure,
    }  # fmt: skip


def performance(context: Context) -> dict[str, Any]:
    """Return the result's throughput as a share of the source's, both measured in this run."""
    backend = _backend(context)
    seconds = [context.services.answers(path, backend).seconds["logits"] for path in (context.source, context.result)]
    return {"measure": "throughput", "ratio": seconds[0] / max(seconds[1], 1e-9), "least": 0.5}
