# ruff: noqa: E501
"""Markers, regions and keys, whatever stands around and inside them."""

import dataclasses
import re

import cmarkgfm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.github import boxes, key, messages
from bot.github.marker import BEGIN, BODY_LIMIT, END, comment_marker, managed, merge, read_state, region
from bot.github.model import Row, State
from bot.records import CauseKind, Cell, Confidence, Finding, Outcome, Severity, Verdict

words = st.text(max_size=60) | st.sampled_from(
    ["-->", "<!--", "--!>", BEGIN, END, "<!-- requalify:state {} -->", "```", "@all", "|", "\n"]
)
rows = st.builds(
    Row, model=words, cell=words, definition=words, first=words, last=words, outcome=words, passes=st.integers(0, 99)
)
states = st.builds(
    State, key=words, cause=words, toolchain=words, first_sha=words, last_sha=words, runs=st.lists(words, max_size=3).map(tuple),
    rows=st.lists(rows, max_size=4).map(tuple), good_sha=st.none() | words, since=st.lists(words, max_size=2).map(tuple),
    passed_sha=st.none() | words, closed_sha=st.none() | words, reopened=st.integers(0, 9), told=st.booleans(), flaky=st.booleans(),
    dropped=st.integers(0, 3), members=st.lists(words, max_size=3).map(tuple), corrected=st.lists(words, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=120)
@given(states, words, words)
def test_a_state_comes_back_whatever_it_says_and_whoever_writes_around_it(state: State, text: str, human: str) -> None:
    human = human.replace(BEGIN, "").replace(END, "")
    body = merge(human, region(text, state))
    back = read_state(body)
    assert back == dataclasses.replace(state, rows=tuple(sorted(state.rows, key=lambda row: row.passes)))
    assert len(re.findall(r"<!--.*?-->", region("", state), re.DOTALL)) == 3
    again = merge(f"above\n{body}\nbelow", region("new", state))
    assert again.startswith("above\n") and again.endswith("\nbelow")
    assert managed(again) == "new"


@settings(max_examples=60)
@given(st.text(max_size=BODY_LIMIT), words, st.integers(1, 400), st.integers(1, 3000))
def test_any_body_is_within_githubs_limit_and_keeps_what_people_wrote(
    human: str, text: str, many: int, repeat: int
) -> None:
    row = Row(model=text * 20, cell=text * 9, definition="d", first="f", last="l")
    state = State(
        key="k", cause=text, toolchain="t", first_sha="a", last_sha="b", runs=("1",),
        rows=tuple(dataclasses.replace(row, passes=n % 3) for n in range(many)),
    )  # fmt: skip
    made = region(f"```\n{text * repeat}\n", state)
    assert len(made) <= BODY_LIMIT
    back = read_state(made)
    assert back and len(back.rows) + back.dropped == many
    body = merge(human, made)
    assert len(body) <= BODY_LIMIT
    assert body.startswith(human.replace(BEGIN, "").replace(END, "").rstrip()[:1000].split("<!-- requalify:")[0])


def test_a_fence_cut_open_is_closed_and_the_marker_stands_behind_it() -> None:
    state = State(key="k", cause="c", toolchain="t", first_sha="a", last_sha="b", runs=("1",))
    made = region("````text\n" + "```\nline\n" * 30_000, state)
    html = cmarkgfm.markdown_to_html(made, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE)
    assert "requalify:state" in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert read_state(made) == state


DAMAGED = [
    "", "text", BEGIN + END, END + BEGIN, "{b}{b}", "<!-- requalify:state {} -->",
    BEGIN + '<!-- requalify:state {"v":1} -->' + END, BEGIN + '<!-- requalify:state {"v":2} -->' + END,
    BEGIN + "<!-- requalify:state " + '{"a":' * 3000 + "} -->" + END,
]  # fmt: skip


@pytest.mark.parametrize("template", DAMAGED)
def test_a_damaged_marker_is_no_state_and_never_an_error(template: str) -> None:
    good = region("t", State(key="k", cause="c", toolchain="t", first_sha="a", last_sha="b", runs=("1",)))
    body = template.replace("{b}", good)
    assert read_state(body) is None
    assert read_state(merge(body, good)) is not None


@pytest.mark.parametrize(
    "change", ['"told":1', '"reopened":true', '"rows":[{}]', '"runs":"x"', '"surprise":1', '"key":null']
)
def test_a_state_with_a_field_of_another_type_is_no_state(change: str) -> None:
    good = region("t", State(key="k", cause="c", toolchain="t", first_sha="a", last_sha="b", runs=("1",)))
    name = change.split(":", maxsplit=1)[0]
    bad = re.sub(rf'{name}:(true|false|\d+|"[^"]*"|\[[^\]]*\])', change, good) if name in good else good
    bad = bad if bad != good else good.replace('"v":1', f'"v":1,{change}')
    assert bad != good and read_state(bad) is None


@given(words)
def test_the_marker_of_a_comment_is_one_line_that_nothing_ends(subject: str) -> None:
    assert re.fullmatch(r"<!-- requalify:comment [\w.:/@#]{0,200} -->", comment_marker(subject), re.ASCII)


@settings(max_examples=150)
@given(st.text(max_size=200) | st.sampled_from(["`|`", "``", "a`", "\u202eevil", "x\ny"]))
def test_a_foreign_word_is_one_dead_code_span_even_in_a_table(text: str) -> None:
    html = cmarkgfm.github_flavored_markdown_to_html(f"| a | b |\n| --- | --- |\n| {messages.span(text)} | end |\n")
    assert html.count("<td>") == 2 and "<td>end</td>" in html
    assert re.search(r"<td>(<code>[^<]*</code>|—)</td>", html), html


# -- keys -----------------------------------------------------------------------------


def judged(gate: str, *chain: str, backend: str | None = "cpu", outcome: Outcome = Outcome.FALSIFIED) -> Verdict:
    return Verdict(
        gate=gate, severity=Severity.P0, cell=Cell(gate=gate, chain=chain, backend=backend), outcome=outcome, reason=""
    )


def found(*verdicts: Verdict, **more: str) -> Finding:
    gates = tuple(v.cell.id for v in verdicts if v.outcome is Outcome.FALSIFIED)
    return Finding(
        id=more.pop("id", "C-1"), slug="s", kind=CauseKind.DEFECT, confidence=Confidence.HIGH, gates=gates, **more
    )


CPU = judged("F-CONV-G-A", "gguf", "apr")
GPU = judged("F-CONV-G-A", "gguf", "apr", backend="gpu")
GPU_HELD = dataclasses.replace(GPU, outcome=Outcome.CORROBORATED)
RT = judged("F-CONV-RT-001", "gguf", "apr", "safetensors", "gguf")


def test_a_key_is_made_of_cause_family_pair_backend_class_and_toolchain_and_of_nothing_else() -> None:
    assert key.parts(found(CPU), [CPU], "apr") == ("v1", "C-1", "conversion", "gguf-apr", "any", "apr")
    base = key.key(key.parts(found(CPU), [CPU], "apr"))
    same = [
        (found(CPU, RT), [CPU, RT], "apr"),  # more gates of the family
        (found(CPU, GPU), [CPU, GPU], "apr"),  # the other backend too
        (dataclasses.replace(found(CPU), explained=9, tensors=("a",), pattern="p"), [CPU], "apr"),  # counts
        (found(dataclasses.replace(CPU, diff=0.5, reason="other")), [CPU], "apr"),  # measurements
    ]
    for finding, verdicts, toolchain in same:
        assert key.key(key.parts(finding, verdicts, toolchain)) == base
    other = [
        (found(CPU, id="C-2"), [CPU], "apr"),
        (found(CPU), [CPU], "llama_cpp"),
        (found(CPU), [CPU, GPU_HELD], "apr"),  # it holds on the GPU: a matter of one backend
        (found(CPU, hop="apr-gguf"), [CPU], "apr"),
        (found(RT), [RT], "apr"),
        (found(judged("G3-STABLE", "gguf")), [judged("G3-STABLE", "gguf")], "apr"),
    ]
    keys = {key.key(key.parts(*case)) for case in other}
    assert len(keys) == len(other) and base not in keys


def test_the_parts_of_a_key_can_not_run_into_each_other() -> None:
    assert key.key(("ab", "c")) != key.key(("a", "bc"))


# -- boxes ------------------------------------------------------------------------------

TEXT = """## Summary

- [ ] `F-CONV-G-A` holds

## Acceptance Criteria

- [ ] `F-CONV-G-A` (GGUF → APR) holds: diff 0
- [x] `F-CONV-A-G` holds
- [ ] The other 3 failing gates hold
- [ ] `m` qualifies with MQS ≥ 800

## Cross-References
- [ ] `F-CONV-G-A` holds
"""


def test_boxes_are_ticked_where_every_row_of_the_gate_holds_and_unticked_where_not() -> None:
    def row(cell: str, outcome: str) -> Row:
        return Row(model="m", cell=cell, definition="d", first="", last="", outcome=outcome)

    held = [
        row("F-CONV-G-A/x/cpu", "corroborated"),
        row("F-CONV-A-G/x/cpu", "corroborated"),
        row("F-CONV-A-G/x/gpu", "error"),
    ]
    lines = boxes.ticked(TEXT, held, qualifies=True).split("\n")
    assert [line[:5] for line in lines if line.startswith("- [")] == [
        "- [ ]",
        "- [x]",
        "- [ ]",
        "- [ ]",
        "- [x]",
        "- [ ]",
    ]
    assert boxes.ticked(boxes.ticked(TEXT, held, qualifies=True), held, qualifies=True) == "\n".join(lines)
