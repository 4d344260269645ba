"""Reads a command out of a comment: the first line outside code, quotes and HTML, or nothing. Pure.

Values are names out of closed sets, never text that is passed on. The time is linear in the length of the
comment, of which only the beginning is read.
"""

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterator

READ = 4_096  # characters of a comment
REPEATS = 20  # of one option
WORD = "/requalify"
BACKENDS = ("cpu", "gpu", "all")
_OPTIONS = ("--gate", "--model", "--backend", "--sha", "--pr", "--plan")
_HEX = re.compile(r"[0-9a-f]{40}")
_PULL = re.compile(r"([1-9]\d{0,8})@([0-9a-f]{40})")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_RAW = re.compile(r" {0,3}<(pre|script|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
_UNTIL = re.compile(r" {0,3}(<!--|<\?|<!\[CDATA\[|<![A-Za-z])")
_ENDS = {"<!-": "-->", "<?": "?>", "<![": "]]>"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requalify:
    """What was asked for. No gates means those of the issue, no commit the default branch's head."""

    gates: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    backend: str = "all"
    sha: str | None = None
    pull: int | None = None  # then `sha` is the head it had when it was looked at
    plan: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Help:
    """Somebody asked how."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mistake:
    """A command that is not one, and what to tell its author."""

    what: str
    word: str = ""  # of theirs: to be shown as code
    nearest: str = ""


Command = Requalify | Help | Mistake


def parse(body: str, gates: Collection[str], models: Collection[str]) -> Command | None:
    """Return the command of a comment; None when it holds none."""
    line = first_line(body)
    words = line.split() if line and line.startswith(WORD) else []
    if not words or words[0] != WORD:
        return None
    try:
        return _Parser(words[1:], gates, models).command()
    except _WrongError as error:
        return error.mistake


def argv(asked: Requalify) -> list[str]:
    """Return the words that parse into this."""
    words = [WORD]
    for gate in asked.gates:
        words += ["--gate", gate]
    for model in asked.models:
        words += ["--model", model]
    if asked.backend != "all":
        words += ["--backend", asked.backend]
    if asked.pull is not None:
        words += ["--pr", f"{asked.pull}@{asked.sha}"]
    elif asked.sha is not None:
        words += ["--sha", asked.sha]
    return [*words, "--plan"] if asked.plan else words


def first_line(body: str) -> str | None:
    """Return the first line that GitHub would show as plain text and that starts at the margin."""
    return next(_plain(body[:READ].replace("\r\n", "\n").replace("\r", "\n").split("\n")), None)


def _plain(lines: list[str]) -> Iterator[str]:
    """Yield the lines outside code, quotes and HTML."""
    rest = iter(lines)
    for line in rest:
        if fence := _FENCE.match(line):
            _past_fence(rest, fence[1])
        elif raw := _RAW.match(line):
            _past(rest, line[raw.end() :], f"</{raw[1].lower()}>")
        elif other := _UNTIL.match(line):
            _past(rest, line[other.end() :], _ENDS.get(other[1][:3], ">"))
        elif re.match(r" {0,3}[<>]", line):
            _past_paragraph(rest, line)  # HTML and lazily continued quotes end at a blank line
        elif line.strip(" \t") and not re.match(r" {4}| {0,3}\t", line):
            yield line


def _past_fence(rest: Iterator[str], fence: str) -> None:
    for line in rest:
        inner = line.strip(" ")
        if inner and set(inner) == {fence[0]} and len(inner) >= len(fence) and not line.startswith("    "):
            return


def _past(rest: Iterator[str], line: str, end: str) -> None:
    while end not in line.lower():
        line = next(rest, end)


def _past_paragraph(rest: Iterator[str], first: str) -> None:
    """Skip to the blank line; a comment left open in HTML hides all that follows from readers."""
    text = first
    for line in rest:
        if not line.strip(" \t"):
            break
        text += f"\n{line}"
    if text.lstrip().startswith("<") and text.rfind("<!--") > text.rfind("-->"):
        _past(rest, "", "-->")


class _WrongError(Exception):
    def __init__(self, what: str, word: str = "", nearest: str = "") -> None:
        self.mistake = Mistake(what, word, nearest)
        super().__init__(what)


def nearest(word: str, known: Collection[str]) -> str:
    """Return the known word a mistyped one most resembles, or nothing."""
    by_lower = {item.lower(): item for item in known}
    found = difflib.get_close_matches(word[:120].lower(), by_lower, 1, 0.5)
    return by_lower[found[0]] if found else ""


class _Parser:
    def __init__(self, words: list[str], gates: Collection[str], models: Collection[str]) -> None:
        self.words = [part for word in words for part in _split(word)]
        self.known = {"--gate": gates, "--model": models, "--backend": BACKENDS}
        self.given: dict[str, list[str]] = {}

    def command(self) -> Command:
        if self.words and self.words[0] in {"help", "--help", "-h"}:
            return Help()
        rest = iter(self.words)
        for word in rest:
            if word not in _OPTIONS:
                what = "There is no such option:" if word.startswith("-") else "This is no option:"
                raise _WrongError(what, word, nearest(word, (*_OPTIONS, "help")))
            self.given.setdefault(word, []).append("" if word == "--plan" else self.value(word, next(rest, "")))
        return self.made()

    def value(self, option: str, word: str) -> str:
        """Return the value of an option as it is known."""
        if not word or word.startswith("--"):
            raise _WrongError("A value is missing after", option)
        if option == "--sha" and not _HEX.fullmatch(word):
            raise _WrongError("This is no full commit (40 digits, 0-9 a-f):", word)
        if option == "--pr" and not _PULL.fullmatch(word):
            raise _WrongError("This is no pull request at a full commit (N@40HEX):", word)
        known = self.known.get(option)
        if known is not None and word not in known:
            same = next((item for item in known if item.lower() == word.lower()), None)
            if same is None:
                raise _WrongError(f"There is no such {option[2:]} here:", word, nearest(word, known))
            return same
        return word

    def made(self) -> Requalify:
        for option, values in self.given.items():
            most = REPEATS if option in {"--gate", "--model"} else 1
            if len(values) > most:
                raise _WrongError(f"Given more than {most} time{'s' * (most > 1)}:", option)
        if {"--sha", "--pr"} <= set(self.given):
            raise _WrongError("Only one of the two can be tested at once:", "--sha, --pr")
        pull = _PULL.fullmatch(self.given["--pr"][0]) if "--pr" in self.given else None
        return Requalify(
            gates=tuple(dict.fromkeys(self.given.get("--gate", ()))),
            models=tuple(dict.fromkeys(self.given.get("--model", ()))),
            backend=self.given.get("--backend", ["all"])[0],
            sha=pull[2] if pull else self.given.get("--sha", [None])[0],
            pull=int(pull[1]) if pull else None,
            plan="--plan" in self.given,
        )


def _split(word: str) -> list[str]:
    """Take --option=value apart."""
    head, sign, tail = word.partition("=")
    return [head, tail] if sign and head in _OPTIONS and head != "--plan" else [word]
