"""Strips from foreign text what must not be shown: secrets, private paths, and characters that hide or steer."""

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC and their text
    r"|\x1b[ -/]*[0-~]?"
)
# control characters but tab and newline; soft hyphen, zero-width, bidi, tags, variation selectors, lone surrogates
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
# ordered: what holds a secret goes before what merely looks like a host
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"github_pat_\w{4,}"), "[token]"),
    (re.compile(r"gh[a-z]_[A-Za-z0-9]{4,}"), "[token]"),
    (re.compile(r"hf_[A-Za-z0-9]{4,}"), "[token]"),
    (re.compile(r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}"), "[aws-key]"),
    (re.compile(r"(?i)(aws_?(?:secret|session)\w*[\"']?\s*[=:]\s*[\"']?)[A-Za-z0-9/+=]{16,}"), r"\1[aws-key]"),
    (re.compile(r"(?i)\b(authorization:\s*)(bearer|basic|token)\s+\S+"), r"\1\2 [token]"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,30}://)[^\s/@]{1,200}@"), r"\1[credentials]@"),
    (re.compile(r"(?<![\w.])/(?:home|Users)/[^\s/:'\"`<>|]+"), "~"),
    (re.compile(r"(?<![\w.])/root(?=[/\s:'\"]|$)"), "~"),
    (re.compile(r"(?i)\b[a-z]:\\+users\\+[^\s\\:'\"`<>|]+"), "~"),
    (re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d\.\d|\w)"), "[ip]"),
    (re.compile(r"(?i)(?<![\w:.])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"), "[ip]"),
    (
        re.compile(
            r"(?i)(?<![\w:.])(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?"
            r"::(?:[0-9a-f]{1,4}:){1,5}[0-9a-f]{1,4}(?![\w:])"
        ),
        "[ip]",
    ),
    (
        re.compile(
            r"(?i)\b[a-z0-9][a-z0-9.-]*\.(?:local|internal|lan|corp|intranet|localdomain)"
            r"\b(?!\.?\w)"
        ),
        "[host]",
    ),
    (re.compile(r"(?i)\b((?:host ?name|node ?name|runner[ _]?name|HOST)\s*[=:]\s*[\"']?)(?!\[)[\w.-]+"), r"\1[host]"),
    (re.compile(r"\bip-\d{1,3}(?:-\d{1,3}){3}\b"), "[host]"),
)


def redact(text: str) -> str:
    """Replace tokens, keys, home paths, host names and addresses. Run it before anything is cut."""
    for pattern, stand_in in _SECRETS:
        text = pattern.sub(stand_in, text)
    return text


def visible(text: str) -> str:
    """Return only what a reader sees: no terminal sequences, control, bidi or zero-width characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub("", _ESCAPES.sub("", text))


def clean(text: object) -> str:
    """Return foreign text fit to be quoted: what hides goes first, or it would split a secret."""
    return redact(visible(str(text)))
