"""The pieces pages are laid out from: tables, lists and lines, as Markdown. Pure."""

import itertools
import math
from collections.abc import Iterable, Sequence

from bot.records import Finding, Outcome, Verdict
from bot.report.budget import Detail, most
from bot.report.heat import Heat, picture
from bot.report.heat import number as measured
from bot.report.markdown import DASH, Md, bullets, code, cut, fence, number, prose, shell, table
from bot.report.rows import BROKEN, GateRow
from bot.report.story import Command, Failure, Hypothesis, Story, short
from bot.report.view import Unjudged, View

WORDS = {
    Outcome.CORROBORATED: "held",
    Outcome.FALSIFIED: "falsified",
    Outcome.CRASHED: "crashed",
    Outcome.TIMEOUT: "timed out",
    Outcome.ERROR: "error",
    Outcome.NO_EVIDENCE: "no evidence",
    Outcome.SKIPPED: "skipped",
}


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def more(left: int, what: str) -> list[str]:
    """Return the line that says what was left out, or nothing."""
    return [f"… and {left} more {what}; the run's report has them all."] if left else []


def paragraphs(parts: Iterable[str]) -> Md:
    """Join what there is with blank lines."""
    return Md("\n\n".join(part for part in parts if part))


def counts_line(view: View) -> Md:
    """Return how many cells had which outcome, worst first."""
    if not view.planned:
        return Md("Nothing was planned.")
    return Md(", ".join(f"{count} {WORDS[outcome]}" for outcome, count in view.counts) + f" (of {view.planned})")


def score_line(view: View) -> Md:
    """Return the score as people quote it."""
    score = view.score
    if score.mqs is None:
        return Md(f"MQS — (no score: {prose(score.note or score.status, 300)})")
    return Md(f"MQS {score.mqs}/1000 (Grade {prose(score.grade, 20)}, {prose(score.status, 60)})")


def account(view: View, detail: Detail) -> Md:
    """Return the score's account, one line for each deduction."""
    shown, left = most(view.score.deductions, detail.rows)
    rows = [(prose(item.reason, detail.text), Md(str(item.points))) for item in shown]
    note = prose(view.score.note, detail.text) if view.score.note else ""
    return paragraphs([table(("Deduction", "Points"), rows) if rows else "", *more(left, "deductions"), note])


def reading(verdict: Verdict | None) -> Md:
    """Return one measured diff; where none was, a dash and why."""
    if verdict is None:
        return Md(DASH)
    if verdict.diff is not None:
        return Md(number(verdict.diff))
    return Md(
        DASH if verdict.outcome in {Outcome.CORROBORATED, Outcome.FALSIFIED} else f"{DASH} {WORDS[verdict.outcome]}"
    )


def diff(verdict: Verdict | None) -> Md:
    """Return one measured diff, for tables that tell the outcome in a column of its own."""
    return Md(number(verdict.diff if verdict else None))


def tensors(row: GateRow, text: int) -> Md:
    """Return the tensor verdict of a row."""
    facts = row.tensors
    if not facts:
        return Md(DASH)
    compared, differ = facts.get("compared"), facts.get("differ")
    if not isinstance(compared, int) or not isinstance(differ, int):
        return Md(DASH)
    parts = [f"{differ} of {compared} differ"]
    if (worst := measured(facts.get("worst_rel_rmse"))) is not None and differ:
        parts.append(f"worst {short(worst)}")
        if name := facts.get("worst_tensor"):
            parts.append(f"in {code(name, text)}")
    if (budget := measured(facts.get("budget"))) is not None:
        parts.append(f"budget {short(budget)}")
    return Md(", ".join(parts))


def direct_table(rows: Sequence[GateRow], detail: Detail) -> Md:
    """Return the table of direct conversions, its diffs beside the tensors of the same pair."""
    shown, left = most(rows, detail.rows)
    headers = ("Gate ID", "Conversion", "CPU Diff", "GPU Diff", "Expected", "Tensors")
    body = [
        (
            code(row.gate, detail.text),
            prose(row.conversion, detail.text),
            reading(row.on("cpu")),
            reading(row.on("gpu")),
            prose(row.expected or "", detail.text),
            tensors(row, detail.text),
        )
        for row in shown
    ]
    return paragraphs([table(headers, body), *more(left, "gates")])


def gate_table(view: View, detail: Detail) -> Md:
    """Return one table of all that failed or could not be judged, worst first: what a pull request is shown."""
    shown, left = most((*view.failing, *view.missing), detail.rows)
    body = [
        (
            code(row.gate, detail.text),
            prose(row.conversion, detail.text),
            diff(row.on("cpu")),
            diff(row.on("gpu")),
            prose(row.expected or "", detail.text),
            status(row),
        )
        for row in shown
    ]
    headers = ("Gate ID", "Conversion", "CPU Diff", "GPU Diff", "Expected", "Result")
    return paragraphs([table(headers, body), *more(left, "gates")])


