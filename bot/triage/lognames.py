"""Makes names, paths, quotations and generated text illegible to the rules that read a log.

A model called `oom.gguf`, a path with `cuda-out-of-memory` in it or a prompt that says "panic" must look like no
error. Letters and digits are replaced one for one, so that what a rule captures can be read from the original.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

# a label, and behind it what a person or a model wrote, or a name; an error in its place is told by its bracket
_LABEL = re.compile(
    r"(?:[^\w\n]{0,4})(?:You|User|Human|Assistant|Bot|Prompt|System|Question|Answer|Response|Output|Generated(?: text)?"
    r"|Text|Completion|Model|Model name|Loading model|Source|Target|Input|Name|Description|Title|Path|File)"
    r"\s?[:=](?!\s*(?:Assistant:\s*)?\[Error: )\s*"
)
_SAID = re.compile(
    r'"(?:text|content|prompt|generated_text|response|completion|answer|output|input|model|name)"\s*:\s*'
    r'"((?:[^"\\]|\\.)*)'
)
_QUOTED = re.compile(r"""(?<!\w)(?:'([^'\s]{1,200})'|"([^"\s]{1,200})"(?!\s*:)|`([^`\s]{1,200})`)""")
_SPACED_PATH = re.compile(r"""(?<!\w)'([^']{0,200}[/\\][^']{0,200})'|"([^"]{0,200}[/\\][^"]{0,200})"(?!\s*:)""")
_TOKEN = re.compile(r"""[^\s'"`()\[\]{}<>|,;=]+""")
_NAMELIKE = re.compile(r"[/\\.-]")
_DRIVE = re.compile(r"[A-Za-z]:\\|\\\\")
_TYPED = re.compile(
    r"\.(?:gguf|ggml|safetensors|apr|bin|pth?|ckpt|onnx|jsonl?|jinja|txt|log|ya?ml|toml|model|py|rs|c|cc|cpp|cuh?|h|hpp|go)$"
)
_MODEL = re.compile(r"(?=[^-]*-)(?=\D*\d)(?!-)[\w.+-]+$")
_CODE = re.compile(r"[A-Z\d_.-]+$")
_KEPT = re.compile(r"(?i:i/o|input/output|nan/inf|utf-8|driver/(?:library|runtime)|cpu/gpu|(?:tok|t|tokens)/s|\d+/\d+)")
_COMPANION = re.compile(
    r"(?:(?:config|tokenizer|tokenizer_config|generation_config|special_tokens_map|added_tokens|vocab"
    r"|preprocessor_config|\w+\.index|model\.safetensors\.index)\.json|merges\.txt|tokenizer\.model|spiece\.model"
    r"|lib[\w+.-]*\.so[.\d]*)$"
)
_LETTER = re.compile(r"[^\W_]")
ANSWERED = re.compile(r"\[\d+ tokens generated")
# options whose value is a text or a name, even when it is one plain word
_TEXT_OPTION = re.compile(r"-p|--(?:prompt|text|input|message|system|name|title)")


def unspoken(body: str) -> str:
    """Make what a person or a model said illegible, and what the tool was called with; the length stays."""
    if label := _LABEL.match(body):
        return body if ANSWERED.match(body, label.end()) else body[: label.end()] + _hide(body[label.end() :])
    return _SAID.sub(_hide_groups, body) if '"' in body else body


def nameless(body: str) -> str:
    """Make names, paths and quotations illegible; the length stays."""
    if '"' in body or "'" in body or "`" in body:
        for pattern in (_QUOTED, _SPACED_PATH):
            body = pattern.sub(_hide_groups, body)
    return _TOKEN.sub(_hide_name, body) if _NAMELIKE.search(body) else body


def _hide(text: str) -> str:
    return _LETTER.sub("_", text)


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
    if _KEPT.fullmatch(token) or (_CODE.match(token) and "/" not in token):
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


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command's own words that could be taken for an error when the log repeats them."""

    texts: tuple[re.Pattern[str], ...]  # prompts
    names: tuple[re.Pattern[str], ...]


def arguments(command: str) -> Arguments:
    """Return what of a command line is a text or a name, and not a word of the tool's own language."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    texts, names = set[str](), set[str]()
    for before, word in zip(["", *words], words, strict=False):
        option, _, value = word.partition("=") if word.startswith("--") else (before, "", word)
        if _TEXT_OPTION.fullmatch(option) or re.search(r"\s", value):
            texts.update(line.strip() for line in value.splitlines())
        elif not value.startswith("-") and re.search(r"[/\\.-]|\d", value):
            names.add(value)
    return Arguments(_literally(texts), _literally(names))


def _literally(values: set[str]) -> tuple[re.Pattern[str], ...]:
    ordered = sorted((value for value in values if len(value) > 2), key=lambda value: (-len(value), value))[:50]
    return tuple(re.compile(rf"(?<!\w){re.escape(value[:500])}(?![\w:])") for value in ordered)


def struck(text: str, words: Iterable[re.Pattern[str]]) -> str:
    """Make words illegible wherever they stand in a text; the length stays."""
    for word in words:
        text = word.sub(lambda found: _hide(found[0]), text)
    return text
