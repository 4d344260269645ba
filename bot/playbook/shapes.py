"""What holds several values in a playbook: lists, mappings with known keys, and keys that are refused by name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bot.playbook.findings import MISSING, Findings, Missing, nearest, shown, wrong
from bot.playbook.kinds import Kind
from bot.playbook.tree import Fields, Items, Node, plain


@dataclasses.dataclass(frozen=True, slots=True)
class Several:
    """A list without repetitions, at least one; a single value stands for a list of one."""

    item: Kind
    most: int = 100

    def read(self, node: Node, key: str, findings: Findings) -> Any:
        """Return the values as a tuple."""
        nodes = node.items if isinstance(node, Items) else [node]
        if not 1 <= len(nodes) <= self.most or isinstance(node, Fields):
            return wrong(node, key, findings, f"a list of 1 to {self.most}")
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
            return wrong(node, key, findings, "a mapping")
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
            return wrong(
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

    def _unknown(self, name: str, path: str, line: int, findings: Findings) -> Missing:
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
