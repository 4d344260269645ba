"""One finding with all that belongs to its issue: failing gates, rivals, companions, experiments. Pure."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.records import CauseKind, Evidence, Finding, Outcome
from bot.report import repeat
from bot.report.heat import Heat, heat, number
from bot.report.rows import BROKEN, GateRow, is_chain, is_direct
from bot.triage import hypotheses as catalogue
from bot.triage.judge import Judgement

REFUTED = "REFUTED"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One line of the checklist: what was claimed, what would refute it and what came of it."""

    id: str
    slug: str
    standing: str  # HIGH, MEDIUM, LOW, or REFUTED
    claim: str
    falsified_if: str
    result: str  # with its numbers
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    fix_hint: str = ""
    kind: CauseKind = CauseKind.DEFECT


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Rows that failed with one message."""

    message: str
    rows: tuple[GateRow, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line to run, and why."""

    why: str
    argv: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A finding and everything its issue says."""

    finding: Finding
    direct: tuple[GateRow, ...]  # broken by this cause
    chains: tuple[GateRow, ...]  # broken by this cause, or masked by it or a companion
    others: tuple[GateRow, ...]
    held: tuple[GateRow, ...]  # direct conversions that held: where the cause is not
    elsewhere: tuple[GateRow, ...]  # direct conversions broken by something else
    failures: tuple[Failure, ...]  # messages of the rows that could not be judged
    hypotheses: tuple[Hypothesis, ...]  # by priority
    companions: tuple[Finding, ...]
    commands: tuple[Command, ...]
    heat: Heat | None
    diffs: tuple[float, ...]  # every diff measured on the failing direct gates

    @property
    def failing(self) -> tuple[GateRow, ...]:
        """Return every row that this cause broke."""
        return tuple(row for row in (*self.direct, *self.chains, *self.others) if row.outcome in BROKEN)


def story(
    finding: Finding, judgement: Judgement, all_rows: Sequence[GateRow], evidence: Mapping[str, Mapping[str, Evidence]]
) -> Story:
    """Gather what belongs to one finding."""
    others = [other for other in judgement.findings if other is not finding]
    companions = tuple(other for other in others if other.kind in {CauseKind.HARNESS, CauseKind.INFRA})
    mine = set(finding.gates) | set(finding.masked)
    beside = {cell for other in companions for cell in (*other.gates, *other.masked)}
    touched = [row for row in all_rows if mine & set(row.cells)]
    direct = tuple(row for row in touched if is_direct(row.gate) and row.outcome is not Outcome.CORROBORATED)
    chains = tuple(row for row in all_rows if is_chain(row.gate) and (mine | beside) & set(row.cells))
    every_direct = [row for row in all_rows if is_direct(row.gate) and row not in direct]
    return Story(
        finding=finding, direct=direct, chains=chains,
        others=tuple(row for row in touched if not is_direct(row.gate) and not is_chain(row.gate)),
        held=tuple(row for row in every_direct if row.outcome is Outcome.CORROBORATED),
        elsewhere=tuple(row for row in every_direct if row.outcome in BROKEN),
        failures=_failures((*direct, *chains), companions, evidence), companions=companions,
        hypotheses=tuple(_hypotheses(finding, others, judgement)),
        commands=tuple(_commands(finding, judgement, direct or chains or tuple(touched), evidence)),
        heat=heat(_map(direct or tuple(touched), evidence)),
        diffs=tuple(diff for row in direct if row.outcome in BROKEN for diff in row.diffs),
    )  # fmt: skip


def _map(touched: Iterable[GateRow], evidence: Mapping[str, Mapping[str, Evidence]]) -> Iterator[list[Any]]:
    for cell in (cell for row in touched for cell in row.cells):
        found = evidence.get(cell, {}).get("tensors")
        entries = found.data.get("map") if found else None
        yield from (entry for entry in entries or () if isinstance(entry, list))


def _failures(
    touched: Iterable[GateRow], companions: Sequence[Finding], evidence: Mapping[str, Mapping[str, Evidence]]
) -> tuple[Failure, ...]:
    grouped: dict[str, list[GateRow]] = {}
    for row in touched:
        if row.outcome in {Outcome.FALSIFIED, Outcome.CORROBORATED, Outcome.SKIPPED}:
            continue
        grouped.setdefault(_message(row, companions, evidence), []).append(row)
    return tuple(Failure(message=message, rows=tuple(group)) for message, group in grouped.items())


def _message(row: GateRow, companions: Sequence[Finding], evidence: Mapping[str, Mapping[str, Evidence]]) -> str:
    """Return the words of a failure: the line a cause was read from, else the tool's last line, else the reason."""
    behind = next((c for c in companions if c.id == row.masked_by or set(row.cells) & {*c.gates, *c.masked}), None)
    if behind and behind.line:
        return behind.line
    for cell in row.cells:
        failure = evidence.get(cell, {}).get("failure")
        tail = str(failure.data.get("stderr_tail") or failure.data.get("stdout_tail") or "") if failure else ""
        lines = [line for line in tail.splitlines() if line.strip()]
        if lines:
            return lines[-1]
    return row.worst.reason


def _hypotheses(finding: Finding, others: Sequence[Finding], judgement: Judgement) -> Iterator[Hypothesis]:
    """Yield this finding, the others that touch its gates or mask the run's, then the refuted rivals."""
    yield _standing(finding)
    mine = {*finding.gates, *finding.masked}
    harness = {CauseKind.HARNESS, CauseKind.INFRA}
    for other in others:
        if other.kind in harness or mine & {*other.gates, *other.masked}:
            yield _standing(other)
    standing = {other.id for other in judgement.findings}
    rivals = [cause for cause in dict.fromkeys(finding.refuted) if cause not in standing]
    told = [_refuted(cause, finding, judgement) for cause in rivals]
    yield from sorted(told, key=lambda rival: not rival.result)  # what was measured first, then what was ruled out


