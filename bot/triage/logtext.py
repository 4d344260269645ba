"""Makes a log fit to be read by rules: bounded, without escapes, and with every name and quotation made illegible.

A model called `oom.gguf`, a path with `cuda-out-of-memory` in it or a prompt that says "panic" must look like no
error. Letters and digits of names are replaced one for one, so that what a rule captures is read from the original.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEAD, TAIL = 128 << 10, 512 << 10  # characters kept of a long log; the reason of a failure stands at its ends
WIDTH = 1000  # characters kept of a long line


STATEMENTS = 8  # of "error: Validation failed: Conversion failed: …" are looked at


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it stands in the log, and the part of it that rules may look at."""

    number: int
    text: str
    body: str  # names hidden, without time stamp and log level
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
        return (0,) if kind == "^" else getattr(self, kind)  # type: ignore[no-any-return]


_ERR = re.compile(r"(?:(?:You: )?(?:Assistant: )?\[|\w+: |fatal )?[Ee]rror: ")
_EXC = re.compile(r"(?:\w{1,40}\.){0,6}\w{0,40}(?:Error|Exception|Failure): ")
_WORDS = re.compile(r"[\w.+() -]{1,60}: ")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_a-z])")
_CONTROL = {code: None for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}  # fmt: skip # noqa: E501
_PREFIX = re.compile(
    r"\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?\s*)?(?:##\[\w{1,12}\]\s*)?(?:E {2,8})?"
    r"(?:\[\d[\d:. T+/-]{0,40}\]\s*)?(?:[\w.-]{1,30}\s{1,8}\|\s)?"
    r"(?:\[?(?:ERROR|FATAL|CRITICAL|WARN|WARNING|INFO|DEBUG)\]?[: ]\s*(?:[\w-]{1,30}(?:\.[\w-]{1,30}){0,5}:(?!\s))?)?\s*"
)
# lines that repeat what was typed
_ECHO = re.compile(r"(?:\+{1,3} |\$ |Run |> |\[command\]|Executing: |Command: |argv: )")
# a label, and behind it what a person or a model wrote, or a name; an error in its place is told by its bracket
_LABEL = re.compile(
    r"(?:[^\w\n]{0,4})(?:You|User|Human|Assistant|Bot|Prompt|System|Question|Answer|Response|Output|Generated(?: text)?|Text|Completion"
    r"|Model|Model name|Loading model|Source|Target|Input|Name|Description|Title|Path|File)"
    r"\s?[:=](?!\s*(?:Assistant:\s*)?\[Error: )\s*"
)
_SAID = re.compile(r'"(?:text|content|prompt|generated_text|response|completion|answer|output|input|model|name)"\s*:\s*"((?:[^"\\]|\\.)*)')  # fmt: skip # noqa: E501
_QUOTED = re.compile(r"""(?<!\w)(?:'([^'\s]{1,200})'|"([^"\s]{1,200})"(?!\s*:)|`([^`\s]{1,200})`)""")
_SPACED_PATH = re.compile(r"""(?<!\w)'([^']{0,200}[/\\][^']{0,200})'|"([^"]{0,200}[/\\][^"]{0,200})"(?!\s*:)""")
_TOKEN = re.compile(r"""[^\s'"`()\[\]{}<>|,;=]+""")
_NAMELIKE = re.compile(r"[/\\.-]")
_DRIVE = re.compile(r"[A-Za-z]:\\|\\\\")
_TYPED = re.compile(
    r"\.(?:gguf|ggml|safetensors|apr|bin|pth?|ckpt|onnx|json|jsonl|jinja|txt|log|ya?ml|toml|model|py|rs|c|cc|cpp|cu|cuh|h|hpp|go)$"
)
_MODEL = re.compile(r"(?=[^-]*-)(?=\D*\d)(?!-)[\w.+-]+$")
_CODE = re.compile(r"[A-Z\d_.-]+$")
_FRACTION = re.compile(r"\d+/\d+")
_KEPT = {"i/o", "input/output", "nan/inf", "utf-8", "driver/library", "driver/runtime", "cpu/gpu", "tok/s", "t/s", "tokens/s"}
_COMPANION = re.compile(
    r"(?:config|tokenizer|tokenizer_config|generation_config|special_tokens_map|added_tokens|vocab|preprocessor_config"
    r"|\w+\.index)\.json$|model\.safetensors\.index\.json$|merges\.txt$|tokenizer\.model$|spiece\.model$|lib[\w+.-]*\.so[.\d]*$|\w{0,12}-?\d{5}-of-\d{5}\.(?:safetensors|gguf|bin)$"  # noqa: E501
)
_LETTER = re.compile(r"[^\W_]")
_ANSWERED = re.compile(r"\[\d+ tokens generated")
_TEXT_OPTIONS = {"-p", "--prompt", "--text", "--input", "--message", "--system", "-m", "--model", "--name", "--model-path", "-f", "--file", "-o", "--out", "--output"}  # fmt: skip # noqa: E501


