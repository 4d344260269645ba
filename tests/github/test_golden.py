# ruff: noqa: E501
"""What GitHub is shown, page by page, as it was blessed. REQUALIFY_BLESS=1 writes the pages anew."""

import dataclasses
import os
import re
from datetime import date
from pathlib import Path

import cmarkgfm
import judgements
import pytest
from test_decide import NOW, OLD, issue, row, run, seen, state
from test_publish import _mended

from bot.github import changes, check, findings, messages, replies, results
from bot.github.changes import Excuses
from bot.github.model import Run
from bot.github.waivers import Waiver
from bot.records import Outcome
from bot.report import render
from bot.report.view import View, view
from bot.triage.judge import Judgement

GOLDEN = Path(__file__).parent.parent / "golden" / "github"
RUN = Run(
    id=7,
    sha="c" * 40,
    repository="o/r",
    url="https://github.com/o/r/actions/runs/7",
    at=NOW,
    trusted=False,
    head="o:topic",
)


def told(made: Judgement) -> View:
    return view(findings.completed(made, RUN))


WAIVER = Waiver(gate="F-CONV-A-G", model="m", until=date(2026, 3, 1), issue=3, reason="waiting for @upstream")
CELLS = {gate: judgements.cell(gate, chain).id for gate, chain in judgements.DIRECT.items()}
EXCUSED = Excuses(
    valid={CELLS["F-CONV-A-G"]: WAIVER},
    expired={CELLS["F-CONV-S-G"]: dataclasses.replace(WAIVER, gate="F-CONV-S-G")},
    problems=("#9: not TOML: <b>",),
)
PAGES = {
    "good": (judgements.good(), None, Excuses(valid={}, expired={})),
    "planted-first": (judgements.planted(), None, Excuses(valid={}, expired={})),
    "planted-known": (judgements.planted(), judgements.planted(), Excuses(valid={}, expired={})),
    "planted-new": (judgements.planted(), judgements.good(), Excuses(valid={}, expired={})),
    "planted-waived": (judgements.planted(), judgements.planted(), EXCUSED),
    "fixed": (_mended(), judgements.planted(), Excuses(valid={}, expired={})),
    "infra": (judgements.infra_failed(), judgements.good(), Excuses(valid={}, expired={})),
    "hostile": (judgements.hostile(), None, Excuses(valid={}, expired={})),
}


def page(name: str) -> str:
    made, base, excused = PAGES[name]
    now = told(made)
    compared = changes.compare(now, view(base) if base else None, excused, {CELLS["F-CONV-G-A"]: 12})
    verdict = changes.conclusion(now, compared, pull=True)
    shown = check.check(now, compared, verdict, "demo")
    notes = "\n".join(f"{a['annotation_level']} {a['path']}:{a['start_line']} {a['title']}" for a in shown.annotations)
    result = results.told(RUN, [("demo", verdict, now, compared)])
    comment = render.pr_comment(now, compared)
    return f"{verdict}: {shown.title}\n\n{comment}\n=== annotations\n{notes}\n=== result of a request\n{result}\n"


def sentences() -> str:
    """Every sentence of the bot once."""
    at, one = run(), seen(title="@all `x`")
    kept = state(
        rows=(row(passes=1, outcome=Outcome.CORROBORATED.value), row(cell="`|`@x/y", model="<b>")), good_sha=OLD,
        since=("driver: 1 → 2", "<img>"), dropped=2,
    )  # fmt: skip
    said = {
        "grew": messages.grew(["gpu", "`x`"], at), "closed": messages.closed(2, at, kept), "regressed": messages.regressed(at, OLD),
        "regressed by hand": messages.regressed(at, None), "still fails": messages.still_fails(at), "duplicate": messages.duplicate(5),
        "flaky": messages.flaky(at), "flaky failed": messages.flaky_failed(at), "correction": messages.correction("ROPE-001", one, at),
        "banner": messages.corrected_banner(("ROPE-001",), "LAYOUT-002"), "earlier": messages.earlier(issue().number),
        "umbrella": messages.umbrella_title(7, "apr") + "\n\n" + messages.umbrella_body([one] * 7), "tracking": messages.tracking(kept, 2),
        "help": replies.help_text(), "mistake": replies.mistake("There is no such gate here: `x`."),
        "planned": replies.planned(replies.chosen(["F-A"], [], "all"), "`main`"), "started": replies.started(replies.chosen([], ["m"], "cpu"), "`main`"),
        "unstarted": replies.unstarted("GitHub answered 404: `@x`"), "uncertain": replies.uncertain(), "unknown": replies.unknown_rights(),
        "cooling": replies.cooling(NOW), "busy": replies.busy(), "daily": replies.daily(20), "edited": replies.edited(), "moved": replies.moved("a" * 40),
    }  # fmt: skip
    return "\n\n".join(f"=== {name}\n{text}" for name, text in said.items()) + "\n"


@pytest.mark.parametrize("name", [*PAGES, "sentences"])
def test_every_page_is_as_blessed(name: str) -> None:
    text = sentences() if name == "sentences" else page(name)
    path = GOLDEN / f"{name}.md"
    if os.environ.get("REQUALIFY_BLESS"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", [*PAGES, "sentences"])
def test_nothing_foreign_comes_alive(name: str) -> None:
    text = (GOLDEN / f"{name}.md").read_text()
    html = cmarkgfm.markdown_to_html(text, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE)
    outside = re.sub(r"<(code|pre)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    outside = re.sub(r"=== annotations.*?(?==== result)", "", outside, flags=re.DOTALL)  # shown as plain text by GitHub
    assert not re.search(r"<(script|img|b)\b|<!--|(?:^|[\s(])@\w", outside)
    assert set(re.findall(r'<a href="(.*?)"', outside)) <= {RUN.url, run().url}


def test_the_conclusion_never_takes_silence_for_a_pass() -> None:
    """The table: what was found, of whom, and what a check concludes."""
    good, planted, infra = told(judgements.good()), told(judgements.planted()), told(judgements.infra_failed())
    none = Excuses(valid={}, expired={})
    cut = dataclasses.replace(good, complete=False)
    table = [
        (good, good, True, "success"), (good, None, False, "success"), (planted, good, True, "failure"), (planted, None, True, "failure"),
        (planted, planted, True, "neutral"), (planted, planted, False, "failure"), (infra, infra, True, "neutral"), (infra, None, False, "neutral"),
        (cut, good, True, "neutral"), (told(_mended()), planted, True, "success"), (infra, good, True, "neutral"),
    ]  # fmt: skip
    for now, base, pull, expected in table:
        assert changes.conclusion(now, changes.compare(now, base, none, {}), pull=pull) == expected, (now.counts, pull)
