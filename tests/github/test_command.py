"""The grammar of `/requalify`: where a command may stand, what it may say, and that nothing makes it raise."""

# ruff: noqa: E501
import re

import cmarkgfm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.gates import ALL
from bot.github import command
from bot.github.command import Help, Mistake, Requalify, argv, first_line, parse

SHA = "0123456789abcdef0123456789abcdef01234567"
MODELS = ("org/small", "org/Large-1.5")


def read(body: str) -> command.Command | None:
    return parse(body, ALL, MODELS)


RIGHT: list[tuple[str, Requalify]] = [
    ("/requalify", Requalify()),
    ("\n\n  \n/requalify\nthanks", Requalify()),
    ("/requalify --gate F-CONV-G-A --gate F-CONV-A-G --gate F-CONV-G-A", Requalify(gates=("F-CONV-G-A", "F-CONV-A-G"))),
    ("/requalify --gate=f-conv-g-a --model=ORG/small", Requalify(gates=("F-CONV-G-A",), models=("org/small",))),
    ("/requalify --backend gpu --plan", Requalify(backend="gpu", plan=True)),
    (f"/requalify --sha {SHA}", Requalify(sha=SHA)),
    (f"/requalify --pr 12@{SHA}", Requalify(sha=SHA, pull=12)),
    ("<!-- a\n/requalify --sha x -->\n/requalify", Requalify()),
    ("```\n/requalify help\n```\n/requalify", Requalify()),
    ("> /requalify help\n\n/requalify", Requalify()),
    ("    /requalify help\n\n/requalify", Requalify()),
    ("<details>\n/requalify help\n</details>\n\n/requalify", Requalify()),
    ("<pre>\n\n/requalify help\n\n</pre>\n/requalify", Requalify()),
    ("/requalify\r\n--gate x", Requalify()),
]


@pytest.mark.parametrize(("body", "asked"), RIGHT)
def test_a_command_is_read_where_people_see_one(body: str, asked: Requalify) -> None:
    assert read(body) == asked


NONE = [
    "", "hello", "see /requalify", "Thanks!\n/requalify", " /requalify", "`/requalify`", "    /requalify", "\t/requalify", "> /requalify",
    "> quoted\n/requalify", "```\n/requalify\n```", "```\n/requalify", "````\n```\n/requalify\n```", "~~~\n```\n/requalify", "<!-- /requalify",
    "<!--\n\n/requalify", "<b>\n/requalify", "- /requalify", "/requalifyx", "/Requalify", "\\/requalify", "**/requalify**", "\ufeff/requalify",
    "<script>\n\n/requalify\n",
    "<?\n\n/requalify", "<!DOCTYPE\n\n/requalify", "<![CDATA[\n\n/requalify", "<b>\n<!--\n\n/requalify", "\x0b\n/requalify", "`" * 65_536 + "\n/requalify", "\n" * 5000 + "/requalify",
]  # fmt: skip


@pytest.mark.parametrize("body", NONE)
def test_what_is_quoted_fenced_or_talked_about_is_no_command(body: str) -> None:
    assert read(body) is None


WRONG: list[tuple[str, str, str]] = [
    ("--gate F-CONV-G-B", "no such gate", "F-CONV-G-"),
    ("--gates F-CONV-G-A", "no such option", "--gate"),
    ("--model org/smal", "no such model", "org/small"),
    ("--backend cuda", "no such backend", ""),
    ("--sha 0123abc", "no full commit", ""),
    (f"--sha {SHA.upper()}", "no full commit", ""),
    ("--pr 12", "no pull request at a full commit", ""),
    (f"--pr 12@{SHA} --sha {SHA}", "Only one", ""),
    ("--gate", "value is missing", ""),
    ("--gate --plan", "value is missing", ""),
    ("--plan --plan", "more than 1 time:", ""),
    (f"--sha {SHA} --sha {SHA}", "more than 1 time:", ""),
    (" ".join(["--gate F-CONV-G-A"] * 21), "more than 20 times", ""),
    ("halp", "This is no option", "help"),
    ("--plna", "no such option", "--plan"),
    ("--toolchain=x;rm", "no such option", ""),
    ("$(reboot)", "no option", ""),
]


@pytest.mark.parametrize(("words", "what", "near"), WRONG, ids=[words[:30] for words, _, _ in WRONG])
def test_a_mistake_is_named_with_what_comes_nearest(words: str, what: str, near: str) -> None:
    found = read(f"/requalify {words}")
    assert isinstance(found, Mistake)
    assert what in found.what and found.nearest.startswith(near)


def test_help_is_help() -> None:
    assert read("/requalify help") == read("/requalify --help me") == Help()


commands = st.builds(
    Requalify,
    gates=st.lists(st.sampled_from(sorted(ALL)), unique=True, max_size=5).map(tuple),
    models=st.lists(st.sampled_from(MODELS), unique=True, max_size=2).map(tuple),
    backend=st.sampled_from(command.BACKENDS),
    plan=st.booleans(),
)
commits = st.text("0123456789abcdef", min_size=40, max_size=40)


@settings(max_examples=150, deadline=None)
@given(commands, st.none() | commits, st.none() | st.integers(1, 999_999_999))
def test_every_command_survives_the_way_through_words(asked: Requalify, sha: str | None, pull: int | None) -> None:
    asked = Requalify(
        gates=asked.gates,
        models=asked.models,
        backend=asked.backend,
        plan=asked.plan,
        sha=sha,
        pull=pull if sha else None,
    )
    assert read(" ".join(argv(asked))) == asked


pieces = st.sampled_from(
    ["/requalify", "\n", "\n\n", "```", "~~~", "`", "> ", "    ", "\t", "<!--", "-->", "<pre>", "</pre>", "<b>", "- ", "1. ", "# ", "x", " ", "\\",
     "--gate", "[a]: b", "***", "|", "</details>", "\r", "\x0b", "\u2028", "=== ", "\x00"]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=200))
def test_the_parser_never_raises_and_believes_only_what_github_shows_as_text(body: str) -> None:
    found = read(body)
    if found is None:
        return
    line = first_line(body) or ""
    html = cmarkgfm.markdown_to_html(body.replace("\x00", ""), options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE)
    shown = re.sub(r"<(pre|code|blockquote|li)\b.*?</\1>|<!--.*?-->", "", html, flags=re.DOTALL)
    assert re.search(r"<(p|h[12])>[^<]*/requalify", shown), (line, html)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_follows_the_word_is_a_command_or_a_mistake(option: str, value: str) -> None:
    found = read(f"/requalify --gate {value} {option}")
    assert isinstance(found, Requalify | Mistake | Help)
