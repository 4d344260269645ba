"""Measures tensors of source and result against each other."""

import math
from typing import Any

import numpy as np

from bot.compare.diff import Agreement, DiffReport, heat
from bot.probes._base import Context

LISTED = 200


def tensors(context: Context) -> dict[str, Any]:
    """Return counts by verdict, what is missing, the worst relative RMS error with its budget, and the heat map."""
    report = context.services.report(context.source, context.result)
    finite = [t for t in report.tensors if t.rel_rmse is not None]
    worst = max(finite, key=lambda t: math.inf if math.isnan(t.rel_rmse or 0.0) else (t.rel_rmse or 0.0), default=None)
    lossy = [t for t in finite if t.verdict is Agreement.WITHIN_BUDGET]
    errors = [(t.rel_rmse or 0.0, t.tolerance, math.prod(t.shape)) for t in finite if math.isfinite(t.rel_rmse or 0.0)]
    total = sum(size for _, _, size in errors) or 1
    return {
        "compared": len(report.tensors), "equal": report.counted(Agreement.EQUAL), "within_budget": len(lossy),
        "differ": report.counted(Agreement.DIFFERS), "missing": list(report.missing_in_b)[:LISTED],
        "unexpected": list(report.missing_in_a)[:LISTED], "worst_rel_rmse": worst.rel_rmse if worst else None,
        "worst_tensor": worst.name if worst else None, "budget": worst.tolerance if worst else None,
        "budget_reason": worst.tolerance_reason if worst else None,
        "eps": math.sqrt(sum(found**2 * size for found, _, size in errors) / total),
        "eps_allowed": math.sqrt(sum(allowed**2 * size for _, allowed, size in errors) / total),
        "differing": [t.name for t in report.tensors if t.verdict is Agreement.DIFFERS][:LISTED],
        "degenerate": _degenerate(context, report), "map": heat(report),
    }  # fmt: skip


def _degenerate(context: Context, report: DiffReport) -> list[str]:
    """Return the differing tensors that became zero, constant or not a number, and were not so before."""
    a, b = context.services.view(context.source), context.services.trusting(context.result, context.source)
    found = []
    for t in report.tensors:
        if t.verdict is not Agreement.DIFFERS or t.name not in b.tensors or t.name not in a.tensors:
            continue
        info = b.tensors[t.name].info
        if info.count and not info.nbytes:
            found.append(f"{t.name}: no bytes")
        elif (what := _what(b.values(t.name))) and not _what(a.values(t.name)):
            found.append(f"{t.name}: {what}")
    return found[:LISTED]


def _what(values: np.ndarray[Any, np.dtype[np.float32]]) -> str | None:
    if not np.isfinite(values).all():
        return "not finite"
    if values.size > 1 and values.min() == values.max():
        return "all zero" if values.flat[0] == 0 else "constant"
    return None


def bytes_equal(context: Context) -> dict[str, Any]:
    """Return how many tensors of one name are stored by other bytes, another type or another shape."""
    a, b = (context.services.view(path).checkpoint for path in (context.source, context.result))
    names = sorted({*a.tensors, *b.tensors})
    different = []
    for name in names:
        x, y = a.tensors.get(name), b.tensors.get(name)
        same = x is not None and y is not None and (x.dtype, x.shape, x.nbytes) == (y.dtype, y.shape, y.nbytes)
        if not same or not np.array_equal(a.raw(name), b.raw(name)):
            different.append(name)
    return {"compared": len(names), "differ": len(different), "differing": different[:LISTED]}
