"""Reads `logrules.toml`: what a log must say, in which circumstances, to point at a cause."""

import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.records import Confidence
from bot.triage.logtext import Line

FILE = Path(__file__).with_name("logrules.toml")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to look for in a line, and where: anywhere, at its start, or where one of its statements begins."""

    regex: re.Pattern[str]
    place: str  # "" anywhere, "^" at the start, or the name of a kind of statement (see logtext.Line)

    def find(self, line: Line, text: str) -> re.Match[str] | None:
        """Look into a text that is as long as the line's body."""
        if not self.place:
            return self.regex.search(text)
        for start in line.places(self.place):
            if found := self.regex.match(text, start):
                return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Circumstances of a command that a rule asks for; what is None is not asked for."""

    exit: tuple[int, ...] | None = None
    exit_if_known: tuple[int, ...] | None = None
    signal: tuple[int, ...] | None = None
    timed_out: bool | None = None
    command: re.Pattern[str] | None = None
    gate: re.Pattern[str] | None = None
    backend: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way a log says that a cause is at work."""

    name: str
    cause: str
    rank: int  # the higher, the earlier in the answer
    confidence: Confidence
    patterns: tuple[Pattern, ...]  # of one line; without any, the circumstances alone decide
    requires: tuple[Pattern, ...] = ()  # each on some line of the log
    unless: tuple[Pattern, ...] = ()  # none on any line
    unless_line: tuple[Pattern, ...] = ()  # none on the matching line, names legible
    when: When = When()
    rivals: tuple[str, ...] = ()  # causes the same words would also fit
    success: bool = False  # also when the command says that all went well
    fallback: bool = False  # only when nothing else is found
    names: bool = False  # the patterns look at names as well, or refer to their own captures
    match: tuple[str, ...] = ()  # logs that must be recognised, for the tests
    no_match: tuple[str, ...] = ()  # logs that must not be
    example: Mapping[str, Any] = field(default_factory=dict)  # circumstances of both


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules, and which cause makes which other a mere consequence."""

    rules: tuple[Rule, ...]
    explains: Mapping[str, frozenset[str]]
    gates: tuple[Pattern, ...]  # a line that passes none of them matches no rule, except those that look at names

    def concern(self, line: Line) -> bool:
        """Return whether a line may say something to a rule: one look where each rule would take one."""
        return any(gate.find(line, line.body) for gate in self.gates)


@functools.cache
def load(path: Path = FILE) -> RuleSet:
    """Return the rules of a file, compiled."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    macros = data["macros"]
    explains = {cause: frozenset(others) for cause, others in data["explains"].items()}
    rules = tuple(_rule(item, macros) for item in data["rule"])
    return RuleSet(rules, explains, tuple(_gates(rules)))


def _gates(rules: Sequence[Rule]) -> Iterator[Pattern]:
    """Yield one pattern for each place that finds whatever a pattern of that place finds."""
    by_place: dict[str, list[str]] = defaultdict(list)
    for rule in rules:
        for pattern in (*(() if rule.names else rule.patterns), *rule.requires, *rule.unless):
            # the name of a group may stand only once in a pattern
            by_place[pattern.place].append(re.sub(r"\(\?P<\w+>", "(?:", f"(?:{pattern.regex.pattern})"))
    for place, patterns in by_place.items():
        yield Pattern(re.compile("|".join(patterns)), place)


def _rule(item: Mapping[str, Any], macros: Mapping[str, str]) -> Rule:
    known = dict(item)
    places = ("patterns", "requires", "unless", "unless_line")
    lists: dict[str, Any] = {key: _compiled(known.pop(key, ()), macros) for key in places}
    words: dict[str, Any] = {key: tuple(known.pop(key, ())) for key in ("rivals", "match", "no_match")}
    return Rule(
        name=known.pop("name"), cause=known.pop("id"), rank=known.pop("rank"),
        confidence=Confidence(known.pop("confidence")), when=_when(known.pop("when", {})), **lists, **words, **known,
    )  # fmt: skip # an unknown key is a TypeError


def _when(item: Mapping[str, Any]) -> When:
    made: dict[str, Any] = {}
    for key, value in item.items():
        if key in {"command", "gate"}:
            made[key] = re.compile(value)
        else:
            made[key] = tuple(value) if isinstance(value, list) else value
    return When(**made)


def _compiled(patterns: Sequence[str], macros: Mapping[str, str]) -> tuple[Pattern, ...]:
    return tuple(_pattern(pattern, macros) for pattern in patterns)


def _pattern(text: str, macros: Mapping[str, str]) -> Pattern:
    place = ""
    if found := re.match(r"<<(\w+)>>", text):
        place, text = found[1], text[found.end() :]
    elif text.startswith("^") and not _split(text):
        # `search` would try an anchored pattern at every place of the line
        place = "^"
    return Pattern(re.compile(re.sub(r"<<(\w+)>>", lambda macro: macros[macro[1]], text)), place)


def _split(pattern: str) -> bool:
    """Return whether a pattern has an alternative outside of any group, to which its first anchor does not belong."""
    outside = re.sub(r"\\.|\[[^\]]*\]", "", pattern)
    while (reduced := re.sub(r"\([^()]*\)", "", outside)) != outside:
        outside = reduced
    return "|" in outside
