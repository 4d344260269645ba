"""Turns a judgement into what the lifecycle decides on: one `Seen` for each root cause, rendered. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from bot.github import key
from bot.github.history import Good, History, changed
from bot.github.messages import span
from bot.github.model import Held, Issue, Run, Seen
from bot.journal import Header
from bot.records import Finding, Outcome, Severity, Verdict
from bot.report import render
from bot.report.markdown import Md
from bot.report.rows import BROKEN
from bot.report.story import Story
from bot.report.view import View
from bot.triage.judge import Judgement

BODY = 30_000  # characters of the report in an issue: the state, the rows and people's words need room too
RELATED = 8


def completed(judged: Judgement, run: Run) -> Judgement:
    """Return the judgement with the commit the event speaks of, whatever the journal says."""
    return dataclasses.replace(judged, header=dataclasses.replace(judged.header, commit=run.sha))


def held(verdicts: Iterable[Verdict]) -> dict[str, Held]:
    """Return how every cell fared."""
    return {v.cell.id: Held(outcome=v.outcome, definition=v.definition) for v in verdicts}


def seen(
    told: View, run: Run, history: History, issues: Sequence[Issue] = (), waived: Mapping[str, str] | None = None
) -> tuple[Seen, ...]:
    """Return one Seen for each root cause of a run, of several findings with one key the first and all cells."""
    maker = _Maker(told, run, history, issues, waived or {})
    adopted = key.adopted([maker.seen(finding) for finding in told.findings], issues)
    found: dict[str, tuple[Seen, Finding]] = {}
    for made, finding in zip(adopted, told.findings, strict=True):
        known = found.get(made.key)
        found[made.key] = (_joined(known[0], made), known[1]) if known else (made, finding)
    return tuple(maker.told_of(made, finding) for made, finding in found.values())


def _joined(one: Seen, other: Seen) -> Seen:
    return dataclasses.replace(
        one,
        cells={**one.cells, **other.cells},
        outcomes={**one.outcomes, **other.outcomes},
        severe=one.severe or other.severe,
        waived=one.waived if other.waived else None,
    )


class _Maker:
    def __init__(
        self, told: View, run: Run, history: History, issues: Sequence[Issue], waived: Mapping[str, str]
    ) -> None:
        self.told, self.run, self.history, self.issues, self.waived = told, run, history, issues, waived
        self.by_id = {verdict.cell.id: verdict for verdict in told.verdicts}
        self.stories = {id(story.finding): story for story in told.stories}

    def seen(self, finding: Finding) -> Seen:
        broken = [self.by_id[cell] for cell in finding.gates if self.broken(cell)]
        identity = key.key(key.parts(finding, self.told.verdicts, self.told.toolchain))
        good = self.history.last_good(self.told.model, self.told.toolchain, [v.cell.id for v in broken])
        return Seen(
            key=identity, cause=finding.id, kind=finding.kind, confidence=finding.confidence, model=self.told.model,
            toolchain=self.told.toolchain, cells={v.cell.id: v.definition for v in broken},
            outcomes={v.cell.id: v.outcome for v in broken}, severe=any(map(_severe, broken)),
            title=finding.id, body="",
            refuted=frozenset(finding.refuted), waived=self.excuse(broken), good_sha=good.sha if good else None,
            since=self.since(good),
        )  # fmt: skip

    def told_of(self, made: Seen, finding: Finding) -> Seen:
        """Return a Seen with the title and text of its issue."""
        story = self.stories.get(id(finding))
        title, body = self.text(story, made.key) if story else (made.title, made.body)
        return dataclasses.replace(made, title=title, body=body)

    def broken(self, cell: str) -> bool:
        return cell in self.by_id and self.by_id[cell].outcome in BROKEN

    def excuse(self, broken: Sequence[Verdict]) -> str | None:
        """Return the waivers of a cause when every gate it breaks is waived."""
        excuses = [self.waived.get(verdict.cell.id) for verdict in broken]
        given = dict.fromkeys(excuse for excuse in excuses if excuse)
        return "; ".join(given) if broken and all(excuses) else None

    def since(self, good: Good | None) -> tuple[str, ...]:
        return changed(good, environment(self.told)) if good else ()

    def text(self, story: Story, identity: str) -> tuple[str, str]:
        context = render.Context(
            held=frozenset(cell for cell, v in self.by_id.items() if v.outcome is Outcome.CORROBORATED),
            related=tuple(self.related(story.finding, identity)),
            run_url=self.run.url,
        )
        return render.issue(self.told, story, context, limit=BODY)

    def related(self, finding: Finding, identity: str) -> list[Md]:
        """Return the other open issues of this cause, or of gates this one breaks too."""
        cells, lines = set(finding.gates), []
        for issue in self.issues:
            state = issue.state
            if state is None or not issue.open or state.key == identity:
                continue
            same = state.cause == finding.id
            if same or any(row.cell in cells for row in state.rows):
                lines.append(Md(f"Related: #{issue.number} ({'same cause' if same else span(state.cause)})"))
        return lines[:RELATED]


def environment(told: View) -> dict[str, str]:
    """Return what a run was made with, as `since` compares it; nothing that names a machine or a person."""
    return {name[:80]: value[:160] for name, value in told.environment[:40]}


def _severe(verdict: Verdict) -> bool:
    """Return whether a failure is a crash, or wrong output without an error: both are filed when first seen."""
    return verdict.outcome is Outcome.CRASHED or (
        verdict.outcome is Outcome.FALSIFIED and verdict.severity is Severity.P0
    )


def part(header: Header) -> str:
    """Return the name of a playbook, fit for a check's name."""
    name = header.playbook.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in name if sign.isascii())
    return kept.removesuffix(".yaml").removesuffix(".playbook")[:80] or "playbook"
