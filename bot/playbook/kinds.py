"""Kinds of values in a playbook: each reads a node, says what is wrong with it, describes itself as JSON Schema."""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from bot.playbook.tree import Fields, Items, Node, Scalar, plain

SIZES = {
    "": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)\Z")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([MBmb]?)\Z")
AMOUNTS = {"": 1, "M": 10**6, "B": 10**9}
MOST = 50  # mistakes that are listed


class _Missing:
    """Stands for a value that was not given, or was wrong and is reported."""


MISSING = _Missing()


@dataclasses.dataclass(slots=True)
class Findings:
    """Mistakes found on the way, and the line each key was given on."""

    mistakes: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)  # line, key, words
    lines: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, line: int, key: str, words: str) -> _Missing:
        """Report a mistake."""
        self.mistakes.append((line, key, words))
        return MISSING


class Kind(Protocol):
    """What may stand behind a key."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the value, or MISSING after reporting what is wrong."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        ...


def shown(node: Node) -> str:
    """Return what was found, short enough and harmless to print."""
    if isinstance(node, Items):
        return "a list" if node.items else "an empty list"
    if isinstance(node, Fields):
        return "a mapping"
    if node.value is None:
        return "nothing"
    text = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    return f"the text {text!r}" if isinstance(node.value, str) else ascii(text)[1:-1]


def read_size(text: str) -> int | None:
    """Return the bytes a size such as 4 GiB means, None when it is none."""
    found = _SIZE.match(text.strip())
    unit = SIZES.get(found[2].lower()) if found else None
    count = int(float(found[1]) * unit) if found and unit else 0
    return count if 1 <= count <= 2**50 else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one."""
    found = difflib.get_close_matches(word[:80], sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _wrong(node: Node, key: str, findings: Findings, expected: str) -> _Missing:
    return findings.add(node.line, key, f"found {shown(node)}, expected {expected}")


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A text, perhaps of a given form."""

    expected: str = "a text"
    pattern: str = ""
    longest: int = 500

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the text."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            quote = f'; put it in quotes: "{node.text}"' if isinstance(node, Scalar) and node.value is not None else ""
            return _wrong(node, key, findings, self.expected + quote[:80])
        if (
            not node.value
            or len(node.value) > self.longest
            or (self.pattern and not re.search(self.pattern, node.value))
        ):
            return _wrong(node, key, findings, f"{self.expected}, 1 to {self.longest} characters")
        return node.value

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        more = {"pattern": self.pattern.replace(r"\Z", "$")} if self.pattern else {}
        return {"type": "string", "minLength": 1, "maxLength": self.longest, **more}


@dataclasses.dataclass(frozen=True, slots=True)
class Real:
    """A finite number between limits; `whole` wants an integer."""

    least: float
    most: float
    whole: bool = False

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the number."""
        kind = "a whole number" if self.whole else "a number"
        expected = f"{kind} from {self.least:.12g} to {self.most:.12g}"
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return _wrong(node, key, findings, expected)
        if not math.isfinite(value) or not self.least <= value <= self.most:
            return _wrong(node, key, findings, expected)
        return value

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"type": "integer" if self.whole else "number", "minimum": self.least, "maximum": self.most}


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no; the words in quotes count, as upstream's playbooks write them."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the truth value."""
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, str) and value in {"true", "false"}:
            return value == "true"
        return value if isinstance(value, bool) else _wrong(node, key, findings, "true or false")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"enum": [True, False, "true", "false"]}


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, upper or lower case, with dashes or underscores; `refused` says what else to write."""

    words: tuple[str, ...]
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the word."""
        value = node.value if isinstance(node, Scalar) else None
        spelled = {word.lower().replace("-", "_"): word for word in self.words}
        if isinstance(value, str) and value.lower().replace("-", "_") in spelled:
            return spelled[value.lower().replace("-", "_")]
        known = self.refused.get(value.lower().replace("-", "_")) if isinstance(value, str) else None
        if known:
            return findings.add(node.line, key, f"found {shown(node)}, not used here: {known}")
        near = nearest(value, self.words) if isinstance(value, str) else None
        hint = f"; nearest: {near}" if near else ""
        return _wrong(node, key, findings, f"one of {', '.join(self.words)}{hint}")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"enum": list(self.words)}


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, such as 4 GiB."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the bytes."""
        found = read_size(node.text) if isinstance(node, Scalar) and not isinstance(node.value, bool) else None
        return found or _wrong(node, key, findings, 'a size such as "4 GiB" or "512 MiB"')

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"type": ["string", "integer"], "examples": ["4 GiB", "512 MiB"]}


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """A number of parameters, such as 135M, 0.5B or 494032768."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the count."""
        if isinstance(node, Scalar) and not isinstance(node.value, bool):
            found = _AMOUNT.match(node.text.strip())
            count = int(float(found[1]) * AMOUNTS[found[2].upper()]) if found else 0
            if 1 <= count <= 10**14:
                return count
        return _wrong(node, key, findings, "a number of parameters such as 135M, 0.5B or 494032768")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"type": ["string", "integer"], "examples": ["135M", "0.5B", 494032768]}


