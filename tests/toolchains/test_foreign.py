"""Foreign toolchains: the command lines they are given, and what becomes of their answers."""

import json
import stat
import sys
from pathlib import Path

import pytest
import tiny

from bot import process
from bot.compare.diff import compare
from bot.errors import UserError
from bot.formats import open_checkpoint
from bot.formats.view import canonical
from bot.suite.conversions import Caps, Conversions, Station, Tool, Unmade, version_of
from bot.suite.workspace import Workspace
from bot.toolchains import REGISTRY, conversion, toolchain
from bot.toolchains.apr import commands

TRANSCRIPTS = json.loads((Path(__file__).parent / "apr_transcripts.json").read_text())


def fake_apr(folder: Path, version: str) -> Path:
    """An apr that knows only what was recorded of that version, and answers anything else as clap does."""
    script = folder / "apr"
    script.write_text(
        f"#!{sys.executable}\nimport json, pathlib, shutil, sys\n"
        f"known = json.loads({json.dumps(json.dumps(TRANSCRIPTS[version]))})\n"
        "argv, source, target = sys.argv[1:], '', ''\n"
        "words = []\n"
        "for word in argv:\n"
        "    suffix = pathlib.Path(word).suffix\n"
        "    words.append('{' + suffix[1:] + '}' if '/' in word and suffix in ('.gguf', '.apr', '.safetensors') "
        "else '{folder}' if '/' in word else word)\n"
        "found = next((k for k in known if k['argv'] == words), None)\n"
        "if found is None:\n"
        "    print(f\"error: unexpected argument '{words}' found\", file=sys.stderr)\n"
        "    sys.exit(2)\n"
        "print(found['stdout'], end='')\nprint(found['stderr'], end='', file=sys.stderr)\n"
        "if found.get('writes'):\n"
        "    paths = [word for word in argv if '/' in word]\n"
        "    shutil.copy(pathlib.Path(__file__).parent / found['writes'], paths[-1])\n"
        "sys.exit(found['exit'])\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apr")
    tiny.hf(folder / "hf", "llama")
    conversion.convert(folder / "hf", folder / "written.gguf")
    conversion.convert(folder / "hf", folder / "written.apr")
    return folder


def convert(models: Path, work: Path, binary: Path, source: Path, fmt: str, *, astray: bool = False) -> Station:
    workspace = Workspace(work)
    workspace.prepare(resume=False)
    conversions = Conversions(workspace, Caps(timeout_s=30, memory_bytes=None))
    found = toolchain("apr", {"binary": str(binary)})
    tool = Tool(toolchain=found, version=version_of(found))
    return conversions.hop(tool, conversions.given(source), fmt, astray=astray)


def test_the_newer_command_line(models: Path, tmp_path: Path) -> None:
    apr = toolchain("apr", {"binary": str(fake_apr(models, "0.72.3"))})
    assert apr.unavailable() is None
    assert version_of(apr) == "apr 0.72.3 (9c34b9a91)"
    assert apr.unsupported("gguf", "safetensors", None) is None
    argv = apr.convert_argv(Path("/m/x.gguf"), Path("/o/model.apr"), None)
    assert argv[1:] == ("rosetta", "convert", "/m/x.gguf", "/o/model.apr")
    station = convert(models, tmp_path / "w", models / "apr", models / "written.gguf", "apr")
    assert station.broken is None
    assert station.hops[0]["version"] == "apr 0.72.3 (9c34b9a91)"
    assert station.hops[0]["exit_code"] == 0


def test_a_tool_that_was_handed_a_folder_is_not_to_blame(models: Path, tmp_path: Path) -> None:
    with pytest.raises(Unmade) as told:
        convert(models, tmp_path / "w", fake_apr(models, "0.72.3"), models / "written.gguf", "apr", astray=True)
    assert told.value.data["outcome"] == "error"
    assert told.value.data["exit_code"] == 5
    assert "not a model file" in told.value.data["stderr_tail"]


def test_a_folder_is_handed_over_as_its_file(models: Path, tmp_path: Path) -> None:
    apr = toolchain("apr", {"binary": str(fake_apr(models, "0.72.3"))})
    argv = apr.convert_argv(models / "hf", tmp_path / "x.gguf", None)
    assert argv[3] == str(models / "hf" / "model.safetensors")
    assert apr.convert_argv(tmp_path, tmp_path / "x.gguf", None)[3] == str(tmp_path)


