# ruff: noqa: E501
"""Publishing against the fake: what is written where, in how many calls, and what happens when GitHub refuses."""

import dataclasses
import re
from datetime import UTC, datetime
from typing import Any

import cmarkgfm
import judgements
import pytest
from fake_github import BOT, MAINTAINER, STRANGER, Fault, Hub

from bot.github import answers, findings, publish
from bot.github.client import Client
from bot.github.history import History
from bot.github.model import Run
from bot.github.publish import Case, Publication
from bot.records import CauseKind, Cell, Confidence, Finding, Outcome
from bot.report.view import View, view
from bot.triage.judge import Judgement

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run_of(sha: str, **more: Any) -> Run:
    values: dict[str, Any] = {
        "id": 7, "sha": sha, "repository": "o/r", "url": "https://github.com/o/r/actions/runs/7", "at": NOW, "trusted": True,
    }  # fmt: skip
    return Run(**values | more)


def told(made: Judgement, run: Run) -> View:
    return view(findings.completed(made, run))


def work(client: Client | None, run: Run, made: Judgement, base: Judgement | None = None, **more: Any) -> Publication:
    before = more.pop("history", History())
    publication = Publication(client, run, before, more.pop("now", NOW), **more)
    case = Case(told=told(made, run), part=findings.part(made.header), base=view(base) if base else None)
    publication.done = publication.publish([case])  # type: ignore[attr-defined]
    return publication


def hundred() -> Judgement:
    """A run in which a hundred causes break a gate each."""
    cells = [Cell(gate="F-CONV-G-A", chain=("gguf", "apr"), backend="cpu", variant=f"v{n}") for n in range(100)]
    verdicts = [judgements.verdict(cell, Outcome.FALSIFIED, "differs", diff=0.5) for cell in cells]
    causes = tuple(
        Finding(id=f"CAUSE-{n:03}", slug="made-up", kind=CauseKind.DEFECT, confidence=Confidence.HIGH, gates=(cell.id,))
        for n, cell in enumerate(cells)
    )
    return judgements.judgement(verdicts, judgements.planted().score, causes)


# -- the default branch ------------------------------------------------------------


def test_a_planted_run_files_one_issue_and_a_failing_check_and_a_repetition_writes_nothing(
    hub: Hub, client: Client
) -> None:
    run = run_of(hub.commit())
    first = work(client, run, judgements.planted())
    assert [issue["title"][:10] for issue in hub.issues.values()] == ["LAYOUT-002"]
    assert {issue["labels"][0]["name"] for issue in hub.issues.values()} == {"requalify"}
    (check,) = hub.checks.values()
    assert (check["conclusion"], check["head_sha"]) == ("failure", run.sha)
    assert check["name"] == "requalify qwen2.5-coder-0.5b-quick"
    written = len(hub.writes())
    work(client, run, judgements.planted(), history=first.history)
    assert len(hub.writes()) == written


def test_the_issue_is_what_github_is_sent_and_it_reads_as_it_should(hub: Hub, client: Client) -> None:
    work(client, run_of(hub.commit()), judgements.planted())
    body = hub.issues[1]["body"]
    html = cmarkgfm.github_flavored_markdown_to_html(body)
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    assert headings[:2] == ["Summary", "Environment"] and headings[-2:] == ["Seen On", "Since When"]
    assert "requalify:begin" not in re.sub(r"<!--.*?-->", "", html)


