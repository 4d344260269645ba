"""What every command does with hostile names, damaged files, full devices and readers that leave."""

import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bot import cli
from bot.errors import UserError

EVIL = "a\nb\x1b]0;evil\x07\u202e"


def ended(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(argv)
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


def safetensors(path: Path, *names: str) -> str:
    entries = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate(names)}
    header = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", 1) * len(names))
    return str(path)


def process(*argv: str, **options: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "bot", *argv], stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("argv", (
    ["judge", EVIL], ["report", EVIL], ["plan", EVIL], ["merge", EVIL, "--out", "x"], ["handle", EVIL],
    ["inspect", EVIL],
    ["diff", EVIL, "b"], ["diagnose", EVIL, "b"], ["convert", EVIL, "b.gguf"], ["triage-log", EVIL], ["run", EVIL],
    ["gates", "explain", EVIL], ["causes", "explain", EVIL], ["judge", f"--{EVIL}"], [EVIL],
    ["publish", EVIL, "--repo", "o/r", "--dry-run"],
), ids=lambda argv: argv[0])  # fmt: skip
def test_a_hostile_name_is_one_line_that_no_terminal_obeys(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(argv, capsys)
    assert (code, out) == (2, "")
    told = [line for line in err.splitlines() if not line.startswith("no event")]
    assert len(told) == 1
    assert told[0].startswith("error: ")
    assert all(character.isprintable() for character in told[0])


@pytest.mark.parametrize("argv", (
    ["judge", ""], ["diff", "", "b"], ["inspect", ""], ["convert", "a", ""], ["run", "p", "--out", ""],
    ["merge", ".", "--out", ""],
), ids=lambda argv: argv[0])  # fmt: skip
def test_an_empty_path_is_not_the_folder_we_are_in(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ended(argv, capsys)
    assert code == 2
    assert "an empty path" in err


@pytest.mark.parametrize("argv", (
    ["judge", "x" * 300], ["report", "/x" * 3000], ["plan", "x" * 300], ["merge", "x" * 300, "--out", "y"],
    ["inspect", "x" * 300],
    ["handle", "x" * 300], ["triage-log", "x" * 300], ["plan", "-", "--costs", "x" * 300], ["judge", "/dev/zero"],
    ["handle", "/dev/zero"], ["plan", "-", "--costs", "/dev/zero"], ["triage-log", "/dev/zero"],
    ["inspect", "/dev/zero"],
), ids=lambda argv: f"{argv[0]} {argv[-1][:6]}")  # fmt: skip
def test_impossible_names_and_endless_devices(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(argv, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "bug" not in err


@pytest.mark.parametrize("argv", (
    ["inspect", "a", "--limit", "-1"], ["diff", "a", "b", "--limit", "-1"], ["report", "a", "--cause", "ROPE-001"],
), ids=lambda argv: argv[0])  # fmt: skip
def test_options_out_of_range_or_at_odds(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(argv, capsys)[0] == 2


@pytest.mark.parametrize("name", ("", "x", "a/b/c", "../..", EVIL, "o/"))
def test_a_repository_has_an_owner_and_a_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(["publish", "x", "--repo", name, "--dry-run"], capsys)
    assert (code, out) == (2, "")
    assert "is no OWNER/NAME" in err


def test_a_folder_that_cannot_be_made_is_no_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {
        "type": "run", "schema": 1, "playbook": "p", "playbook_sha256": "0", "tier": "quick", "model": "m",
        "toolchain": "t", "commit": None, "started": "", "environment": {}, "cells": [],
    }  # fmt: skip
    (tmp_path / "evidence.jsonl").write_text(json.dumps(record) + "\n")
    code, _, err = ended(["merge", str(tmp_path), "--out", str(tmp_path / "evidence.jsonl" / "x")], capsys)
    assert code == 2
    assert "cannot be made" in err


def test_a_dtype_nobody_knows_is_no_dtype(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = safetensors(tmp_path / "a.safetensors", "x")
    for word in ("nonsense", ""):
        code, _, err = ended(["diagnose", file, file, "--asked", word], capsys)
        assert code == 2
        assert "lossless, bf16" in err
    assert ended(["diagnose", file, file, "--asked", "Lossless"], capsys)[0] == 0


def test_names_in_a_file_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (
        safetensors(tmp_path / "a.safetensors", "x"),
        safetensors(tmp_path / "b.safetensors", "x", EVIL, "y" * 50_000),
    )
    code, out, _ = ended(["diff", a, b], capsys)
    assert code == 1
    assert "\x1b" not in out
    assert r"a\nb\x1b]0;evil\x07\u202e" in out
    assert len(out) < 2000


def test_a_reader_that_leaves_is_no_verdict() -> None:
    read, write = os.pipe()
    os.close(read)
    child = process("gates", stdout=write)
    os.close(write)
    _, err = child.communicate()
    assert child.returncode == 141
    assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_device_is_told_once() -> None:
    with Path("/dev/full").open("w") as full:
        child = process("causes", "--json", stdout=full)
        _, err = child.communicate()
    assert child.returncode == 2
    assert err == b"error: the output: No space left on device (make room)\n"


def test_a_narrow_encoding_and_an_odd_terminal(tmp_path: Path) -> None:
    odd = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "20", "TERM": "none"}
    odd.pop("HOME", None)
    child = process("gates", stdout=subprocess.DEVNULL, env=odd)
    child.communicate()
    assert child.returncode == 0


def test_what_the_system_refuses_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EACCES, "Permission denied", "/x/\x1b[31m")

    monkeypatch.setattr(cli, "_drop_output", lambda: None)
    monkeypatch.setattr(cli.group, "main", refuse)
    code, _, err = ended([], capsys)
    assert (code, err) == (2, "error: /x/\\x1b[31m: Permission denied (check the permissions)\n")


def test_a_bug_is_told_where_no_report_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_args: object, **_more: object) -> None:
        raise KeyError("\x1b[31m")

    def full(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli.group, "main", broken)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    code, _, err = ended([], capsys)
    assert code == 3
    assert "KeyError" in err
    assert "the lines above" in err
    assert "\x1b" not in err


def test_lists_in_an_error_keep_their_lines() -> None:
    assert str(UserError("one\ntwo", where="a\nb", hint="c")) == "a\\nb: one\ntwo (c)"


def test_a_base_install_says_what_a_command_lacks(tmp_path: Path) -> None:
    code = "import sys; sys.modules['numpy'] = None; from bot.cli import main; main(['diff', 'a.gguf', 'b.gguf'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "this command needs numpy" in done.stderr and "[suite]" in done.stderr