def test_the_older_command_line(tmp_path: Path, models: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "written.apr").write_bytes((models / "written.apr").read_bytes())
    binary = fake_apr(old, "0.2.11")
    apr = toolchain("apr", {"binary": str(binary)})
    assert "rosetta" not in commands(str(binary))
    assert {"import", "export", "convert"} <= commands(str(binary))
    assert "no command" in str(apr.unsupported("gguf", "safetensors", None))
    assert apr.convert_argv(Path("/m/x.gguf"), Path("/o/model.apr"), None)[1:] == (
        "import",
        "/m/x.gguf",
        "-o",
        "/o/model.apr",
    )
    out = ("export", "/m/x.apr", "--format", "gguf", "-o", "/o/model.gguf")
    assert apr.convert_argv(Path("/m/x.apr"), Path("/o/model.gguf"), None)[1:] == out
    with pytest.raises(Unmade) as told:
        convert(models, tmp_path / "w", binary, models / "written.gguf", "apr")
    assert told.value.data["outcome"] == "falsified"
    assert "outside expected range" in told.value.data["reason"]
    assert told.value.data["exit_code"] == 5


def test_a_dtype_apr_has_no_word_for_is_not_asked_for(models: Path) -> None:
    apr = toolchain("apr", {"binary": str(fake_apr(models, "0.72.3"))})
    assert "no word for q8_0" in str(apr.unsupported("gguf", "apr", "q8_0"))
    assert apr.convert_argv(Path("/m/x.gguf"), Path("/o/x.apr"), "F16")[-2:] == ("--quantize", "fp16")


def test_what_is_not_there_is_unavailable(tmp_path: Path) -> None:
    assert "cargo install" in str(toolchain("apr", {"binary": str(tmp_path / "apr")}).unavailable())
    assert toolchain("llama_cpp", {"script": str(tmp_path / "none.py")}).unavailable()
    assert toolchain("command", {"argv": ["no-such-tool", "{source}", "{target}"]}).unavailable()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("reference", {"x": 1}, "no option 'x'"),
        ("apr", {"binari": "apr"}, "no option 'binari'"),
        ("apr", {"binary": 3}, "must be text"),
        ("command", {}, "needs an argv"),
        ("command", {"argv": "tool {source}"}, "list of words"),
        ("command", {"argv": ["tool", "{source}"]}, "lacks {target}"),
        ("command", {"argv": ["tool", "{source}", "{target}", "{dtyp}"]}, "no value for {dtyp}"),
        ("command", {"argv": ["tool", "{source}", "{target", ""]}, "argv:"),
        ("command", {"argv": ["t", "{source}", "{target}"], "pairs": ["gguf-onnx"]}, "no pair"),
        ("command", {"argv": ["t", "{source}", "{target}"], "targets": {"apr": "../x"}}, "no name inside"),
        ("magic", {}, "no toolchain is called 'magic'"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words.replace("{", r"\{").replace("}", r"\}")):
        toolchain(name, options)


def test_a_command_fills_words_and_never_splits_them() -> None:
    tool = toolchain("command", {"argv": ["t", "--in={source}", "{target}", "{from}2{to}", "{dtype}"]})
    argv = tool.convert_argv(Path("/a b/x.gguf"), Path("/o/model.apr"), "f16")
    assert argv == ("t", "--in=/a b/x.gguf", "/o/model.apr", "gguf2apr", "f16")
    assert tool.convert_argv(Path("/hf"), Path("/o/safetensors"), None)[3] == "safetensors2safetensors"


def test_every_toolchain_answers_alike() -> None:
    for name in REGISTRY:
        tool = toolchain(name, {"argv": ["true", "{source}", "{target}"]} if name == "command" else {})
        assert name == tool.NAME
        assert tool.unsupported("gguf", "onnx", None) or name == "command"
        assert {tool.target_name(fmt) for fmt in tool.FORMATS}
        assert tool.version_argv()


def test_transformers_converts_a_gguf(models: Path, tmp_path: Path) -> None:
    tool = toolchain("transformers")
    assert tool.unsupported("safetensors", "gguf", None)
    done = process.run(
        tool.convert_argv(models / "written.gguf", tmp_path / "out", None), timeout_s=300, env=tool.environment()
    )
    assert done.ok, done.stderr
    left = canonical(open_checkpoint(models / "written.gguf"))
    assert compare(left, canonical(open_checkpoint(tmp_path / "out"), trusted=left)).agrees
