"""Writes a judgement as the JSON of `verdicts.json`. Non-finite numbers travel as strings, as in the journal."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bot.journal import by_cell
from bot.records import Finding, Outcome, Verdict
from bot.report.heat import merged
from bot.report.view import maps
from bot.triage.judge import Judgement

SCHEMA = 1
_TENSORS = ("compared", "differ", "worst_rel_rmse")


def document(judgement: Judgement) -> dict[str, Any]:
    """Return the judgement as plain JSON values."""
    header, score = judgement.header, judgement.score
    counts = Counter(verdict.outcome for verdict in judgement.verdicts)
    made = {
        "schema": SCHEMA,
        "playbook": header.playbook,
        "model": header.model,
        "toolchain": header.toolchain,
        "environment": header.environment,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "score": {
            "mqs": score.mqs, "grade": score.grade, "status": score.status, "note": score.note,
            "deductions": [{"reason": item.reason, "points": item.points} for item in score.deductions],
        },
        "gates": [gate(verdict) for verdict in judgement.verdicts],
        "commit": header.commit,
        "map": [list(entry) for entry in merged(maps(by_cell(judgement.journal.evidence)))],
        "causes": [cause(finding) for finding in judgement.findings],
        "unexplained": list(judgement.unexplained),
        "complete": judgement.journal.complete,
    }  # fmt: skip
    plain: dict[str, Any] = _plain(made)
    return plain


def verdicts_json(judgement: Judgement) -> str:
    """Return the text of `verdicts.json`."""
    return json.dumps(document(judgement), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def gate(verdict: Verdict) -> dict[str, Any]:
    """Return one verdict."""
    tensors = None if verdict.tensors is None else {key: verdict.tensors.get(key) for key in _TENSORS}
    return {
        "id": verdict.gate, "cell": verdict.cell.id, "severity": verdict.severity.value, "from": verdict.cell.source,
        "to": verdict.cell.target, "backend": verdict.cell.backend, "outcome": verdict.outcome.value,
        "chain": list(verdict.cell.chain), "metric": verdict.metric, "diff": verdict.diff, "expected": verdict.expected,
        "tensors": tensors, "definition": verdict.definition, "reason": verdict.reason, "masked_by": verdict.masked_by,
    }  # fmt: skip


def cause(finding: Finding) -> dict[str, Any]:
    """Return one finding, as `diagnose --json` spells it, with its gates."""
    made = {field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)}
    return {**made, "kind": finding.kind.value, "confidence": finding.confidence.value}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