@dataclasses.dataclass(frozen=True, slots=True)
class Several:
    """A list without repetitions, at least one; a single value stands for a list of one."""

    item: Kind
    most: int = 100

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the values as a tuple."""
        nodes = node.items if isinstance(node, Items) else [node]
        if not 1 <= len(nodes) <= self.most or isinstance(node, Fields):
            return _wrong(node, key, findings, f"a list of 1 to {self.most}")
        values: list[Any] = []
        for number, item in enumerate(nodes):
            value = self.item.read(item, f"{key}[{number}]" if isinstance(node, Items) else key, findings)
            if value is MISSING:
                continue
            if value in values:
                findings.add(item.line, f"{key}[{number}]", f"found {shown(item)} again, expected each once")
            values.append(value)
        return tuple(values)

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        item = self.item.schema()
        return {
            "anyOf": [item, {"type": "array", "items": item, "minItems": 1, "maxItems": self.most, "uniqueItems": True}]
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Free:
    """Anything at all; `mapping` wants keys."""

    mapping: bool = True

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return it as it stands."""
        if self.mapping and not isinstance(node, Fields):
            return _wrong(node, key, findings, "a mapping")
        return plain(node)

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"type": "object"} if self.mapping else {}


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A field of upstream's that means nothing here; `instead` says what to do."""

    instead: str

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Refuse it by name."""
        return findings.add(findings.lines.get(key, node.line), key, f"not used here: {self.instead}")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"not": {}, "description": f"Not used here: {self.instead}"}


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys; reads as a mapping of those that were given and are right."""

    fields: Mapping[str, Kind]
    required: tuple[str, ...] = ()

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the values by key."""
        if not isinstance(node, Fields):
            return _wrong(
                node, key or "(the playbook)", findings, f"a mapping with keys such as {', '.join(self._known()[:4])}"
            )
        prefix = f"{key}." if key else ""
        values: dict[str, Any] = {}
        for name, item in node.items.items():
            path = f"{prefix}{name}"
            findings.lines[path] = node.lines[name]
            kind = self.fields.get(name)
            value = kind.read(item, path, findings) if kind else self._unknown(name, path, node.lines[name], findings)
            if value is not MISSING:
                values[name] = value
        for name in self.required:
            if name not in node.items:
                findings.add(node.line, f"{prefix}{name}", "found nothing, expected this key")
        return values

    def _known(self) -> list[str]:
        return [name for name, kind in self.fields.items() if not isinstance(kind, Refused)]

    def _unknown(self, name: str, path: str, line: int, findings: Findings) -> _Missing:
        near = nearest(name, self._known()) or nearest(name, self.fields)
        known = f"nearest known key: {near}" if near else f"known keys: {', '.join(self._known())}"
        shown_path = path if path.isprintable() and len(path) <= 80 else ascii(path[:80])
        return findings.add(line, shown_path, f"found an unknown key, expected a known one; {known}")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        properties = {name: kind.schema() for name, kind in self.fields.items()}
        needed = {"required": list(self.required)} if self.required else {}
        return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


@dataclasses.dataclass(frozen=True, slots=True)
class Either:
    """A mapping read one way, anything else another way."""

    mapping: Kind
    other: Kind

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return what the fitting one reads."""
        return (self.mapping if isinstance(node, Fields) else self.other).read(node, key, findings)

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"anyOf": [self.other.schema(), self.mapping.schema()]}
