"""`requalify inspect`: what it shows, what it exits with, and that a hostile file cannot speak through it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from formats import test_apr, test_gguf, test_safetensors

from bot.cli.inspect import command
from bot.errors import UserError
from bot.formats.summary import TEXT, inert, shortened


def run(*words: object) -> Any:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_a_sound_file_is_described(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    table = (test_gguf.entry("blk.0.attn_q.weight", (8, 2)), test_gguf.entry("blk.0.attn_v.weight", (32, 2), 8, 64))
    path.write_bytes(test_gguf.build(table=table, data=bytes(64 + 96)))
    done = run(path, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["faults"]) == (0, [])
    assert (found["format"], found["version"], found["architecture"]) == ("gguf", "3", "llama")
    assert (found["parameters"], found["dtypes"]) == (80, {"F32": 1, "Q8_0": 1})
    assert found["tensors"][1] | {"offset": 0} == {
        "name": "blk.0.attn_v.weight", "dtype": "Q8_0", "shape": [2, 32], "count": 64, "bytes": 68, "offset": 0,
        "file": "m.gguf",
    }  # fmt: skip
    assert found["layout"]["alignment"] == 32
    assert found["metadata"] == {"general.architecture": "llama"}


def test_exit_codes_tell_sound_broken_and_no_model(tmp_path: Path) -> None:
    for suffix, sound, broken in (
        ("gguf", test_gguf.build(), test_gguf.HOSTILE["gguf.offset"]),
        ("safetensors", test_safetensors.build(test_safetensors.ONE, bytes(16)), test_safetensors.HOSTILE["trailing"]),
        ("apr", test_apr.build(test_apr.GOLDEN), test_apr.HOSTILE["apr.footer-crc"]),
    ):
        path = tmp_path / f"m.{suffix}"
        path.write_bytes(sound)
        done = run(path)
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "no law of the format is broken")
        path.write_bytes(broken)
        done = run(path)
        assert done.exit_code == 1
        assert f"BROKEN {suffix}." in done.stdout and " at byte " in done.stdout
    path = tmp_path / "cut.gguf"
    path.write_bytes(test_gguf.build()[:70])
    done = run(path, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["readable"] is False
    for name in ("gone", "."):
        with pytest.raises(UserError):
            CliRunner().invoke(command, [str(tmp_path / name)], catch_exceptions=False)
    (tmp_path / "text").write_text("no model at all")
    with pytest.raises(UserError, match="not a GGUF, SafeTensors or APR"):
        CliRunner().invoke(command, [str(tmp_path / "text")], catch_exceptions=False)


def test_hostile_names_are_printed_inert(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\r\n::error::x\u202e[red]"
    path = tmp_path / "m.gguf"
    keys = (test_gguf.ARCHITECTURE, test_gguf.key(evil, 8, test_gguf.text(evil * 50)))
    path.write_bytes(test_gguf.build(keys, (test_gguf.entry(evil, (8, 2), 99),)))
    for words in ((path,), (path, "--json")):
        shown = run(*words).stdout
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(shown)
        assert not any(line.startswith("::") for line in shown.splitlines())
    path.write_bytes(test_gguf.build(keys, (test_gguf.entry(evil, (8, 2)),)))
    shown = run(path).stdout
    assert "\\x1b[2J" in shown and not {"\x1b", "\x07", "\r", "\u202e"} & set(shown)


def test_metadata_is_cut_to_what_a_person_reads() -> None:
    assert shortened(list(range(1000))) == {"count": 1000, "first": [0, 1, 2]}
    assert shortened([1, 2]) == [1, 2]
    assert shortened({"a": {"b": {"c": {"d": 1}}}}) == {"a": {"b": {"c": "object of 1 keys"}}}
    assert shortened(float("nan")) == "nan"
    assert len(shortened("x" * 10_000)) < 2 * TEXT
    assert len(shortened({str(i): i for i in range(5000)})) == 201
    assert inert("a\nb") == "a\\nb"


def test_an_apr_states_its_flags_and_rotary_order(tmp_path: Path) -> None:
    path = tmp_path / "m.apr"
    tensors = [("model.layers.0.self_attn.q_proj.weight", 0, (4, 4), bytes(64))]
    path.write_bytes(test_apr.build(tensors, {"architecture": "llama", "num_heads": 2, "rope_type": 0}))
    layout = json.loads(run(path, "--json").stdout)["layout"]
    assert (layout["flags"], layout["layout_flag"], layout["rope_type"]) == ("0x0400", "row-major", 0)
    assert layout["rotary_rows"] == "adjacent pairs"
    path.write_bytes(test_apr.build(tensors, {"architecture": "llama", "num_heads": 2, "rope_type": 2}, flags=0))
    layout = json.loads(run(path, "--json").stdout)["layout"]
    assert (layout["layout_flag"], layout["rotary_rows"]) == ("none", "as Hugging Face")
