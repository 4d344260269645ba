"""Kinds of single values: each reads a node, says what is wrong with it, and describes itself as JSON Schema."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Protocol

from bot.playbook.findings import Findings, nearest, shown, wrong
from bot.playbook.tree import Node, Scalar

SIZES = {
    "": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)\Z")
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([MBmb]?)\Z")
AMOUNTS = {"": 1, "M": 10**6, "B": 10**9}


class Kind(Protocol):
    """What may stand behind a key."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the value, or MISSING after reporting what is wrong."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the kind as JSON Schema."""
        ...


def read_size(text: str) -> int | None:
    """Return the bytes a size such as 4 GiB means, None when it is none."""
    found = _SIZE.match(text.strip())
    unit = SIZES.get(found[2].lower()) if found else None
    count = int(float(found[1]) * unit) if found and unit else 0
    return count if 1 <= count <= 2**50 else None


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
            return wrong(node, key, findings, self.expected + quote[:80])
        if (
            not node.value
            or len(node.value) > self.longest
            or (self.pattern and not re.search(self.pattern, node.value))
        ):
            return wrong(node, key, findings, f"{self.expected}, 1 to {self.longest} characters")
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
            return wrong(node, key, findings, expected)
        # NaN is between no two numbers
        return value if self.least <= value <= self.most else wrong(node, key, findings, expected)

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
        return value if isinstance(value, bool) else wrong(node, key, findings, "true or false")

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
        return wrong(node, key, findings, f"one of {', '.join(self.words)}{hint}")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"enum": list(self.words)}


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, such as 4 GiB."""

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the bytes."""
        found = read_size(node.text) if isinstance(node, Scalar) and not isinstance(node.value, bool) else None
        return found or wrong(node, key, findings, 'a size such as "4 GiB" or "512 MiB"')

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
        return wrong(node, key, findings, "a number of parameters such as 135M, 0.5B or 494032768")

    def schema(self) -> dict[str, Any]:
        """Describe it."""
        return {"type": ["string", "integer"], "examples": ["135M", "0.5B", 494032768]}