def names(rows: Sequence[GateRow], detail: Detail) -> Md:
    """Return gates by name, in one line."""
    shown, left = most(rows, detail.rows)
    listed = ", ".join(f"{code(row.gate, detail.text)} ({prose(row.conversion, detail.text)})" for row in shown)
    return Md(listed + (f" and {left} more" if left else ""))


def known(rows: Sequence[tuple[GateRow, str]], detail: Detail) -> Md:
    """Return known failures, each with its issue."""
    shown, left = most(rows, detail.rows)
    lines = []
    for row, where in shown:
        link = where if isinstance(where, Md) else prose(where, detail.text)
        lines.append(Md(f"{code(row.gate, detail.text)} ({prose(row.conversion, detail.text)}): {link}"))
    return paragraphs([bullets(lines), *more(left, "known failures")])


def status(row: GateRow) -> Md:
    """Return a row's outcome, and behind what it is masked."""
    word = WORDS[row.outcome]
    return Md(f"{word}, masked by {prose(row.masked_by)}" if row.masked_by else word)


def chain_table(rows: Sequence[GateRow], detail: Detail) -> Md:
    """Return the table of round trips and chains."""
    shown, left = most(rows, detail.rows)
    body = [
        (
            code(row.gate, detail.text),
            prose(row.test, detail.text),
            status(row),
            diff(row.on("cpu")),
            diff(row.on("gpu")),
            prose(row.expected or "", detail.text),
        )
        for row in shown
    ]
    return paragraphs(
        [table(("Gate ID", "Test", "Result", "CPU Diff", "GPU Diff", "Expected"), body), *more(left, "gates")]
    )


def other_table(rows: Sequence[GateRow], detail: Detail) -> Md:
    """Return the table of gates that are no conversion."""
    shown, left = most(rows, detail.rows)
    body = [
        (
            code(row.gate, detail.text),
            Md(row.severity.value),
            prose(row.conversion, detail.text),
            backends(row),
            status(row),
            prose(row.worst.reason, detail.text),
        )
        for row in shown
    ]
    return paragraphs([table(("Gate ID", "Severity", "On", "Backend", "Result", "Reason"), body), *more(left, "gates")])


def backends(row: GateRow) -> Md:
    """Return the backends of a row."""
    names = dict.fromkeys(v.cell.backend for v in row.verdicts if v.cell.backend)
    return prose(", ".join(names))


def reasons(rows: Sequence[GateRow], detail: Detail) -> Md:
    """Return why each broken row broke, in the gate's own words."""
    broken, left = most([row for row in rows if row.outcome in BROKEN and row.worst.reason], detail.items)
    lines = [Md(f"{code(row.gate, detail.text)}: {prose(row.worst.reason, detail.text)}") for row in broken]
    return paragraphs([bullets(lines), *more(left, "reasons")])


def failures(found: Sequence[Failure], detail: Detail) -> Md:
    """Return the messages of rows that could not run: one fence each, one alone when all are alike."""
    shown, left = most(found, detail.items)
    parts: list[str] = []
    for failure in shown:
        gates, rest = most(failure.rows, detail.rows)
        names = ", ".join(code(row.gate, detail.text) for row in gates) + (f" and {rest} more" if rest else "")
        alike = len(found) == 1 and len(failure.rows) > 1
        parts.append(f"All {len(failure.rows)} fail with the identical error:" if alike else f"{names}:")
        parts.append(fence(failure.message, limit=detail.block))
    return paragraphs([*parts, *more(left, "messages")])


def finding_line(finding: Finding, detail: Detail) -> Md:
    """Return a finding in one line."""
    numbers = f"explains {finding.explained} of {finding.suspect}" if finding.suspect else ""
    if finding.residual_after is not None:
        numbers += (
            f"{', ' if numbers else ''}residual {short(finding.residual_before)} → {short(finding.residual_after)}"
        )
    facts = [
        finding.confidence.value,
        *([numbers] if numbers else []),
        *([f"at {prose(finding.pattern, detail.text)}"] if finding.pattern else []),
    ]
    return Md(f"**{prose(finding.id)}** {prose(finding.slug.replace('-', ' '), detail.text)} ({'; '.join(facts)})")


def unjudged_list(groups: Sequence[Unjudged], detail: Detail) -> Md:
    """Return what could not be judged and why."""
    shown, left = most(groups, detail.items)
    lines = []
    for group in shown:
        cells, rest = most(group.cells, min(detail.rows, 12))
        names = ", ".join(code(name, detail.text) for name in cells) + (f" and {rest} more" if rest else "")
        masked = f", masked by {prose(group.masked_by, detail.text)}" if group.masked_by else ""
        lines.append(Md(f"{WORDS[group.outcome]}{masked}: {prose(group.reason, detail.text)} ({names})"))
    return paragraphs([bullets(lines), *more(left, "reasons")])


