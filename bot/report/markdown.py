"""Writes GitHub Markdown in which foreign text stays dead.

`Md` is text that is Markdown already; anything else is foreign and passes `prose`, `code` or `fence`, each
of which cleans and redacts before it cuts. Mentions, references, links, HTML and emphasis come alive only
outside code, so a word that could be one of them is printed as a code span.
"""

import html
import itertools
import re
import shlex
from collections.abc import Iterable, Sequence

from bot.report.redact import clean

DASH = "—"
CELL = 300  # characters of foreign text in one table cell
LINE = 2_000
BLOCK = 6_000


class Md(str):
    """Markdown made by ours; the templates print it as it stands."""

    __slots__ = ()


# words that mean nothing to GitHub: no @ # / _ * < > | [ ] ` ~ $ \ & ! in them
_PLAIN = re.compile(r"[\w.,:;()%+=?'\"°·×÷±≈≠≤≥→←↔√Σ²…‖—–\-]+", re.UNICODE)
_COMPARED = re.compile(r"[<>]=?[\d.,e+\-%]*")
# plain by their characters, yet something to GitHub: a commit, GH-12, :emoji:, www., a list marker, a rule
_LIVE = re.compile(
    r"[0-9a-f]{7,64}|GH-\d+.*|:[\w+\-]+:|www\..*|\d+[.)]|[-+=.]+|.*__.*|.*(?:^|\W)_.*|.*_(?:\W|$).*", re.IGNORECASE
)
_HUGGED = re.compile(r"^([(\"']*)(.*?)([).,;:?\"']*)$", re.DOTALL)
_RUNS = re.compile(r"`+")


def cut(text: str, limit: int) -> str:
    """Shorten text to `limit` characters, marking the cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def _ticks(text: str, least: int) -> str:
    longest = max((len(run) for run in _RUNS.findall(text)), default=0)
    return "`" * max(longest + 1, least)


def _span(text: str) -> Md:
    ticks = _ticks(text, 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return Md(f"{ticks}{pad}{text}{pad}{ticks}")


def code(text: object, limit: int = CELL) -> Md:
    """Return foreign text as one code span on one line; a dash when there is none."""
    line = " ".join(clean(text).split())
    return _span(cut(line, limit)) if line else Md(DASH)


def _risky(word: str) -> bool:
    if _COMPARED.fullmatch(word):
        return False
    return not _PLAIN.fullmatch(word) or "_" in word or bool(_LIVE.fullmatch(word)) or "://" in word


def _words(words: Iterable[str]) -> str:
    """Return a run of words of one kind, hugging punctuation left outside the code span."""
    text = " ".join(words)
    if not _risky(text.split(" ", maxsplit=1)[0]) and all(not _risky(word) for word in text.split(" ")):
        return html.escape(text, quote=False)
    before, core, after = _HUGGED.fullmatch(text).groups()  # type: ignore[union-attr]
    if len(core) > 2 and core[0] == core[-1] == "`" and "`" not in core[1:-1]:
        core = core[1:-1]
    if not core.strip():
        return _span(text)
    return f"{before}{_span(core)}{after}"


def _sentence(text: object, limit: int) -> str:
    words = cut(" ".join(clean(text).split()), limit).split()
    return " ".join(_words(group) for _, group in itertools.groupby(words, _risky))


def prose(text: object, limit: int = LINE) -> Md:
    """Return a foreign sentence on one line: harmless words as they are, all others in code spans."""
    return Md(_sentence(text, limit) or DASH)


def _unsplit(text: object) -> str:
    """Return the content of a table cell: Markdown of ours keeps its meaning, pipes and lines never split a row."""
    inner = str(text) if isinstance(text, Md) else _sentence(text, CELL)
    if "\\" in inner and "|" in inner:  # a backslash before a pipe has no faithful spelling in a table
        inner = inner.replace("|", "¦")
    return " ".join(inner.split("\n")).replace("|", "\\|") or DASH


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Md:
    """Return a table; every cell that is not `Md` is foreign."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "|".join(" --- " for _ in headers) + "|"]
    lines += ["| " + " | ".join(_unsplit(item) for item in row) + " |" for row in rows]
    return Md("\n".join(lines))


def excerpt(text: object, limit: int = BLOCK) -> str:
    """Return foreign text cut in the middle: how it began and how it ended say more than the middle."""
    body = clean(text).strip("\n")
    if len(body) <= limit:
        return body
    head = body[: limit // 3].rsplit("\n", 1)[0]
    tail = body[-(limit - limit // 3) :]
    tail = tail.split("\n", 1)[-1] if "\n" in tail[:200] else tail
    return f"{head}\n… {len(body) - len(head) - len(tail)} characters left out …\n{tail}"


def fence(text: object, language: str = "", limit: int = BLOCK) -> Md:
    """Return a fenced block whose fence is longer than any run of backticks inside."""
    body = excerpt(text, limit)
    ticks = _ticks(body, 3)
    return Md(f"{ticks}{language}\n{body}\n{ticks}")


def details(summary: str, body: str) -> Md:
    """Return a folded section; the blank lines are what makes GitHub read Markdown inside."""
    return Md(f"<details><summary>{html.escape(' '.join(clean(summary).split()))}</summary>\n\n{body}\n\n</details>")


def bullets(items: Iterable[object]) -> Md:
    """Return a list; items that are not `Md` are foreign sentences."""
    return Md("\n".join(f"- {item if isinstance(item, Md) else prose(item)}" for item in items))


def tasks(items: Iterable[tuple[bool, object]]) -> Md:
    """Return a task list of (ticked, text)."""
    lines = []
    for done, item in items:
        # GitHub's parser takes an [x] anywhere in the line for the tick
        text = re.sub(r"\[([xX])\]", r"(\1)", item if isinstance(item, Md) else prose(item))
        lines.append(f"- [{'x' if done else ' '}] {text}")
    return Md("\n".join(lines))


def shell(argv: Sequence[str]) -> str:
    """Return one shell line that runs exactly this argv (control characters and secrets taken out first)."""
    return " ".join(_word(clean(word).replace("\n", " ")) for word in argv)


def _word(word: str) -> str:
    """Quote one word, leaving a redacted home folder for the shell to find again."""
    return "~/" + shlex.quote(word[2:]) if word.startswith("~/") and len(word) > 2 else shlex.quote(word)


def number(value: object) -> str:
    """Return a measurement as the tables print it: 7.61e-1; a dash for what was not measured."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return DASH
    if value != value:  # noqa: PLR0124 - NaN is the only number unlike itself
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"