def _standing(finding: Finding) -> Hypothesis:
    return Hypothesis(
        id=finding.id, slug=finding.slug, standing=finding.confidence.value, claim=finding.claim,
        falsified_if=finding.falsified_if, result=result(finding), evidence_for=tuple(finding.evidence_for),
        evidence_against=tuple(finding.evidence_against), fix_hint=finding.fix_hint, kind=finding.kind,
    )  # fmt: skip


def result(finding: Finding) -> str:
    """Return what the experiment measured, in one sentence of numbers."""
    parts = []
    if finding.suspect:
        parts.append(f"explains {finding.explained} of {finding.suspect} suspects")
    if finding.residual_before is not None or finding.residual_after is not None:
        parts.append(f"residual {short(finding.residual_before)} → {short(finding.residual_after)}")
    if finding.noise_floor is not None:
        parts.append(f"noise floor {short(finding.noise_floor)} on tensors it does not touch")
    if finding.line_number is not None and finding.line:
        parts.append(f"read from line {finding.line_number} of the output")
    return "; ".join(parts)


def short(value: object) -> str:
    """Return a residual in three digits, a dash when it was not measured."""
    measured = number(value)
    return "—" if measured is None else re.sub(r"e([+-])0*", lambda m: "e-" if m[1] == "-" else "e", f"{measured:.3g}")


def _refuted(cause: str, finding: Finding, judgement: Judgement) -> Hypothesis:
    """Tell a rival from what its experiments recorded."""
    tried = [item.data for item in judgement.journal.experiments if item.cause == cause]
    words = _catalogue(cause)
    before, after = _best(tried, "before"), _best(tried, "after")
    before = finding.residual_before if before is None else before
    measured = f"residual {short(before)} → {short(after)}" if after is not None else ""
    return Hypothesis(
        id=cause, slug=words[0], standing=REFUTED, claim=words[1], falsified_if=words[2], result=measured,
        evidence_against=(f"{finding.id} explains the same tensors; this does not: {measured}",) if measured else (),
    )  # fmt: skip


def _catalogue(cause: str) -> tuple[str, str, str]:
    """Return slug, claim and refutation of a cause from the catalogue; empty for an id it does not know."""
    known = getattr(catalogue, "ALL", ())
    for module in known.values() if isinstance(known, Mapping) else known:
        if getattr(module, "ID", None) == cause:
            return str(module.SLUG), str(module.CLAIM), str(module.REFUTED_IF)
    return "", "", ""


def _best(tried: Iterable[Mapping[str, Any]], key: str) -> float | None:
    return min((value for data in tried if (value := number(data.get(key))) is not None), default=None)


_WHY = (
    (r"convert", "Repeat the conversion"),
    (r"diagnose", "Run every experiment on the pair again"),
    (r"diff", "Compare the tensors of the two files"),
    (r"inspect", "Look at the file's header, metadata and tensors"),
    (r"causes", "Read what this cause means and how it is tested"),
    (r"gates", "Read what the gate claims"),
    (r"run", "Run the failing gates again"),
)


def why(argv: Sequence[str]) -> str:
    """Return what a command is for, from its verb."""
    verb = next((word for word in argv[1:] if re.fullmatch(r"[a-z]+", word) and word not in {"bot", "m"}), "")
    return next((text for pattern, text in _WHY if verb == pattern), f"Ask {argv[0].rsplit('/', 1)[-1]}")


def _commands(
    finding: Finding, judgement: Judgement, touched: Sequence[GateRow], evidence: Mapping[str, Mapping[str, Evidence]]
) -> Iterator[Command]:
    """Yield the conversion that failed, the finding's own commands, and how to run the gates again."""
    converted = _conversion(touched, evidence)
    if converted:
        yield Command(why="Repeat the conversion that failed", argv=converted)
    cells, spoken = (
        [cell for row in touched for cell in row.cells],
        [word for argv in finding.commands for word in argv],
    )
    for reason, words in repeat.conversions(cells, evidence, spoken):
        yield Command(why=reason, argv=words)
    for argv in finding.commands:
        if argv:
            yield Command(why=why(argv), argv=tuple(argv))
    header = judgement.header
    again = ["requalify", "run", str(header.request.get("playbook_path") or header.playbook)]
    again += ["--toolchain", header.toolchain]
    if model := header.request.get("model_path"):
        again += ["--model", str(model)]
    plants = header.request.get("plants") or ()
    for plant in plants if isinstance(plants, list | tuple) else ():
        again += ["--plant", str(plant)]
    for gate in dict.fromkeys(row.gate for row in touched):
        again += ["--gates", gate]
    yield Command(why="Run these gates again", argv=tuple(again))
    yield Command(
        why="Read what this cause means and how it is tested", argv=("requalify", "causes", "explain", finding.id)
    )


def _conversion(touched: Iterable[GateRow], evidence: Mapping[str, Mapping[str, Evidence]]) -> tuple[str, ...]:
    for cell in (cell for row in touched for cell in row.cells):
        found = evidence.get(cell, {}).get("conversion")
        hops = found.data.get("hops") if found else None
        for hop in hops if isinstance(hops, list) else ():
            argv = hop.get("argv") if isinstance(hop, dict) else None
            if isinstance(argv, list) and argv:
                return tuple(str(word) for word in argv)
    return ()
