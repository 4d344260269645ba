"""Makes a log fit to be read by rules: bounded, without escapes, line by line and statement by statement."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bot.triage.lognames import ANSWERED, Arguments, arguments, nameless, struck, unspoken

HEAD, TAIL = 128 << 10, 512 << 10  # characters kept of a long log; the reason of a failure stands at its ends
WIDTH = 1000  # characters kept of a long line


STATEMENTS = 8  # of "error: Validation failed: Conversion failed: …" are looked at


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it stands in the log, and the part of it that rules may look at."""

    number: int
    text: str
    legible: str  # without time stamp and log level, and without what a person or a model said
    body: str  # names hidden as well
    start: int  # where the body begins in the text
    # where statements begin in the body: any, behind the word error, behind a Python exception, behind single words
    said: tuple[int, ...] = (0,)
    err: tuple[int, ...] = ()
    exc: tuple[int, ...] = ()
    tool: tuple[int, ...] = ()

    def original(self, begin: int, end: int) -> str:
        """Return what a span of the body says in the log."""
        return self.text[self.start + begin : self.start + end]

    def places(self, kind: str) -> tuple[int, ...]:
        """Return where a pattern of some kind may begin."""
        found: tuple[int, ...] = (0,) if kind == "^" else getattr(self, kind)
        return found


_ERR = re.compile(r"(?:(?:You: )?(?:Assistant: )?\[|\w+: |fatal )?[Ee]rror: ")
_EXC = re.compile(r"(?:\w{1,40}\.){0,6}\w{0,40}(?:Error|Exception|Failure): ")
_STATEMENT = re.compile(r": +")
_WORDS = re.compile(r"[\w.+() -]{1,60}: +")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_a-z])")
# control characters, and what turns the direction of writing
_UNSEEN = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_CONTROL = dict.fromkeys(_UNSEEN)
_PREFIX = re.compile(
    r"\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?\s*(?:- )?)?(?:##\[\w{1,12}\]\s*)?(?:E {2,8})?"
    r"(?:\[\d[\d:. T+/-]{0,40}\]\s*)?(?:[\w.-]{1,30}\s{1,8}\|\s)?(?:\[rank\d+\]: ?)?(?:[│║] ?)?"
    r"(?:\[?(?:ERROR|FATAL|CRITICAL|WARN|WARNING|INFO|DEBUG)\]?(?: - |[: ])\s*"
    r"(?:[\w-]{1,30}(?:\.[\w-]{1,30}){0,5}:(?!\s))?)?\s*"
    # a message in a line of JSON
    r"(?:\{?(?:\"\w{1,20}\": ?\"[\w:. +-]{0,40}\", ?){0,4}\"(?:msg|message|error|err|stderr|reason|detail)\": ?\")?"
)
# lines that repeat what was typed
_ECHO = re.compile(r"(?:\+{1,3} |\$ |Run |> |\[command\]|Executing: |Command: |argv: )")


def bounded(stream: BinaryIO) -> str:
    """Return the text of a stream of any length and encoding; of what is left out of its middle the line ends stay."""
    head = stream.read(4 * HEAD)
    tail, dropped = b"", 0
    while chunk := stream.read(1 << 20):
        tail += chunk
        cut = max(0, len(tail) - 4 * TAIL)
        dropped += tail.count(b"\n", 0, cut)
        tail = tail[cut:]
    data = head + b"\n" * dropped + tail
    wide = data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    return data.decode("utf-16" if wide else "utf-8", errors="replace")


def read(text: str, command: str = "") -> list[Line]:
    """Return the lines of a log, the last one first, each once."""
    words = arguments(command)
    lines = [_line(number, raw, words) for number, raw in _bounded(text)]
    kept: dict[str, Line] = {}
    for line in reversed(_without_answers(lines)):
        if line.body:
            kept.setdefault(line.text[line.start :], line)
    return list(kept.values())


def _bounded(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of the head and the tail of a text."""
    if len(text) <= HEAD + TAIL:
        yield from enumerate(text.split("\n"), 1)
        return
    head, dropped = text[:HEAD], text.count("\n", HEAD, len(text) - TAIL)
    lines = head.split("\n")
    yield from enumerate(lines, 1)
    # the first piece of the tail is the end of a line whose start is not kept
    yield from enumerate(text[-TAIL:].split("\n"), len(lines) + dropped)


def _line(number: int, raw: str, words: Arguments) -> Line:
    text = _shown(raw)
    start = found.end() if (found := _PREFIX.match(text)) else 0
    if _ECHO.match(text, start):
        return Line(number, text, "", "", start)
    legible = unspoken(struck(text, words.texts)[start:])
    body = nameless(struck(legible, words.names))
    return Line(number, text, legible, body, start, *_places(body))


def _places(body: str) -> Iterator[tuple[int, ...]]:
    """Yield where statements begin, kind by kind as a line keeps them."""
    said = [0]
    for mark in _STATEMENT.finditer(body):
        if mark.start() > said[-1] + 300 or len(said) > STATEMENTS:
            break
        said.append(mark.end())
    yield tuple(said)
    for head in (_ERR, _EXC):
        found = head.match(body)
        yield tuple(place for place in said if place >= found.end()) if found else ()
    plain = [0]
    while (found := _WORDS.match(body, plain[-1])) and len(plain) < STATEMENTS:
        plain.append(found.end())
    yield tuple(plain)


def _shown(raw: str) -> str:
    """Return a line as a person should see it: what a progress bar left last, no escapes, no endless lines."""
    if len(raw) > 4 * WIDTH:
        raw = f"{raw[: 3 * WIDTH]} {raw[-WIDTH:]}"
    raw = _ESCAPE.sub("", raw)
    if "\r" in raw:
        raw = next((part for part in reversed(raw.split("\r")) if part.strip()), "")
    raw = raw.translate(_CONTROL).replace("\t", " ").rstrip()
    return raw if len(raw) <= WIDTH else f"{raw[: WIDTH * 2 // 3]} … {raw[-WIDTH // 3 :]}"


def _without_answers(lines: list[Line]) -> list[Line]:
    """Empty the block between "Output:" and "Completed in": a model wrote it."""
    done: list[Line] = []
    ends = [i for i, line in enumerate(lines) if line.body.startswith("Completed in ")]
    skip_to = -1
    for i, line in enumerate(lines):
        if line.body.strip() == "Output:" and i >= skip_to:
            skip_to = next((end for end in ends if end > i), i + 1)
        inside = i < skip_to and not ANSWERED.match(line.body)
        done.append(Line(line.number, line.text, "", "", line.start) if inside else line)
    return done
