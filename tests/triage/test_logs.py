"""What a log points at: rules by their own examples, whole logs, noise around them, names that mean nothing."""

import io
import random
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.records import CauseKind
from bot.triage import hypotheses, logtext
from bot.triage.logrules import FILE, Rule, load
from bot.triage.logs import LogContext, fires, triage

HERE = Path(__file__).parent
RULES = load().rules
LOGS = [
    pytest.param(log, id=f"{path.stem}: {log['name']}")
    for path in sorted((HERE / "logs").glob("*.toml"))
    for log in tomllib.loads(path.read_text("utf-8"))["log"]
]
SPOKEN = [log.values[0] for log in LOGS if log.values[0]["expect"] and log.values[0]["text"]]


def context(log: dict[str, Any]) -> LogContext:
    return LogContext(
        command=log.get("command", ""),
        exit_code=log.get("exit"),
        timed_out=log.get("timed_out", False),
        backend=log.get("backend", ""),
    )


def circumstances(rule: Rule) -> LogContext:
    """Circumstances in which a rule may fire."""
    when = rule.when
    return LogContext(
        command=rule.example.get("command", ""),
        exit_code=when.exit[0] if when.exit else None,
        signal=when.signal[0] if when.signal else None,
        timed_out=bool(when.timed_out),
        backend=when.backend[0] if when.backend else "",
    )


def ids(text: str, known: LogContext | None = None) -> list[str]:
    return [cause.id for cause in triage(text, known)]


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_tells_its_own_examples_apart(rule: Rule) -> None:
    if not rule.patterns:
        assert fires(rule, "", circumstances(rule)) and not fires(rule, "", LogContext(exit_code=1))
        return
    assert rule.match and rule.no_match, "both sides of a rule are shown"
    for text in rule.match:
        assert fires(rule, text, circumstances(rule)), text
    for text in rule.no_match:
        assert not fires(rule, text, circumstances(rule)), text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_pattern_of_a_rule_is_shown_or_is_one_of_a_family(rule: Rule) -> None:
    examples = [*rule.match, *(log["text"] for log in SPOKEN)]
    lines = [line for text in examples for line in logtext.read(text)]
    seen = [(line, line.legible if rule.names else line.body) for line in lines]
    used = [pattern for pattern in rule.patterns if any(pattern.find(line, text) for line, text in seen)]
    assert len(used) * 4 >= len(rule.patterns), "most patterns of this rule were never seen to match"


def test_rules_are_well_formed() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert {rule.cause, *rule.rivals} <= set(hypotheses.ALL), rule.name
        assert rule.cause not in rule.rivals and 0 < rule.rank < 100, rule.name
        assert rule.patterns or rule.when != type(rule.when)(), f"{rule.name} would always fire"
    for cause, others in load().explains.items():
        assert {cause, *others} <= set(hypotheses.ALL)


def test_every_cause_of_plane_l_alone_has_a_rule() -> None:
    by_text = {cause for cause, module in hypotheses.ALL.items() if "L" in module.PLANES}
    assert by_text <= {rule.cause for rule in RULES} | {rival for rule in RULES for rival in rule.rivals}


def repeats(tree: Any, inside: bool = False) -> Iterator[bool]:
    """Say of every unbounded repetition of a parsed pattern whether it stands inside another repetition."""
    for operation, argument in tree:
        if operation in {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}:
            _, high, body = argument
            endless = high is _constants.MAXREPEAT
            if endless:
                yield inside
            yield from repeats(body, inside or high > 8)
        elif operation is _constants.BRANCH:
            for branch in argument[1]:
                yield from repeats(branch, inside)
        elif operation is _constants.SUBPATTERN:
            yield from repeats(argument[-1], inside)
        elif operation in {_constants.ASSERT, _constants.ASSERT_NOT}:
            yield from repeats(argument[1], inside)


def test_no_pattern_can_take_more_than_linear_time_many_times_over() -> None:
    assert list(repeats(_parser.parse("(?:a+)+"))) == [False, True]
    for rule in RULES:
        for pattern in (*rule.patterns, *rule.requires, *rule.unless, *rule.unless_line):
            nested = list(repeats(_parser.parse(pattern.regex.pattern)))
            assert not any(nested), f"{rule.name}: a repetition inside a repetition: {pattern.regex.pattern}"
            # every `+` on one line multiplies; lines are at most a thousand characters
            assert len(nested) <= 6, f"{rule.name}: {pattern.regex.pattern}"


