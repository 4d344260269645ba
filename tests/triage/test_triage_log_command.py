"""`requalify triage-log` as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot import cli

LOG = "loading\nerror: unexpected argument '--gpu' found\n\nUsage: apr run <SOURCE>\n"


def run(*argv: str, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(cli.group, ["triage-log", *argv], input=stdin)


def test_json_has_the_line_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(LOG)
    for result in (run(str(path), "--json"), run("-", "--json", stdin=LOG), run("--json", stdin=LOG)):
        assert result.exit_code == 0
        assert json.loads(result.stdout) == {
            "causes": [
                {
                    "id": "HARNESS-001",
                    "slug": "command-line-mismatch",
                    "kind": "harness",
                    "confidence": "HIGH",
                    "line": "error: unexpected argument '--gpu' found",
                    "line_number": 2,
                    "captures": {"option": "--gpu"},
                }
            ]
        }


def test_what_is_known_of_the_command_counts() -> None:
    def ids(*argv: str) -> list[str]:
        return [cause["id"] for cause in json.loads(run(*argv, "--json", stdin="Loading model\n").stdout)["causes"]]

    assert ids() == []
    assert ids("--exit-code", "139") == ["ENGINE-002"]
    assert ids("--exit-code", "-11") == ["ENGINE-002"]
    assert ids("--exit-code", "-9", "--timed-out") == ["INFRA-001", "ENGINE-004"]
    assert ids("--exit-code", "101", "--command", "apr eval a.apr") == ["ENGINE-002"]
    assert ids("--exit-code", "101", "--command", "make") == []
    used = json.dumps({"used_gpu": False})
    asked = run("--backend", "GPU", "--exit-code", "0", "--gate", "F-A2-001", "--json", stdin=used)
    assert [cause["id"] for cause in json.loads(asked.stdout)["causes"]] == ["INFRA-007", "HARNESS-001"]


def test_nothing_found_is_an_answer() -> None:
    result = run("--exit-code", "1", stdin="all is well\n")
    assert result.exit_code == 0 and "no known cause" in result.stdout
    assert json.loads(run("--json", stdin="").stdout) == {"causes": []}


def test_people_see_cause_line_and_captures_and_no_escapes() -> None:
    result = run(stdin=b"\xff\xfe-\x1b]0;title\x07\x1b[31merror:\x1b[0m File not found: a\x1b[2Jb.gguf\n")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout
    result = run(stdin="error: File not found: [red]ab.gguf\n")
    assert "PATH-001 directory-instead-of-file (harness, HIGH)" in result.stdout
    assert "line 1: error: File not found: [red]ab.gguf" in result.stdout and "path: [red]ab.gguf" in result.stdout


@pytest.mark.parametrize("argv", [["no-such.log"], ["."], ["--exit-code", "many"], ["--nope"]])
def test_bad_input_is_the_users_mistake(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["triage-log", *argv])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "Traceback" not in shown.err and len(shown.err.splitlines()) <= 6


def test_the_command_stays_light() -> None:
    heavy = ("numpy", "torch", "gguf", "transformers")
    code = f"import sys, bot.cli.triage_log; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