def verdict_on(hypothesis: Hypothesis) -> str:
    """Return what became of a hypothesis, in the words it has earned."""
    return {
        "HIGH": "**Stands** (HIGH)",
        "MEDIUM": "**Stands in part** (MEDIUM)",
        "LOW": "**Consistent, untested** (LOW)",
        "REFUTED": "**Refuted**",
    }[hypothesis.standing]


def checklist(items: Sequence[Hypothesis], detail: Detail) -> Md:
    """Return the falsification checklist: a table for each hypothesis."""
    shown, left = most(items, detail.items)
    parts = []
    for item in shown:
        measured_words = f": {prose(item.result, detail.text)}" if item.result else ""
        rows = [
            (Md("Hypothesis"), prose(item.claim, detail.text)),
            (Md("Falsified if"), prose(item.falsified_if, detail.text)),
            (Md("Result"), Md(verdict_on(item) + measured_words)),
        ]
        slug = f": {prose(item.slug.replace('-', ' '), detail.text)}" if item.slug else ""
        parts += [f"### {prose(item.id, detail.text)}{slug}", table(("Item", "Status"), rows)]
    return paragraphs([*parts, *more(left, "hypotheses")])


def hypotheses(items: Sequence[Hypothesis], detail: Detail) -> Md:
    """Return the hypotheses by priority, each with what speaks for and against it."""
    shown, left = most(items, detail.items)
    lines = []
    for place, item in enumerate(shown, 1):
        ours = {"harness": " (ours, not the converter's)", "infra": " (the machine's, not the converter's)"}.get(
            item.kind, ""
        )
        slug = f" {prose(item.slug.replace('-', ' '), detail.text)}" if item.slug else ""
        claim = f": {prose(item.claim, detail.text)}" if item.claim else ""
        lines.append(
            f"{place}. **H{place} ({item.standing})**: {prose(item.id, detail.text)}{slug}{ours}{claim}".rstrip()
        )
        for label, sentences in (("For", item.evidence_for), ("Against", item.evidence_against)):
            kept, rest = most(sentences, detail.arguments)
            lines += [f"   - {label}: {prose(sentence, detail.text)}" for sentence in kept]
            lines += [f"   - {label}: {rest} more"] if rest else []
        if item.standing == "REFUTED" and not item.evidence_against:
            words = "its experiment found nothing of what it predicts, or did not restore the tensors"
            lines.append(f"   - Against: {words}")
        if item.fix_hint and item.standing != "REFUTED":
            lines.append(f"   - Fix: {prose(item.fix_hint, detail.text)}")
    return paragraphs(["\n".join(lines), *more(left, "hypotheses")])


def commands(items: Sequence[Command], detail: Detail) -> Md:
    """Return numbered commands that run as printed."""
    fitting = (item for item in items if len(shell(item.argv)) <= detail.block)
    shown = list(itertools.islice(fitting, detail.items))
    lines = [f"# {place}. {cut(item.why, 200)}\n{shell(item.argv)}" for place, item in enumerate(shown, 1)]
    block = fence("\n\n".join(lines), "bash", limit=1 << 20) if lines else ""
    return paragraphs([block, *more(len(items) - len(shown), "commands")])


def heat_block(heat_map: Heat | None, detail: Detail) -> Md:
    """Return the heat map in a fence."""
    return fence(picture(heat_map), "text", limit=12_000) if heat_map and detail.heat else Md("")


def environment(view: View, detail: Detail) -> Md:
    """Return what was tested with what."""
    lines: list[Md] = [
        Md(f"Model: {code(view.model, detail.text)}"),
        Md(f"Playbook: {code(view.playbook, detail.text)} ({prose(view.tier, detail.text)})"),
        Md(f"Toolchain: {prose(view.toolchain, detail.text)}"),
        Md(f"Commit: {code(view.commit, detail.text) if view.commit else DASH}"),
        Md(f"MQS Score: {score_line(view).removeprefix('MQS ')}"),
    ]
    return bullets([*lines, *_facts(view.environment, detail)])


def facts(pairs: Sequence[tuple[str, str]], detail: Detail) -> Md:
    """Return facts of a machine, a line each."""
    return bullets(_facts(pairs, detail))


def _facts(pairs: Sequence[tuple[str, str]], detail: Detail) -> list[Md]:
    kept, _ = most(pairs, detail.environment)
    return [Md(f"{prose(key, detail.text)}: {prose(value, detail.text)}") for key, value in kept]


def range_words(story: Story) -> str:
    """Return the measured range of the failing direct gates, as the title prints it; empty without any."""
    finite = [diff for diff in story.diffs if diff == diff and diff not in {float("inf"), float("-inf")}]  # noqa: PLR0124
    if len(finite) < len(story.diffs) and not finite:
        return "diff not finite"
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    if high < 0.01:
        ends = dict.fromkeys((number(low), number(high)))
        return "-".join(ends) + " diff"
    ends = dict.fromkeys((_percent(low), _percent(high)))
    return "-".join(ends) + "% diff"


def _percent(value: float) -> str:
    return f"{math.floor(value * 100)}" if value >= 0.01 else f"{value * 100:.1g}"
