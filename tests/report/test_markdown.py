import re
import shlex
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from bot.report.markdown import Md, bullets, code, details, fence, number, prose, shell, table, tasks
from bot.report.redact import clean, redact

TEXT = st.text(
    alphabet=st.one_of(st.sampled_from("`|\\<>@#_*[]()!~$&-+=.:/\n \t1aZ{}\"'"), st.characters()), max_size=60
)
EVENTS = (
    "@torvalds", "hello @org/team!", "fixes #12", "o/r#3", "GH-12", "deadbeefcafe1234", "https://evil.example/x",
    "www.evil.example", "<script>alert(1)</script>", "<!-- gone", "**bold**", "_it_", "~~no~~", "![i](http://e/x)",
    "[l](javascript:x)", "&lt;b&gt;", "$x$", ":tada:", "a | b", "`tick`", "``` fence", "# head", "- item", "1. one",
    "> quote", "</details>", "a@b.example", "___", "+ plus", "= eq", "\\", "\\|", "`\\|`",
)  # fmt: skip


class Page(HTMLParser):
    """Sorts what GitHub's parser made: the text in code, the text outside, and the tags."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.inside: list[str] = []
        self.outside = self.all = ""
        self._depth = 0
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag in {"code", "pre"}:
            self._depth += 1
            self.inside.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in {"code", "pre"}

    def handle_data(self, data: str) -> None:
        self.all += data
        if self._depth:
            self.inside[-1] += data
        else:
            self.outside += data


def alive(text: str) -> list[str]:
    """Whatever GitHub would link in rendered text outside code."""
    pattern = r"(?:^|\W)@\w|#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|https?://|www\.\w|(?:^|\s):\w+:"
    return re.findall(pattern, text)


@pytest.mark.parametrize("text", EVENTS)
def test_prose_is_dead_and_keeps_its_words(text: str) -> None:
    page = Page(prose(text))
    assert set(page.tags) <= {"p", "code"}
    assert alive(page.outside) == []
    assert "".join(page.all.split()).replace("`", "") == "".join(text.split()).replace("`", "")


def test_harmless_words_stay_as_they_are() -> None:
    assert (
        prose("168 of 290 tensors differ, worst 1.41 → 0 (same arithmetic)")
        == "168 of 290 tensors differ, worst 1.41 → 0 (same arithmetic)"
    )
    assert prose("expected < 1e-6 (calibrated)") == "expected &lt; 1e-6 (calibrated)"
    assert prose("in attn_k.weight.") == "in `attn_k.weight`."


@given(TEXT)
def test_no_sentence_makes_any_tag_but_code(text: str) -> None:
    for markdown in (prose(text), f"- {prose(text)}", f"word {prose(text)} word", f"1. **x**: {prose(text)}"):
        page = Page(markdown)
        assert set(page.tags) <= {"p", "code", "ul", "ol", "li", "strong"}
        assert len([tag for tag in page.tags if tag in {"ul", "ol"}]) <= 1
        assert alive(page.outside) == []


@given(TEXT)
def test_a_code_span_holds_exactly_its_text(text: str) -> None:
    wanted = " ".join(clean(text).split())
    page = Page("a " + code(text, 1000) + " b")
    assert page.inside == ([wanted] if wanted else [])


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_no_cell_breaks_its_table(rows: list[tuple[str, str]]) -> None:
    page = Page(table(("A", "B"), [(a, code(b)) for a, b in rows]) + "\n\nafter")
    assert page.tags.count("td") == 2 * len(rows)
    assert page.tags.count("tr") == 1 + len(rows)
    assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code", "p"}
    assert alive(page.outside) == []


@given(TEXT)
def test_a_cell_of_code_keeps_pipes(text: str) -> None:
    wanted = " ".join(clean(text).split())
    page = Page(table(("A",), [(code(text, 1000),)]))
    if wanted and "\\" not in wanted:
        assert page.inside == [wanted]


@given(st.text(alphabet=st.sampled_from("`~ab\n<|"), max_size=80))
def test_nothing_leaves_a_fence(text: str) -> None:
    page = Page("before\n\n" + fence(text) + "\n\nafter")
    assert page.tags.count("pre") == 1
    assert set(page.tags) == {"p", "pre", "code"}
    assert page.inside[-1] == (clean(text).strip("\n") + "\n")


def test_a_fence_is_longer_than_any_run_inside() -> None:
    assert fence("````").startswith("`````\n")
    assert fence("plain").startswith("```\n")


def test_details_hold_markdown_and_survive_their_own_end_tag_in_a_fence() -> None:
    page = Page(details("more <b>", fence("</details>\n# x")) + "\n\nafter")
    assert page.tags.count("details") == 1
    assert "h1" not in page.tags and "b" not in page.tags
    assert "</details>\n# x\n" in page.inside


def test_task_lists_are_task_lists() -> None:
    html = cmarkgfm.github_flavored_markdown_to_html(tasks([(True, "one"), (False, "[x] two")]))
    assert html.count('type="checkbox"') == 2
    assert html.count("checked") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    (
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[token]"),
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a", "[token]"),
        ("github_pat_11AAAAAAA0abcdefghij_ABCDEFGHIJ", "[token]"),
        ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "[token]"),
        ("AKIAIOSFODNN7EXAMPLE", "[aws-key]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [aws-key]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
        ("https://user:pw@host.example/x", "https://[credentials]@host.example/x"),
        ("/home/alice/models/a.gguf", "~/models/a.gguf"),
        ("/Users/bob/a", "~/a"),
        ("open /root/x", "open ~/x"),
        (r"C:\Users\bob\a", r"~\a"),
        ("10.1.2.3:8080", "[ip]:8080"),
        ("fe80::1ff:fe23:4567:890a", "[ip]"),
        ("gpu7.corp", "[host]"),
        ("hostname: gpu-box", "hostname: [host]"),
        ("ip-10-0-0-12", "[host]"),
    ),
)
def test_what_must_not_be_shown_is_redacted(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(f"x {text} y") == f"x {shown} y"


@pytest.mark.parametrize(
    "text",
    (
        "model.layers.0.self_attn.q_proj.weight",
        "0.2.12",
        "torch 2.13.0",
        "a::b",
        "/tmp/home/x",
        "std::vector",
        "12:30:01",
    ),
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_hidden_characters_do_not_hide_a_token_and_a_cut_leaves_no_half() -> None:
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    assert "abcdef" not in prose("ghp_abc\u200bdefghijklmnopqrstuvwxyz0123456789")
    assert "ghp" not in code("x" * 290 + " " + token)


def test_terminal_and_bidi_sequences_are_gone() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07\u202egnp\u200b.exe\x00\r\nnext") == "red gnp.exe\nnext"


@given(
    st.lists(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20), min_size=1, max_size=5)
)
def test_a_command_is_what_it_prints(argv: list[str]) -> None:
    line = shell(argv)
    assert shlex.split(line) == [redact(word) for word in argv]


@pytest.mark.parametrize(
    ("value", "shown"),
    (
        (0.761, "7.61e-1"),
        (0, "0"),
        (1.4142, "1.41e0"),
        (3.1e-12, "3.10e-12"),
        (None, "—"),
        ("inf", "∞"),
        ("nan", "NaN"),
        ("x", "—"),
        (True, "—"),
    ),
)
def test_numbers_print_as_the_table_wants_them(value: object, shown: str) -> None:
    assert number(value) == shown


def test_ours_stays_markdown() -> None:
    assert table(("A",), [(Md("**a** | b"),)]).endswith("| **a** \\| b |")
    assert bullets([Md("**a**"), "**b**"]) == "- **a**\n- `**b**`"
