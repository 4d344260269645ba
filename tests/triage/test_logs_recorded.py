"""Every recorded command of two published versions of a real converter: its cause, or silence."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from bot.triage.logs import LogContext, triage

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "apr" / "transcripts"
OLD_CONTAINER = ("HARNESS-003", "ARCH-002")  # the reader is older than the file
OTHER_CONTAINER = ("HARNESS-001", "ARCH-002", "HARNESS-003")  # the command reads another format
NO_TYPE = ("ARCH-002", "HARNESS-003")
NO_MODEL = ("FILE-002", "FILE-008")

# by the name of the command, the first that fits; a command that is not listed must be silent, and must not have failed
CAUSES: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "0.2.11": [
        (r"bad \w+ bad(/Model-2\.5B|/nothing\.gguf)?$|bad import bad/noext", ("PATH-001",)),
        (r"bad import bad/(colmajor|crc|cut|footer)\.apr", ("HARNESS-001",)),
        (r"bad run bad/cut\.apr", ("ENGINE-002",)),
        (r"bad run bad/(colmajor|crc|footer)\.apr", ("HARNESS-004", "TOK-008")),
        (r"bad (run|import) bad/(cut|empty|head)\.gguf|bad import bad/cut\.safetensors", ("FILE-001",)),
        (r"bad (inspect|validate) bad/empty\.gguf", ("FILE-001",)),
        (r"bad run bad/cut\.safetensors", ("PATH-002",)),
        (r"bad (run|import) bad/huge\.safetensors", ("FILE-008",)),
        (r"bad \w+ bad/(lfs|text|huge)\.", NO_MODEL),
        (r"bad import bad/gguf-inside", NO_TYPE),
        (r"bad inspect bad/\w+\.apr", OLD_CONTAINER),
        (r"bad (inspect|validate) .*(gguf|safetensors|noext)$", OTHER_CONTAINER),
        (r"bad (option|command)|diff values|run gpu|profile ci", ("HARNESS-001",)),
        (r"(run|inspect|tensors|validate)( json)? apr from gguf llama-96-bf16", ("PATH-001",)),
        (r"import G( force)? llama-96-bf16", NO_TYPE),
        (r"import G (?!force)", ("HARNESS-004",)),
        (r"export A-|canary (made|llama-256-f32\.gguf)", NO_TYPE),
        (r"(inspect|tensors)( json)? apr|(trace json|lint|hex) made", OLD_CONTAINER),
        (r"(inspect|tensors|validate)( json)? (gguf|safetensors)|(trace json|lint|hex) llama", OTHER_CONTAINER),
        (r"run apr |run (json|-f json|verbose) made", ("HARNESS-004", "TOK-008")),
        (r"run gguf llama-256-q4_k|run gguf llama-256-q8_0", ()),
        (r"run gguf|(run (json|-f json|benchmark|verbose)|qa) llama-256-f32\.gguf|run without prompt", NO_TYPE),
        (r"bad run .*(gguf|gguf-inside\.safetensors|noext)$", NO_TYPE),
        (r"chat llama-256-f32\.gguf", ("HARNESS-004", *NO_TYPE)),
        (r"chat llama-256-f32/", ("HARNESS-004", "TOK-002")),
        (r"(bench|eval) (made|llama-256-f32/)", ("ENGINE-002",)),
        (r"qa ", ("HARNESS-002",)),
        (r"check( json)? (made|llama-256-f32/)", NO_TYPE),
        # they say that something is wrong, and not what
        (r"check llama-256-f32\.gguf|check json llama-256-f32\.gguf|eval llama-256-f32\.gguf", ()),
        (r"serve llama-256-f32\.gguf", ("TOK-007",)),
    ],
    "0.72.3": [
        (r"bad \w+ bad(/Model-2\.5B|/nothing\.gguf)?$|bad run bad/noext|bad target folder", ("PATH-001",)),
        (r"bad (option|command|target extension)|seed form|chain unknown|bad run \.\./", ("HARNESS-001",)),
        (r"check( json)? llama-256-f32\.gguf", ("HARNESS-001",)),
        (r"bad validate bad/colmajor\.apr", ("LAYOUT-002", "HARNESS-004", "FILE-008")),
        (r"bad convert bad/colmajor\.apr", ("LAYOUT-002", "FILE-008")),
        (r"bad validate bad/crc\.apr", ("FILE-009", "HARNESS-004")),
        (r"bad convert bad/crc\.apr", ("FILE-009",)),
        (r"bad inspect bad/crc\.apr", ("HARNESS-004", "FILE-009")),
        (r"bad run bad/cut\.safetensors", ("PATH-002",)),
        (r"bad run bad/cut\.gguf", ("FILE-001", "TOK-001")),
        (r"bad (inspect|convert) bad/cut\.apr", ()),
        (r"bad \w+ bad/(cut|empty|head)\.", ("FILE-001",)),
        (r"bad (inspect|validate) bad/huge", ("FILE-008",)),
        (r"bad \w+ bad/(huge|lfs|text)\.", NO_MODEL),
        (r"run gpu", ("INFRA-007", "HARNESS-001")),
        (r"verify( json)?$", ("META-006", "NAME-001")),
        (r"diff-tensors( json)? llama-256-f32\.gguf (made|llama-256-f32/)", ("HARNESS-004",)),
        (r"compare-inference", ("HARNESS-003",)),
        (r"fingerprint llama-256-f32\.gguf llama-256-f32/", ("HARNESS-004", "NAME-002")),
        (r"(qa|eval) llama-256-f32\.gguf", ("TOK-001",)),
        (r"qa made", ()),
        (r"eval made|(qa|eval) llama-256-f32/", ("ENGINE-002",)),
    ],
}  # fmt: skip


def expected(version: str, name: str) -> tuple[str, ...] | None:
    return next((causes for pattern, causes in CAUSES[version] if re.match(pattern, name)), None)


def found(record: dict[str, Any]) -> tuple[str, ...]:
    text = "\n".join(filter(None, (record.get(part) for part in ("stdout", "stderr", "output"))))
    exit_code = record.get("exit", record.get("exit_before_term"))
    known = LogContext(command=shlex.join(map(str, record["argv"])), exit_code=exit_code, timed_out=bool(record.get("timed_out")))  # fmt: skip # noqa: E501
    return tuple(cause.id for cause in triage(text, known))


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason="the recorded commands are not there")
@pytest.mark.parametrize("version", CAUSES)
def test_every_recorded_command_gives_its_causes_or_silence(version: str) -> None:
    wrong = []
    for line in (TRANSCRIPTS / f"{version}.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        wanted = expected(version, record["name"])
        if wanted is None:
            assert not record.get("exit"), f"{record['name']} failed and nobody said with what"
        got = found(record)
        if got != (wanted or ()):
            wrong.append((record["name"], record.get("exit"), wanted, got))
    assert not wrong, "\n".join(map(str, wrong))
