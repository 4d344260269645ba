"""What is wrong with a playbook, found on the way, and how it is put into words."""

import dataclasses
import difflib
from collections.abc import Iterable

from bot.playbook.tree import Fields, Items, Node

MOST = 50  # mistakes that are listed


class Missing:
    """Stands for a value that was not given, or was wrong and is reported."""


MISSING = Missing()


@dataclasses.dataclass(slots=True)
class Findings:
    """Mistakes found on the way, and the line each key was given on."""

    mistakes: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)  # line, key, words
    lines: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, line: int, key: str, words: str) -> Missing:
        """Report a mistake."""
        self.mistakes.append((line, key, words))
        return MISSING


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


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one."""
    found = difflib.get_close_matches(word[:80], sorted(known), n=1, cutoff=0.6)
    return found[0] if found else None


def wrong(node: Node, key: str, findings: Findings, expected: str) -> Missing:
    """Report that something else was found than what is expected."""
    return findings.add(node.line, key, f"found {shown(node)}, expected {expected}")
