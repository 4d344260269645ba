"""Renders pages with jinja2, from templates beside `bot/` in a checkout or inside the wheel. Its only home.

Markdown templates print through one gate: what is not `Md` is foreign text and is escaped, so a template
cannot forget to. HTML templates use autoescape.
"""

import dataclasses
import functools
from collections.abc import Collection
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from bot import __version__
from bot.errors import UserError
from bot.records import Outcome
from bot.report import pieces
from bot.report.budget import BODY, CHECK, LADDER, STEP, TITLE, Detail, fitted, in_bytes
from bot.report.heat import picture
from bot.report.markdown import Md, bullets, code, cut, details, number, prose, table, tasks
from bot.report.redact import clean
from bot.report.rows import BROKEN, GateRow
from bot.report.story import Story
from bot.report.view import View

QUALIFIES = 800
SEVERITIES = {
    "P0": "P0 CRITICAL - blocks model qualification",
    "P1": "P1 - must be mended",
    "P2": "P2 - should be mended",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What only the place of publication knows; all of it may be missing. Strings are foreign unless `Md`."""

    held: frozenset[str] = frozenset()  # cell ids that hold now: their boxes are ticked
    since: tuple[str, ...] = ()  # last good, first bad, what changed between
    sightings: tuple[tuple[str, ...], ...] = ()  # model, formats, backend, run, commit, date
    related: tuple[str, ...] = ()
    corrections: tuple[str, ...] = ()  # claims of ours that a later run refuted
    run_url: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How a run differs from the one before it: what a pull request is told."""

    new: tuple[GateRow, ...] = ()
    known: tuple[tuple[GateRow, str], ...] = ()  # with the issue, as Markdown of ours or text
    fixed: tuple[GateRow, ...] = ()
    waived: tuple[tuple[GateRow, str], ...] = ()  # with who excused it until when
    expired: tuple[tuple[GateRow, str], ...] = ()  # excused once: fails until the waiver is renewed or taken back
    lost: tuple[GateRow, ...] = ()  # judged before, not judged now
    notes: tuple[str, ...] = ()
    base: str | None = None  # commit compared with; None when there was nothing to compare with


def templates() -> Path:
    """Return the folder of templates."""
    here = Path(__file__).resolve().parent.parent
    for folder in (here / "_templates", here.parent / "templates"):
        if (folder / "issue.md.j2").is_file():
            return folder
    raise UserError("the templates are missing", where=str(here / "_templates"), hint="install requalify again")


def _gate(value: Any) -> Any:
    return value if isinstance(value, Md | int) else prose(value)


@functools.cache
def _environment(*, html: bool) -> SandboxedEnvironment:
    made = SandboxedEnvironment(
        loader=FileSystemLoader(templates()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=html,
        finalize=None if html else _gate,
    )
    made.globals.update(version=__version__)
    return made


def page(template: str, **values: Any) -> str:
    """Render one template; runs of blank lines become one."""
    text = _environment(html=template.endswith(".html.j2")).get_template(template).render(**values)
    return text.strip("\n") + "\n"


def title(view: View, story: Story) -> str:
    """Return the title of an issue: cause, what failed, model, measured range."""
    finding = story.finding
    what = "cause unknown" if finding.id.startswith("UNKNOWN") else finding.slug.replace("-", " ")
    end = f" in {_plain(view.model_name, 100)} qualification"
    measured = pieces.range_words(story)
    head = f"{_plain(finding.id, 30)}: {_failed(story)}" + (f" ({_plain(what, 60)})" if what else "")
    return cut(f"{head}{end}{f' ({measured})' if measured else ''}", TITLE)


def _plain(text: str, limit: int) -> str:
    """Return foreign text for a title: nothing in it can mention, refer or mark up."""
    kept = "".join(sign if sign.isalnum() or sign in " .+-_()" else "-" for sign in clean(text))
    return cut(" ".join(kept.split()), limit)


def _failed(story: Story) -> str:
    gates = [row.gate for row in (story.failing or story.chains or story.others)]
    for prefix, words in (
        (("F-CONV", "F-GOLDEN"), "Conversion fidelity failures"),
        (("G0-", "F-CONTRACT", "F-INSPECT"), "Integrity failures"),
        (("G1", "G2", "G3", "G4", "F-A", "F-BACKEND"), "Inference failures"),
        (("F-PERF",), "Performance failures"),
    ):
        if any(gate.startswith(prefix) for gate in gates):
            return words
    return "Failures"


def issue(view: View, story: Story, context: Context | None = None, *, limit: int = BODY) -> tuple[str, str]:
    """Return title and body of the issue of one finding; the body has at most `limit` characters."""
    context = context or Context()

    def write(detail: Detail) -> str:
        return page("issue.md.j2", **_issue_values(view, story, context, detail))

    return title(view, story), fitted(write, limit)


def _issue_values(view: View, story: Story, context: Context, detail: Detail) -> dict[str, Any]:
    chains_masked = [row for row in story.chains if row.masked_by]
    return {
        "view": view,
        "story": story,
        "p": pieces,
        "d": detail,
        "severity": _severity(story),
        "verdict": _verdict(view, story),
        "causes": _causes(story, detail),
        "masks": sorted({row.masked_by for row in chains_masked if row.masked_by}),
        "chains_masked": chains_masked,
        "held": ", ".join(row.gate for row in story.held),
        "elsewhere": ", ".join(row.gate for row in story.elsewhere),
        "held_count": len(story.held),
        "elsewhere_count": len(story.elsewhere),
        "criteria": tasks(_criteria(view, story, context.held, detail)),
        "references": bullets(_references(view, story, context, detail)),
        "since": bullets(context.since) if context.since and detail.history else Md(""),
        "corrections": [prose(item, detail.text) for item in context.corrections[: detail.items]],
        "sightings": _sightings(context, detail),
        "model": code(view.model_name, detail.text),
    }


def _severity(story: Story) -> Md:
    worst = min((row.severity for row in (*story.failing, *story.chains, *story.others)), default=None)
    return Md(
        {
            "P0": "P0 CRITICAL - blocks model qualification",
            "P1": "P1 - must be mended",
            "P2": "P2 - should be mended",
        }.get(worst or "", "—")
    )


def _verdict(view: View, story: Story) -> Md:
    failed = sum(view.count(outcome) for outcome in BROKEN)
    mine = sum(1 for row in story.failing for verdict in row.verdicts if verdict.outcome in BROKEN)
    return Md(f"{failed} of {view.planned} cells failed, {mine} of them by this cause")


def _causes(story: Story, detail: Detail) -> Md:
    found = (story.finding, *story.companions)[: detail.items]
    return Md("\n".join(f"{place}. {pieces.finding_line(item, detail)}" for place, item in enumerate(found, 1)))


def _criteria(view: View, story: Story, held: Collection[str], detail: Detail) -> list[tuple[bool, Md]]:
    made: list[tuple[bool, Md]] = []
    failing = story.failing or story.direct or story.others
    for row in failing[: detail.items]:
        where = f" ({prose(row.conversion, detail.text)})" if row.conversion else ""
        bound = f": diff {prose(row.expected, detail.text)}" if row.expected and row.diffs else ""
        made.append((set(row.cells) <= set(held), Md(f"{code(row.gate, detail.text)}{where} holds{bound}")))
    if len(failing) > detail.items:
        rest = {cell for row in failing[detail.items :] for cell in row.cells}
        made.append((rest <= set(held), Md(f"The other {len(failing) - detail.items} failing gates hold")))
    masked = [row for row in story.chains if row.masked_by or row.outcome.value in {"error", "no-evidence"}]
    if masked:
        cells = {cell for row in masked for cell in row.cells}
        made.append(
            (
                cells <= set(held),
                Md(f"The {pieces.plural(len(masked), 'gate')} that could not be judged here run and hold"),
            )
        )
    score = view.score.mqs is not None and view.score.mqs >= QUALIFIES
    made.append((score, Md(f"{code(view.model_name, detail.text)} qualifies with MQS ≥ {QUALIFIES}")))
    return made


def _references(view: View, story: Story, context: Context, detail: Detail) -> list[Md]:
    made = [Md(f"Cause {code(story.finding.id)}: {code('requalify causes explain ' + story.finding.id)}")]
    gates = dict.fromkeys(
        (row.gate, row.worst.definition) for row in (*story.failing, *story.chains) if row.worst.definition
    )
    if gates:
        kept = list(gates)[: detail.items]
        names = ", ".join(f"{code(gate, detail.text)} {code(definition, detail.text)}" for gate, definition in kept)
        made.append(Md(f"Gate definitions this was judged by: {names}"))
    rest = [other for other in view.stories if other.finding is not story.finding][: detail.items]
    made += [Md(f"Also found in this run: {pieces.finding_line(other.finding, detail)}") for other in rest]
    if context.run_url and context.run_url.startswith("https://github.com/"):
        made.append(
            Md(
                f"Run: {context.run_url}"
                if context.run_url.isascii()
                and context.run_url.isprintable()
                and not set(context.run_url) & set("<>()[]`| \"'*")
                else f"Run: {code(context.run_url)}"
            )
        )
    if detail.related:
        made += [item if isinstance(item, Md) else prose(item, detail.text) for item in context.related[: detail.items]]
    return made


def _sightings(context: Context, detail: Detail) -> Md:
    if not context.sightings or not detail.history:
        return Md("")
    return table(("Model", "Conversion", "Backend", "Run", "Commit", "Seen"), context.sightings[-detail.rows :])


def report_md(view: View, *, limit: int = STEP, size: Any = in_bytes) -> str:
    """Return the whole run as Markdown: worst first."""
    return fitted(lambda detail: page("report.md.j2", **_report_values(view, detail)), limit, size)


def _report_values(view: View, detail: Detail) -> dict[str, Any]:
    issues = [(story, title(view, story)) for story in view.stories]
    return {
        "view": view,
        "p": pieces,
        "d": detail,
        "model": prose(view.model_name, detail.text),
        "issues": issues,
        "headline": _headline(view),
        "details": details,
    }


def _headline(view: View) -> Md:
    failed = sum(view.count(outcome) for outcome in BROKEN)
    unknown = view.count(Outcome.ERROR) + view.count(Outcome.NO_EVIDENCE)
    if failed:
        return Md("falsified")
    return Md("could not be judged" if unknown or not view.corroborated else "held")


def step_summary(view: View) -> str:
    """Return the report within a job summary's limit."""
    return report_md(view, limit=STEP - 4096)


def report_html(view: View) -> str:
    """Return the whole run as one self-contained page; nothing in it loads, runs or links anywhere."""
    return page(
        "report.html.j2",
        view=view,
        p=pieces,
        d=LADDER[0],
        clean=clean,
        number=number,
        headline=_headline(view),
        picture=picture,
        words=pieces.WORDS,
        title=title,
        issues=[(s, title(view, s)) for s in view.stories],
    )


def pr_comment(view: View, changes: Changes | None = None, *, limit: int = BODY) -> str:
    """Return the one comment of a pull request: what is new first, what is known with its issue, what was fixed."""
    return fitted(
        lambda detail: page(
            "comment.md.j2", **_report_values(view, detail), changes=changes or Changes(), compared=changes is not None
        ),
        limit,
    )


def check_output(view: View, changes: Changes | None = None, *, limit: int = CHECK) -> tuple[str, str, str]:
    """Return title, summary and text of a check run, each within its limit in bytes."""
    values = {"changes": changes or Changes(), "compared": changes is not None}
    summary = fitted(lambda detail: page("check.md.j2", **_report_values(view, detail), **values), limit, in_bytes)
    failed = sum(view.count(outcome) for outcome in BROKEN)
    head = f"{failed} of {view.planned} cells failed" if failed else f"{view.corroborated} of {view.planned} cells held"
    return (
        cut(f"{head}, MQS {view.score.mqs if view.score.mqs is not None else '—'}", 255),
        summary,
        report_md(view, limit=limit),
    )
