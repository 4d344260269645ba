"""Findings from what failed steps said: the rules of plane L applied to recorded output. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.journal import Journal, by_cell
from bot.records import CauseKind, Confidence, Evidence, Finding, Outcome, Verdict
from bot.triage import hypotheses, logs
from bot.triage.hypotheses import _base
from bot.triage.logs import LogCause, LogContext

NOT_LEARNT = frozenset({Outcome.ERROR, Outcome.NO_EVIDENCE})


def findings(journal: Journal, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """Yield one finding for each cause that failed steps point at, with the cells it broke and those behind it."""
    recorded = by_cell(journal.evidence)
    grouped: dict[str, list[tuple[Verdict, LogCause, list[str]]]] = defaultdict(list)
    seen: dict[str, tuple[LogCause, ...]] = {}
    for verdict in verdicts:
        failure = recorded.get(verdict.cell.id, {}).get("failure")
        if failure is None or (causes := _causes(failure, verdict, seen)) == ():
            continue
        grouped[causes[0].id].append((verdict, causes[0], [cause.id for cause in causes[1:4]]))
    for cause, items in grouped.items():
        if cause in hypotheses.ALL:
            yield _finding(cause, items)


def _causes(failure: Evidence, verdict: Verdict, seen: dict[str, tuple[LogCause, ...]]) -> tuple[LogCause, ...]:
    """Return what a failure points at: the file's own faults, else its output; each output is read once."""
    if faults := list(_faults(failure.data)):
        return tuple(faults)
    data = failure.data
    text = "\n".join(words for key in ("stdout_tail", "stderr_tail") if (words := _base.word(data.get(key))))
    text = text or _base.word(data.get("reason")) or ""
    argv = " ".join(_base.strings(data.get("argv")))
    code, signal = data.get("exit_code"), data.get("signal")
    context = LogContext(
        command=argv, exit_code=code if isinstance(code, int) else None,
        signal=signal if isinstance(signal, int) else None,
        timed_out=data.get("outcome") == "timeout", gate=verdict.gate, backend=verdict.cell.backend or "",
    )  # fmt: skip
    key = repr((text, context))
    if key not in seen:
        seen[key] = logs.triage(text, context)
    return seen[key]


def _faults(data: Mapping[str, Any]) -> Iterator[LogCause]:
    faults = data.get("faults")
    for fault in faults if isinstance(faults, list | tuple) else ():
        cause = fault.get("cause") if isinstance(fault, Mapping) else None
        if isinstance(cause, str) and (known := hypotheses.ALL.get(cause)):
            yield LogCause(
                id=cause, slug=known.SLUG, kind=known.KIND, confidence=Confidence.HIGH,
                line=_base.word(fault.get("detail")), line_number=None,
            )  # fmt: skip


def _finding(cause: str, items: Sequence[tuple[Verdict, LogCause, list[str]]]) -> Finding:
    known = hypotheses.ALL[cause]
    first = items[0][1]
    ours = known.KIND in {CauseKind.HARNESS, CauseKind.INFRA}
    masked = tuple(v.cell.id for v, _, _ in items if v.outcome in NOT_LEARNT or (ours and v.outcome is Outcome.TIMEOUT))
    rivals = dict.fromkeys(rival for _, _, others in items for rival in others if rival != cause)
    return Finding(
        id=cause, slug=known.SLUG, kind=known.KIND, confidence=min((c.confidence for _, c, _ in items), key=_grade),
        evidence_for=tuple(dict.fromkeys(c.line for _, c, _ in items if c.line))[:5],
        evidence_against=(f"the output also points at {', '.join(rivals)}",) if rivals else (),
        gates=tuple(v.cell.id for v, _, _ in items if v.cell.id not in masked), masked=masked,
        claim=known.CLAIM, falsified_if=known.REFUTED_IF, fix_hint=known.FIX_HINT, line=first.line,
        line_number=first.line_number, captures=dict(first.captures),
    )  # fmt: skip


def _grade(confidence: Confidence) -> int:
    return (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW).index(confidence)