def test_a_known_issue_is_brought_up_to_date_in_six_calls_and_without_a_word(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    hub.log.clear()
    work(client, run_of(hub.commit(), id=8), judgements.planted(), history=first.history)
    assert len(hub.log) <= 6, hub.log
    assert not hub.comments and len(hub.issues) == 1


def test_a_pass_is_counted_in_six_calls_and_the_second_closes_with_the_proof(hub: Hub, client: Client) -> None:
    work(client, run_of(hub.commit()), judgements.planted())
    fixed = _mended()
    hub.log.clear()
    work(client, run_of(hub.commit(), id=8), fixed)
    assert len(hub.log) <= 6, hub.log
    assert hub.issues[1]["state"] == "open" and "1 of 2" in hub.issues[1]["body"]
    assert re.search(r"- \[x\] `F-CONV-G-A` .* holds", hub.issues[1]["body"])
    work(client, run_of(hub.commit(), id=9), fixed)
    assert (hub.issues[1]["state"], hub.issues[1]["state_reason"]) == ("closed", "completed")
    assert "held in 2 runs in a row" in next(iter(hub.comments.values()))["body"]


def _mended() -> Judgement:
    """The planted run with every gate holding, under the same definitions."""
    made = judgements.planted()
    held = tuple(
        dataclasses.replace(v, outcome=Outcome.CORROBORATED, masked_by=None) if v.outcome is not Outcome.SKIPPED else v
        for v in made.verdicts
    )
    return dataclasses.replace(made, verdicts=held, findings=())


def test_a_machine_that_failed_says_nothing_against_the_converter(hub: Hub, client: Client) -> None:
    work(client, run_of(hub.commit()), judgements.infra_failed())
    assert not hub.issues
    assert next(iter(hub.checks.values()))["conclusion"] == "neutral"


def test_a_good_run_is_a_success(hub: Hub, client: Client) -> None:
    work(client, run_of(hub.commit()), judgements.good())
    assert not hub.issues and next(iter(hub.checks.values()))["conclusion"] == "success"


def test_a_run_of_one_gate_finds_the_issue_that_all_gates_made(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    made = judgements.planted()
    finding = dataclasses.replace(made.findings[0], gates=made.findings[0].gates[2:3])
    fewer = tuple(v for v in made.verdicts if v.cell.id in finding.gates)
    some = dataclasses.replace(made, findings=(finding,), verdicts=fewer)
    work(client, run_of(hub.commit(), id=8), some, history=first.history)
    assert len(hub.issues) == 1 and "8.1/" in hub.issues[1]["body"]


def test_since_when_names_the_last_good_commit_and_what_changed_between(hub: Hub, client: Client) -> None:
    good, bad = hub.commit(), hub.commit()
    first = work(client, run_of(good), _mended())
    made = judgements.planted()
    header = dataclasses.replace(made.header, environment={**made.header.environment, "tool": "apr 0.2.13"})
    made = dataclasses.replace(made, header=header)
    work(client, run_of(bad, id=8), made, history=first.history)
    body = hub.issues[1]["body"]
    assert f"last good `{good[:12]}`, first bad `{bad[:12]}`" in body
    assert "`tool: not there → apr 0.2.13`" in body


# -- pull requests ------------------------------------------------------------------


def pulled(hub: Hub, owner: str = "o") -> tuple[int, Run]:
    sha = hub.commit()
    return hub.pull(sha, owner), run_of(sha, trusted=False, why_untrusted="a run of a fork", head=f"{owner}:topic")


def test_a_pull_request_with_a_hundred_findings_takes_twelve_calls(hub: Hub, client: Client) -> None:
    number, run = pulled(hub)
    work(client, run, hundred(), judgements.good())
    assert len(hub.log) <= 12, hub.log
    (check,) = hub.checks.values()
    assert len(check["annotations"]) == 100 and check["conclusion"] == "failure"
    assert not hub.issues and len(hub.comments_on(number)) == 1


def test_a_pull_request_never_touches_issues_and_its_comment_is_edited_in_place(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    before = dict(hub.issues[1])
    number, run = pulled(hub, "forker")
    work(client, run, _mended(), judgements.planted(), history=first.history)
    assert hub.issues[1] == before
    assert "Fixed: " in hub.comments_on(number)[0]["body"]
    hub.pulls[number]["sha"] = hub.commit()
    again = dataclasses.replace(run, sha=hub.pulls[number]["sha"], id=9)
    work(client, again, judgements.planted(), judgements.planted())
    (comment,) = hub.comments_on(number)
    assert "### Known Failures" in comment["body"] and "#1" in comment["body"]
    assert [c["conclusion"] for c in hub.checks.values()][-2:] == ["success", "neutral"]


@pytest.mark.parametrize(
    ("base", "conclusion"),
    [(None, "failure"), (judgements.good(), "failure"), (judgements.planted(), "neutral")],
    ids=["no base", "held before", "known"],
)
def test_only_what_is_new_fails_a_pull_request(
    hub: Hub, client: Client, base: Judgement | None, conclusion: str
) -> None:
    _, run = pulled(hub)
    work(client, run, judgements.planted(), base)
    assert next(iter(hub.checks.values()))["conclusion"] == conclusion


def test_gates_the_base_judged_and_this_run_dropped_are_never_a_success(hub: Hub, client: Client) -> None:
    _, run = pulled(hub)
    made = judgements.good()
    fewer = dataclasses.replace(made, verdicts=made.verdicts[2:])
    work(client, run, fewer, made)
    (check,) = hub.checks.values()
    assert check["conclusion"] == "neutral" and "Judged before and not now" in check["output"]["summary"]
    hub.checks.clear()
    work(client, dataclasses.replace(run, partial=True, id=8), fewer, made)
    assert next(iter(hub.checks.values()))["conclusion"] == "success"


def test_a_pull_request_that_moved_on_is_not_told(hub: Hub, client: Client) -> None:
    number, run = pulled(hub)
    hub.pulls[number]["sha"] = "f" * 40
    publication = work(client, run, judgements.good(), pull=number)
    assert not hub.comments and "is not its head" in publication.notices[0]


# -- waivers -------------------------------------------------------------------------

WAIVER = """Known, see the plan.

```toml
[[waive]]
gate = "{gate}"
model = "Qwen2.5-Coder-0.5B-Instruct"
until = {until}
reason = "@all <b>waiting</b>"
```
"""


def waive(hub: Hub, login: str = MAINTAINER, until: str = "2026-03-01") -> None:
    for gate in judgements.DIFFS:
        hub.write_issue(login, "known", WAIVER.format(gate=gate, until=until), ("requalify-known",))


def test_a_waiver_of_somebody_with_write_access_excuses_until_its_day_is_over(hub: Hub, client: Client) -> None:
    waive(hub)
    publication = work(client, run_of(hub.commit()), judgements.planted())
    assert "waived: #1 until 2026-03-01" in publish.listing(publication.done)  # type: ignore[attr-defined]
    (check,) = hub.checks.values()
    assert check["conclusion"] == "neutral" and "### Waived" in check["output"]["summary"]
    assert ": #1 until 2026-03-01: `@all <b>waiting</b>`" in check["output"]["summary"]
    assert len(hub.issues) == len(judgements.DIFFS)


@pytest.mark.parametrize("when", ["expired", "a stranger's"])
def test_an_expired_or_strange_waiver_excuses_nothing_and_says_so(hub: Hub, client: Client, when: str) -> None:
    waive(hub, **({"until": "2026-02-28"} if when == "expired" else {"login": STRANGER}))  # type: ignore[arg-type]
    _, run = pulled(hub)
    work(client, run, judgements.planted(), judgements.planted())
    (check,) = hub.checks.values()
    summary = check["output"]["summary"]
    if when == "expired":
        assert check["conclusion"] == "failure" and "### Expired Waivers" in summary
    else:
        assert "no write access" in summary and "### Known Failures" in summary


# -- when GitHub refuses -------------------------------------------------------------


def test_a_check_that_may_not_be_written_becomes_a_status(hub: Hub, client: Client) -> None:
    hub.no_checks = True
    publication = work(client, run_of(hub.commit()), judgements.good())
    assert [s["state"] for s in hub.statuses] == ["success"] and not publication.untold
    assert "stands in" in publication.notices[-1]


def test_when_neither_may_be_written_the_comment_holds_it_and_else_nothing_does(hub: Hub, client: Client) -> None:
    hub.no_checks = hub.no_statuses = True
    _, run = pulled(hub)
    assert not work(client, run, judgements.good()).untold
    assert work(client, run_of(hub.commit(), id=9), judgements.good()).untold


def test_issues_switched_off_leave_the_check_and_an_error(hub: Hub, client: Client) -> None:
    hub.faults = [Fault("410", "GET", "/issues")]
    publication = work(client, run_of(hub.commit()), judgements.planted())
    assert "410" in publication.failed[0] and len(hub.checks) == 1 and not hub.issues


def test_a_lost_answer_to_the_check_and_the_comment_gives_one_of_each(hub: Hub, client: Client) -> None:
    number, run = pulled(hub)
    hub.faults = [Fault("502-after", "POST", "/check-runs"), Fault("drop-after", "POST", "/comments")]
    work(client, run, hundred())
    assert len(hub.checks) == 1 and len(hub.comments_on(number)) == 1


def test_twins_that_a_race_left_behind_are_healed(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    hub.write_issue(BOT, "twin", hub.issues[1]["body"], ("requalify",))
    work(client, run_of(hub.commit(), id=8), judgements.planted(), history=first.history)
    assert [(i["state"], i["state_reason"]) for i in hub.issues.values()] == [("open", None), ("closed", "duplicate")]


def test_what_people_write_between_our_read_and_our_write_stays(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())

    def person(verb: str, path: str) -> None:
        if verb == "GET" and path == "/repos/o/r/issues/1":
            hub.issues[1]["body"] = f"I know why!\n\n{hub.issues[1]['body']}"
            hub.on_request = None

    hub.on_request = person
    work(client, run_of(hub.commit(), id=8), judgements.planted(), history=first.history)
    assert hub.issues[1]["body"].startswith("I know why!") and hub.issues[1]["body"].count("requalify:begin") == 1


@pytest.mark.parametrize("wish", [{"locked": True}, {"state": "closed", "state_reason": "not_planned"}])
def test_a_wish_for_silence_between_our_read_and_our_write_is_heard(
    hub: Hub, client: Client, wish: dict[str, Any]
) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())

    def person(verb: str, path: str) -> None:
        if verb == "GET" and path == "/repos/o/r/issues/1":
            hub.issues[1].update(wish)

    hub.on_request = person
    before = hub.issues[1]["body"]
    work(client, run_of(hub.commit(), id=8), judgements.planted(), history=first.history)
    assert hub.issues[1]["body"] == before and not hub.comments


def test_an_issue_names_the_others_of_its_cause_and_gates_and_not_itself(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    made = judgements.planted()
    other = dataclasses.replace(made.findings[0], id="ROPE-001", refuted=())
    both = dataclasses.replace(made, findings=(made.findings[0], other))
    work(client, run_of(hub.commit(), id=8), both, history=first.history)
    assert "- Related: #1 (`LAYOUT-002`)" in hub.issues[2]["body"]
    assert "Related: #1" not in hub.issues[1]["body"]


def test_a_later_run_that_refutes_the_claim_corrects_the_issue_in_sight(hub: Hub, client: Client) -> None:
    first = work(client, run_of(hub.commit()), judgements.planted())
    made = judgements.planted()
    other = dataclasses.replace(made.findings[0], id="ROPE-001", refuted=("LAYOUT-002",))
    work(client, run_of(hub.commit(), id=8), dataclasses.replace(made, findings=(other,)), history=first.history)
    assert len(hub.issues) == 1 and hub.issues[1]["body"].count("~~`LAYOUT-002`~~") == 1
    assert next(iter(hub.comments.values()))["body"].startswith("**CORRECTION.**")


# -- the answer to a command -----------------------------------------------------------


def test_the_answer_to_a_command_is_edited_into_the_result_with_the_delta(hub: Hub, client: Client) -> None:
    work(client, run_of(hub.commit()), judgements.planted())
    asked = hub.write_comment(MAINTAINER, 1, "/requalify")
    remembered = answers.Answer(request=asked, user=100, at=NOW.isoformat(), state="started")
    other = hub.write_comment(BOT, 1, answers.written("Another", dataclasses.replace(remembered, request=asked + 900)))
    reply = hub.write_comment(BOT, 1, f"{answers.written('Started', remembered)}\n\n{answers.marker(asked)}")
    work(client, run_of(hub.commit(), id=8, request=asked), _mended(), judgements.planted())
    assert hub.comments[other]["body"].startswith("Another")
    text = hub.comments[reply]["body"]
    assert "everything that was asked for held" in text and "Fixed since the last run: `F-CONV-G-A`" in text
    found = answers.read(hub.comments[reply])
    assert found and found.state == answers.DONE


def test_a_forged_answer_of_somebody_else_is_not_edited(hub: Hub, client: Client) -> None:
    asked = hub.write_comment(MAINTAINER, hub.write_issue(MAINTAINER, "t", "b"), "/requalify")
    forged = answers.Answer(request=asked, user=100, at=NOW.isoformat(), state="started")
    hub.write_comment(STRANGER, 1, answers.written("mine", forged))
    publication = work(client, run_of(hub.commit(), request=asked), judgements.good())
    assert "was not found" in publication.notices[0]
    assert hub.comments_on(1)[1]["body"].startswith("mine")


# -- dry runs and several playbooks -----------------------------------------------------


def test_a_dry_run_reads_and_writes_nothing(hub: Hub, client: Client) -> None:
    run = run_of(hub.commit())
    publication = work(client, run, judgements.planted(), dry=True)
    assert "create" in publish.listing(publication.done) and not hub.writes()  # type: ignore[attr-defined]
    offline = work(None, run, judgements.planted())
    assert publish.listing(offline.done) == publish.listing(publication.done)  # type: ignore[attr-defined]


def test_two_playbooks_of_one_run_tick_the_rows_of_one_issue_apart(hub: Hub, client: Client) -> None:
    run = run_of(hub.commit())
    made = judgements.planted()
    other = dataclasses.replace(made, header=dataclasses.replace(made.header, model="Qwen/other", playbook="other"))
    cases = [Case(told=told(one, run), part=findings.part(one.header)) for one in (made, other)]
    history = History()
    for _ in range(2):
        publication = Publication(client, run, history, NOW)
        publication.publish(cases)
        history = publication.history
    assert len(hub.issues) == 1 and "Qwen/other" in hub.issues[1]["body"]
    assert sorted(c["name"] for c in hub.checks.values()) == ["requalify other", "requalify qwen2.5-coder-0.5b-quick"]
    assert len([w for w in hub.writes() if w[0] == "POST"]) == 3  # an issue, two checks: the repetition wrote none


def test_a_hostile_journal_stays_dead_text_everywhere(hub: Hub, client: Client) -> None:
    number, run = pulled(hub)
    work(client, run_of(hub.commit(), id=3), judgements.hostile())
    hub.pulls[number]["sha"] = run.sha
    work(client, run, judgements.hostile())
    texts = [
        next(iter(hub.issues.values()))["body"],
        hub.comments_on(number)[0]["body"],
        *(c["output"]["summary"] for c in hub.checks.values()),
    ]
    for text in texts:
        html = cmarkgfm.markdown_to_html(text, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE)
        outside = re.sub(r"<(code|pre)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
        outside = re.sub(
            r"<!-- requalify:(begin|end|comment [\w/]+|state \{[^<>]*\}) -->|<!-- requalify·rows -->", "", outside
        )
        assert not re.search(r"<(script|img|a|!--|b|del)\b|<!--", outside)
        assert not re.search(r"(?:^|[\s(>])@\w|(?<!Related: )(?<!Run: )#\d|www\.", outside)
    for check in hub.checks.values():
        assert not check["annotations"] or all(len(a["title"]) <= 255 for a in check["annotations"])