def test_what_the_first_look_lets_pass_holds_all_that_rules_find() -> None:
    for rule in RULES:
        if rule.names:
            continue
        assert not any("(?P=" in pattern.regex.pattern for pattern in (*rule.patterns, *rule.requires, *rule.unless))
        for text in rule.match:
            for line in logtext.read(text):
                if any(pattern.find(line, line.body) for pattern in rule.patterns):
                    assert load().concern(line)


# ---------------------------------------------------------------- whole logs


def test_there_are_enough_examples_of_both_sides() -> None:
    loud = sum(len(rule.match) for rule in RULES) + len(SPOKEN)
    quiet = sum(len(rule.no_match) for rule in RULES) + len(LOGS) - len(SPOKEN)
    assert loud >= 200 and quiet >= 100


@pytest.mark.parametrize("log", LOGS)
def test_a_whole_log_points_at_its_causes(log: dict[str, Any]) -> None:
    found = triage(log["text"], context(log))
    assert [cause.id for cause in found] == log["expect"]
    if "confidence" in log:
        assert found[0].confidence == log["confidence"]
    lines = log["text"].split("\n")
    for cause in found:
        if cause.line is not None:
            assert cause.line_number is not None
            assert cause.line == lines[cause.line_number - 1].strip()
            assert all(value in cause.line for value in cause.captures.values())


WORDS = ["tensor", "layer", "blk.3.attn_q.weight", "shape", "copied", "F16", "ok", "MiB", "written", "step", "of", "error-free", "0 errors", "done", "loaded", "epoch", "loss", "in 3.2s", "torch.float16", "-->", "[256, 128]", "warmup"]  # fmt: skip # noqa: E501
BENIGN = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join),
    st.integers(0, 10**6).map(
        lambda n: f"2026-02-09T20:11:{n % 60:02d}.94Z INFO:hf-to-gguf:blk.{n}.ffn_up.weight, F16"
    ),
    st.integers(0, 99).map(
        lambda n: f"Writing:  {n}%|███    | {n}M/496M [00:09<00:01, 45.0Mbyte/s]\rWriting: {n + 1}%"
    ),
    st.sampled_from(
        [
            "",
            "=== APR Run ===",
            "\x1b[1;36m── ok ──\x1b[0m",
            "│ Tensors │ 21 │",
            "##[group]Run make",
            "✓ 12 passed in 3s",
            "Model: Nemotron-Nano",
            "loading timeout-7b",
            "0 NaN, 0 Inf",
            "Path: GGUF → APR",
        ]
    ),
)
NOISE = st.lists(BENIGN, max_size=25)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(SPOKEN), NOISE, NOISE)
def test_noise_around_a_log_changes_nothing(log: dict[str, Any], before: list[str], after: list[str]) -> None:
    text = "\n".join([*before, log["text"], *after])
    assert ids(text, context(log)) == log["expect"]


@settings(max_examples=150, deadline=None)
@given(NOISE)
def test_noise_alone_says_nothing(lines: list[str]) -> None:
    assert ids("\n".join(lines), LogContext(exit_code=1)) == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.integers(-2, 2))
def test_any_text_at_all_is_read(text: str, exit_code: int) -> None:
    found = triage(text, LogContext(exit_code=exit_code, command=text[:80]))
    assert len({cause.id for cause in found}) == len(found)
    assert all(cause.line is None or len(text) > 0 for cause in found)


# ---------------------------------------------------------------- what is not an error