def read(text: str, command: str = "") -> list[Line]:
    """Return the lines of a log, the last one first, each once."""
    arguments = _arguments(command)
    lines = [_line(number, raw, arguments) for number, raw in _bounded(text)]
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


def _line(number: int, raw: str, arguments: Sequence[re.Pattern[str]]) -> Line:
    text = _shown(raw)
    start = found.end() if (found := _PREFIX.match(text)) else 0
    body = text[start:]
    if _ECHO.match(body):
        return Line(number, text, "", start)
    for argument in arguments:
        body = argument.sub(_hide_all, body)
    body = hidden(body)
    return Line(number, text, body, start, *_places(body))


def _places(body: str) -> Iterator[tuple[int, ...]]:
    """Yield where statements begin, kind by kind as a line keeps them."""
    said, end = [0], body.find(": ")
    while 0 <= end < said[-1] + 300 and len(said) < STATEMENTS + 2:
        said.append(end + 2)
        end = body.find(": ", end + 2)
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


def hidden(body: str) -> str:
    """Make names, paths, quotations and generated text illegible; the length stays."""
    if label := _LABEL.match(body):
        return body[: label.end()] + _hide(body[label.end() :]) if not _ANSWERED.match(body, label.end()) else body
    if '"' in body or "'" in body or "`" in body:
        for pattern in (_SAID, _QUOTED, _SPACED_PATH):
            body = pattern.sub(_hide_groups, body)
    return _TOKEN.sub(_hide_name, body) if _NAMELIKE.search(body) else body


def _hide(text: str) -> str:
    return _LETTER.sub("_", text)


def _hide_all(match: re.Match[str]) -> str:
    return _hide(match[0])


def _hide_groups(match: re.Match[str]) -> str:
    """Hide what stands between the quotes, except what is known by name."""
    text, begin = match[0], match.start()
    for index in range(1, len(match.groups()) + 1):
        if match[index]:
            a, b = match.start(index) - begin, match.end(index) - begin
            text = text[:a] + _hidden_path(text[a:b]) + text[b:]
    return text


def _hide_name(match: re.Match[str]) -> str:
    token = match[0].rstrip(".:!?")
    rest = match[0][len(token) :]
    if token.lower() in _KEPT or _FRACTION.fullmatch(token) or (_CODE.match(token) and "/" not in token):
        return match[0]
    named = "/" in token or _DRIVE.match(token) or _TYPED.search(token) or (_MODEL.match(token))
    return _hidden_path(token) + rest if named else match[0]


def _hidden_path(path: str) -> str:
    """Hide a path or name; the name of a companion file and the type of any file stay."""
    cut = max(path.rfind("/"), path.rfind("\\")) + 1
    if _COMPANION.match(path, cut):
        return _hide(path[:cut]) + path[cut:]
    typed = _TYPED.search(path, cut)
    return _hide(path[: typed.start()]) + path[typed.start() :] if typed else _hide(path)


def _arguments(command: str) -> list[re.Pattern[str]]:
    """Return patterns of the command's own words that could be taken for an error when the log repeats them."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    chosen = set()
    for before, word in zip(["", *words], words, strict=False):
        value = word.partition("=")[2] if word.startswith("-") and "=" in word else word
        said = before in _TEXT_OPTIONS or value != word
        if not value.startswith("-") and len(value) > 2 and (said or re.search(r"[\s/\\.-]|\d", value)):
            chosen.add(value)
    ordered = sorted(chosen, key=len, reverse=True)[:50]
    return [re.compile(rf"(?<!\w){re.escape(word[:500])}(?![\w:])") for word in ordered]


def _without_answers(lines: list[Line]) -> list[Line]:
    """Empty the block between "Output:" and "Completed in": a model wrote it."""
    done: list[Line] = []
    ends = [i for i, line in enumerate(lines) if line.body.startswith("Completed in ")]
    skip_to = -1
    for i, line in enumerate(lines):
        if line.body.strip() == "Output:" and i >= skip_to:
            skip_to = next((end for end in ends if end > i), i + 1)
        inside = i < skip_to and not _ANSWERED.match(line.body)
        done.append(Line(line.number, line.text, "", line.start) if inside else line)
    return done
