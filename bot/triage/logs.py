"""Says what a failed command's output points at, by the rules of `logrules.toml`; nothing where it says nothing."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.records import CauseKind, Confidence
from bot.triage import hypotheses, logtext
from bot.triage.logrules import Pattern, Rule, When, load
from bot.triage.logtext import Line

# what Windows reports in the place of a signal
_STATUS = {0xC0000005: 11, 0xC0000409: 6, 0xC000001D: 4, 0xC0000094: 8}
_SIGNALS = frozenset({4, 5, 6, 7, 8, 9, 11, 15})
_RUNNER = re.compile(r"(?:Error: )?Process completed with exit code (\d{1,10})\.?$")
_WRONG_VERDICT = "HARNESS-004"


@dataclass(frozen=True, slots=True)
class LogContext:
    """What is known of the command besides its output."""

    command: str = ""
    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    gate: str = ""
    backend: str = ""

    @property
    def died_of(self) -> int | None:
        """Return the signal that ended the command, however it was reported."""
        code = self.exit_code
        if self.signal is not None or code is None:
            return self.signal
        signal = _STATUS.get(code & 0xFFFFFFFF, -code if code < 0 else code - 128)
        return signal if signal in _SIGNALS else None

    @property
    def succeeded(self) -> bool:
        """Return whether the command claims success."""
        return self.exit_code == 0 and self.signal is None and not self.timed_out


@dataclass(frozen=True, slots=True)
class LogCause:
    """A cause a log points at, with the line that says so; no line when exit status or signal say it."""

    id: str
    slug: str
    kind: CauseKind
    confidence: Confidence
    line: str | None
    line_number: int | None
    captures: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the cause as `triage-log --json` prints it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class _Log:
    lines: Sequence[Line]  # the last one first
    telling: Sequence[Line]  # those that may say something to a rule


@dataclass(frozen=True, slots=True)
class _Hit:
    rule: Rule
    line: Line | None
    captures: Mapping[str, str]


def triage(text: str, context: LogContext | None = None) -> tuple[LogCause, ...]:
    """Return the causes a log points at, best first; empty when it points at none."""
    log, context = _read(text, context or LogContext())
    rules = load().rules
    hits = [hit for rule in rules if not rule.fallback and (hit := _hit(rule, log, context))]
    contradicted = context.succeeded and any(hit.rule.cause == _WRONG_VERDICT for hit in hits)
    if contradicted:
        # the tool says success and its text says failure: then the text is read as that of a failure
        failed = dataclasses.replace(context, exit_code=None)
        hits += [hit for rule in rules if not rule.success and (hit := _hit(rule, log, failed))]
    elif not hits:
        hits = [hit for rule in rules if rule.fallback and (hit := _hit(rule, log, context))]
    return _answer(sorted(hits, key=lambda hit: _order(hit, contradicted)))


def fires(rule: Rule, text: str, context: LogContext) -> bool:
    """Return whether one rule recognises a log, whatever the others say."""
    log, context = _read(text, context)
    return _hit(rule, log, context) is not None


def _read(text: str, context: LogContext) -> tuple[_Log, LogContext]:
    """Read a log; where nobody told the exit code, the runner's last line does."""
    lines = logtext.read(text, context.command)
    if context.exit_code is None and context.signal is None and not context.timed_out:
        found = next((int(found[1]) for line in lines if (found := _RUNNER.match(line.body))), 0)
        context = dataclasses.replace(context, exit_code=found or None)
    rules = load()
    return _Log(lines, [line for line in lines if rules.concern(line)]), context


def _hit(rule: Rule, log: _Log, context: LogContext) -> _Hit | None:
    if (context.succeeded and not rule.success) or not _fits(rule.when, context):
        return None
    hit: _Hit | None = _Hit(rule, None, {})
    if rule.patterns:
        lines = log.lines if rule.names else log.telling
        hit = next((found for line in lines if (found := _on_line(rule, line))), None)
    if hit is None or any(_anywhere(pattern, log.telling) for pattern in rule.unless):
        return None
    return hit if all(_anywhere(pattern, log.telling) for pattern in rule.requires) else None


def _on_line(rule: Rule, line: Line) -> _Hit | None:
    for pattern in rule.patterns:
        found = pattern.find(line, line.legible if rule.names else line.body)
        if found and not any(other.find(line, line.text[line.start :]) for other in rule.unless_line):
            spans = {name: found.span(name) for name, value in found.groupdict().items() if value is not None}
            return _Hit(rule, line, {name: line.original(*span) for name, span in spans.items()})
    return None


def _anywhere(pattern: Pattern, lines: Iterable[Line]) -> bool:
    return any(pattern.find(line, line.body) for line in lines)


def _fits(when: When, context: LogContext) -> bool:
    wrong_exit = when.exit_if_known is not None and context.exit_code is not None
    return (
        (when.exit is None or context.exit_code in when.exit)
        and not (wrong_exit and context.exit_code not in (when.exit_if_known or ()))
        and (when.signal is None or context.died_of in when.signal)
        and (when.timed_out is None or context.timed_out is when.timed_out)
        and (when.command is None or when.command.search(context.command) is not None)
        and (when.gate is None or when.gate.search(context.gate) is not None)
        and (when.backend is None or context.backend in when.backend)
    )


def _order(hit: _Hit, contradicted: bool) -> tuple[bool, int, int]:
    wrong_verdict = contradicted and hit.rule.cause == _WRONG_VERDICT
    return (not wrong_verdict, -hit.rule.rank, -(hit.line.number if hit.line else 0))


def _answer(hits: Sequence[_Hit]) -> tuple[LogCause, ...]:
    """Return one cause for each id: what the rules say, in their order, then what the same words would also fit."""
    known = load()
    explained: set[str] = set().union(*(known.explains.get(hit.rule.cause, frozenset()) for hit in hits))
    chosen: dict[str, _Hit] = {}
    for hit in hits:
        if hit.rule.cause not in explained:
            chosen.setdefault(hit.rule.cause, hit)
    made = {cause: _cause(hit, cause, hit.rule.confidence) for cause, hit in chosen.items()}
    for hit in chosen.values():
        for rival in hit.rule.rivals:
            if rival not in explained:
                made.setdefault(rival, _cause(hit, rival, Confidence.LOW))
    return tuple(made.values())


def _cause(hit: _Hit, cause: str, confidence: Confidence) -> LogCause:
    known, line = hypotheses.ALL[cause], hit.line
    return LogCause(
        id=cause, slug=known.SLUG, kind=known.KIND, confidence=confidence, line=line.text.strip() if line else None,
        line_number=line.number if line else None, captures=dict(hit.captures),
    )  # fmt: skip