def said() -> list[str]:
    """All that rules recognise, line by line."""
    return [line for rule in RULES for text in rule.match for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize(
    "frame",
    [
        "loading /runs/{slug}/model.gguf",
        "loading {slug}.gguf now",
        "reading '{slug}'",
        'reading "{slug}"',
        "Model: {text}",
        "Prompt: {text}",
        "You: {text}",
        "Output:\n{text}\n\nCompleted in 0.1s",
        "+ apr run {text}",
        "fetching https://example.org/{slug}/resolve/main/{slug}.safetensors",
        "blk.0.weight from C:\\runs\\{slug}\\model.apr",
    ],
)
def test_names_and_generated_text_never_fire_a_rule(frame: str) -> None:
    for text in said():
        if "[Error: " in text or text.startswith("[8 tokens generated"):
            continue  # the tool's own words in the place of an answer
        slug = re.sub(r"\W+", "-", text).strip("-")[:80]
        assert ids(frame.format(slug=slug, text=text), LogContext(exit_code=1)) == [], text


def test_what_the_command_was_told_never_fires_a_rule() -> None:
    for text in said():
        known = LogContext(exit_code=1, command=shlex.join(["apr", "run", "m.gguf", "--prompt", text]))
        if len(text) > 12 and not text.startswith(("Output:", "{", "}")):
            assert ids(f"got {text}\n{text}", known) == [], text


def test_success_says_nothing_but_that_it_contradicts_itself() -> None:
    for rule in RULES:
        for text in () if rule.success else rule.match:
            found = ids(text, LogContext(exit_code=0, command=rule.example.get("command", "")))
            assert found == [] or found[0] in {"HARNESS-004", "HARNESS-002"}, (rule.name, text, found)


def test_infrastructure_is_not_taken_for_the_product() -> None:
    """A cause of one kind is never the first answer to a log of the other, in any example."""
    for rule in RULES:
        for text in rule.match:
            first = triage(text, circumstances(rule))[0]
            wanted = hypotheses.ALL[rule.cause].KIND
            if {first.kind, wanted} == {CauseKind.INFRA, CauseKind.DEFECT}:
                assert first.id in rule.rivals or rule.rank < 60, (rule.name, first.id)


# ---------------------------------------------------------------- how logs come


def test_escapes_progress_and_broken_encodings_are_read_through() -> None:
    line = "error: unexpected argument '--gpu' found"
    for text in ("\x1b[1;31merror:\x1b[0m unexpected argument '\x1b[33m--gpu\x1b[0m' found", f"10%\r20%\r{line}", f"{line}\r\n", f"\x00\x07{line}\u202e"):  # fmt: skip # noqa: E501
        (found,) = triage(text)
        assert (found.id, found.captures, found.line) == ("HARNESS-001", {"option": "--gpu"}, line)
    for data in (b"\xfa\xfb" + line.encode(), b"\xc3\x28\n" + line.encode(), line.encode("utf-16")):
        assert ids(logtext.bounded(io.BytesIO(data)).replace("\ufffd", ""), LogContext(exit_code=2)) == ["HARNESS-001"]


def test_the_last_line_that_matches_decides() -> None:
    (found,) = triage("error: File not found: a.gguf\nsomething\nerror: File not found: b.gguf\nend")
    assert (found.line_number, found.captures) == (3, {"path": "b.gguf"})
    (found,) = triage("error: File not found: a.gguf\nsomething\nerror: File not found: a.gguf")
    assert found.line_number == 3


def test_captures_are_read_from_names_that_rules_cannot_see() -> None:
    (found,) = triage("llama_model_load: error loading model: missing tensor 'blk.3.attn_q.weight'")
    assert found.captures == {"tensor": "blk.3.attn_q.weight"}


@pytest.mark.parametrize("where", [0, 4000, 59_999])
def test_a_long_log_is_read_at_both_ends_and_counted_right(where: int) -> None:
    lines = [
        f"2026-02-09T20:11:00.94Z INFO:hf-to-gguf:blk.{n}.ffn_up.weight, torch.float16 --> F16" for n in range(60_000)
    ]
    lines[where] = "OSError: [Errno 28] No space left on device"
    text = "\n".join(lines)
    assert len(text) > 4_000_000
    for read in (text, logtext.bounded(io.BytesIO(text.encode()))):
        found = triage(read, LogContext(exit_code=1))
        # the middle of a long log is not kept
        assert [(c.id, c.line_number) for c in found] == ([] if where == 4000 else [("INFRA-004", where + 1)])


@pytest.mark.parametrize("unit", ["a: ", "error: ", "(", "'", "a/", "[Error: ", "x", "_", "\\", "a.", "1", '"name": "', "\x1b[", "\r", " ", "- ", "{", "Error: "])  # fmt: skip # noqa: E501
def test_hostile_lines_take_no_more_time_than_others(unit: str) -> None:
    noise = "\n".join(f"{unit * (200_000 // len(unit))}{n}" for n in range(5))
    assert ids(noise) == []
    random.seed(1)
    many = "\n".join(f"{unit * (900 // len(unit))}{random.random()}" for _ in range(150))
    assert ids(f"{many}\nOSError: [Errno 28] No space left on device") == ["INFRA-004"]


@pytest.mark.parametrize(
    ("known", "signal"),
    [
        (LogContext(exit_code=139), 11),
        (LogContext(exit_code=-11), 11),
        (LogContext(exit_code=0xC0000005), 11),
        (LogContext(exit_code=-1073741819), 11),
        (LogContext(signal=9), 9),
        (LogContext(exit_code=137), 9),
        (LogContext(exit_code=101), None),
        (LogContext(exit_code=-1), None),
        (LogContext(exit_code=255), None),
        (LogContext(exit_code=0), None),
        (LogContext(), None),
    ],
)
def test_a_signal_is_known_however_it_is_reported(known: LogContext, signal: int | None) -> None:
    assert known.died_of == signal


def test_the_rules_lie_inside_the_package() -> None:
    import bot

    assert FILE.is_relative_to(Path(bot.__file__).parent)
