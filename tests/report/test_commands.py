import json
from pathlib import Path

import judgements
import pytest
from click.testing import CliRunner

from bot.cli import judge as judge_command
from bot.cli import report as report_command
from bot.errors import UserError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Run a command on a hand-built judgement instead of a journal's."""

    def runner(module, made, *args: str):
        monkeypatch.setattr(module.journal, "read", lambda path: None)
        monkeypatch.setattr(module, "judge", lambda journal: made)
        return CliRunner().invoke(module.command, ["evidence.jsonl", *args])

    return runner


@pytest.mark.parametrize(("name", "code"), (("good", 0), ("planted", 1), ("infra", 4), ("hostile", 1)))
def test_the_exit_status_is_the_verdict(run, name: str, code: int) -> None:
    made = judgements.ALL[name]()
    assert run(judge_command, made).exit_code == code
    assert run(report_command, made).exit_code == code


def test_judge_prints_tables_or_json(run) -> None:
    told = run(judge_command, judgements.planted()).output
    assert "F-CONV-G-A" in told and "7.61e-1" in told and "MQS 320/1000" in told
    assert json.loads(run(judge_command, judgements.planted(), "--json").output)["score"]["mqs"] == 320


def test_hostile_text_neither_colours_nor_hides_on_the_console(run) -> None:
    told = run(judge_command, judgements.hostile()).output
    assert "\x1b" not in told and "\u202e" not in told and "ghp_" not in told


@pytest.mark.parametrize(
    ("kind", "begins"),
    (("md", "# Qwen"), ("html", "<!doctype"), ("junit", "<?xml"), ("json", "{"), ("issue", "# LAYOUT-002")),
)
def test_each_format_is_printed(run, kind: str, begins: str) -> None:
    assert run(report_command, judgements.planted(), "--format", kind).output.startswith(begins)


def test_an_unknown_cause_is_the_users_mistake_and_names_what_there_is(run) -> None:
    done = run(report_command, judgements.planted(), "--format", "issue", "--cause", "ROPE-001")
    assert isinstance(done.exception, UserError)
    assert "LAYOUT-002" in str(done.exception)


def test_a_journal_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    done = CliRunner().invoke(judge_command.command, [str(tmp_path / "none.jsonl")])
    assert isinstance(done.exception, UserError)
