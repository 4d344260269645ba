"""`requalify publish` and `requalify handle` as Actions starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import journals
import pytest
from click.testing import CliRunner, Result
from fake_github import MAINTAINER, Hub, serve
from story import Teller, patch

from bot.cli import group, publish
from bot.errors import UserError

SHA = "a" * 40


def ran(*argv: str) -> Result:
    return CliRunner().invoke(group, list(argv))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_EVENT_PATH", "GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def teller(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teller]:
    with serve(hub) as url:
        made = Teller(hub, url, tmp_path, monkeypatch.setenv)
        patch(monkeypatch, made)
        yield made


PLANS = {
    "good": ("success", "nothing to do"),
    "planted": ("failure", "create   -        LAYOUT-002"),
    "infra": ("neutral", "infra: says nothing against the converter"),
}


@pytest.mark.parametrize("what", PLANS)
def test_a_dry_run_prints_the_plan_without_event_token_or_call(tmp_path: Path, what: str) -> None:
    done = ran("publish", str(journals.write(tmp_path, what, SHA)), "--repo", "o/r", "--dry-run")
    conclusion, line = PLANS[what]
    assert done.exit_code == 0 and f"demo-quick: {conclusion}" in done.output and line in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.jsonl"]


def test_what_is_missing_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(journals.write(tmp_path / "run", "good", SHA))
    for argv, words in (
        ((out,), "GITHUB_EVENT_PATH is not set"),
        ((str(tmp_path / "absent"), "--dry-run"), "no journal here"),
    ):
        error = ran("publish", *argv, "--repo", "o/r").exception
        assert isinstance(error, UserError) and words in str(error)
    error = ran("handle", str(tmp_path / "absent.json")).exception
    assert isinstance(error, UserError) and "cannot be read: No such file" in str(error)


def test_the_event_must_be_of_the_repository_that_is_named(teller: Teller) -> None:
    teller.qualified("good", teller.hub.commit())
    out = ran("publish", str(teller.folder / "run-101"), "--repo", "o/other")
    assert isinstance(out.exception, UserError) and "the event is of o/r" in str(out.exception)


def test_evidence_of_another_commit_moves_no_issue(teller: Teller) -> None:
    sha = teller.hub.commit("a")
    path = teller.folder / "event.json"
    path.write_text(json.dumps(teller.finished(sha)))
    teller.setenv("GITHUB_EVENT_PATH", str(path))
    out = journals.write(teller.folder / "run", "planted", "b" * 40)
    done = ran("publish", str(out), "--repo", "o/r", "--history", str(teller.folder / "state"))
    assert "evidence of another commit (bbbbbbbbbbbb)" in done.output
    assert not teller.hub.issues and len(teller.hub.checks) == 1 and not (teller.folder / "state").exists()


def test_mild_failures_are_observed_once_and_remembered_in_the_history(teller: Teller) -> None:
    teller.qualified("good", teller.hub.commit())
    kept = json.loads((teller.folder / "state" / "history.json").read_text())
    assert set(kept) == {"runs", "writes", "good", "facts"} and len(kept["good"]) == len(journals.CELLS)
    (teller.folder / "state" / "history.json").write_text("{")
    error = ran(
        "publish", str(teller.folder / "run-101"), "--repo", "o/r", "--history", str(teller.folder / "state")
    ).exception
    assert isinstance(error, UserError) and "not a history" in str(error)


def test_the_evidence_pull_requests_are_compared_with_is_that_of_the_last_whole_run(teller: Teller) -> None:
    kept = teller.folder / "state" / "base" / "demo-quick" / "evidence.jsonl"

    def last() -> str:
        return json.loads(kept.read_text().split("\n", maxsplit=1)[0])["commit"]

    first = teller.hub.commit()
    teller.qualified("planted", first)
    assert last() == first
    teller.qualified("infra", teller.hub.commit(), base="state/base")
    assert last() == first, "a machine that failed knows less"
    asked = {"event": "workflow_dispatch", "display_title": "requalify request=1 target=default"}
    teller.qualified("good", teller.hub.branches["main"], base="state/base", **asked)
    assert last() == first, "a run of some gates knows less"
    teller.qualified("good", teller.hub.commit(), base="state/base", event="pull_request", head_branch="topic")
    assert last() == first, "a pull request is not the default branch"
    teller.qualified("good", sha := teller.hub.commit(), base="state/base")
    assert last() == sha


def test_several_playbooks_of_a_run_are_published_at_once(teller: Teller) -> None:
    teller.qualified("good", teller.hub.commit())
    folder = teller.folder / "all"
    for what in ("good", "planted"):
        journals.write(folder / what, what, teller.hub.branches["main"])
    done = ran("publish", str(folder), "--repo", "o/r")
    assert done.exit_code == 0 and "demo-quick: success" in done.output and "demo-quick.2: failure" in done.output
    assert len(teller.hub.checks) == 2  # the first was there already


def test_mistakes_in_a_playbook_ask_for_action_with_file_and_line(teller: Teller) -> None:
    sha = teller.hub.commit()
    teller.qualified("good", sha)
    folder = teller.folder / "wrong"
    folder.mkdir()
    (folder / "problems.txt").write_text("error: playbooks/a.playbook.yaml:3: tier: unknown\n../x:1: no\nwords\n")
    done = ran("publish", str(folder), "--repo", "o/r")
    assert done.exit_code == 0, done.exception
    made = list(teller.hub.checks.values())[-1]
    assert (made["conclusion"], made["name"]) == ("action_required", "requalify playbooks")
    assert [(a["path"], a["start_line"]) for a in made["annotations"]] == [("playbooks/a.playbook.yaml", 3)]


def test_the_job_summary_says_what_was_not_filed_and_why(teller: Teller) -> None:
    summary = teller.folder / "summary.md"
    teller.setenv("GITHUB_STEP_SUMMARY", str(summary))
    teller.hub.no_checks = True
    teller.qualified("infra", teller.hub.commit())
    text = summary.read_text()
    assert "infra: says nothing against the converter" in text and "a commit status stands in" in text


def test_when_github_takes_nothing_the_report_is_in_a_file(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(teller.folder)
    teller.hub.no_checks = teller.hub.no_statuses = True
    teller.qualified("planted", teller.hub.commit())
    assert "falsified" in (teller.folder / publish.FILE).read_text()


def test_a_comment_without_a_command_needs_no_token(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    number = teller.hub.write_issue(MAINTAINER, "t", "b")
    monkeypatch.delenv("GITHUB_TOKEN")
    teller.commented(MAINTAINER, number, "thanks")
    assert "ignored: no command" in "\n".join(teller.lines)


def test_models_are_those_of_the_playbooks_here(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    teller.hub.commit()
    number = teller.hub.write_issue(MAINTAINER, "t", "b")
    teller.commented(MAINTAINER, number, "/requalify --gate F-CONV-G-A --model HuggingFaceTB/SmolLM2-135M-Instruct")
    assert teller.hub.dispatched[0]["inputs"]["models"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_handle_starts_without_what_measures_and_what_renders(tmp_path: Path) -> None:
    code = (
        "import sys, bot.cli, bot.cli.handle, bot.github.handle, bot.github.client, bot.gates;"
        "print([m for m in ('torch', 'numpy', 'jinja2', 'gguf', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "[]"
