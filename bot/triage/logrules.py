"""Reads `logrules.toml`: what a log must say, in which circumstances, to point at a cause."""

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.records import CauseKind, Confidence

FILE = Path(__file__).with_name("logrules.toml")


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
    patterns: tuple[re.Pattern[str], ...]  # of one line; without any, the circumstances alone decide
    requires: tuple[re.Pattern[str], ...] = ()  # each on some line of the log
    unless: tuple[re.Pattern[str], ...] = ()  # none on any line
    unless_line: tuple[re.Pattern[str], ...] = ()  # none on the matching line, names legible
    when: When = When()
    rivals: tuple[str, ...] = ()  # causes the same words would also fit
    success: bool = False  # also when the command says that all went well
    fallback: bool = False  # only when nothing else is found
    names: bool = False  # the patterns look at names as well
    match: tuple[str, ...] = ()  # logs that must be recognised, for the tests
    no_match: tuple[str, ...] = ()  # logs that must not be
    example: Mapping[str, Any] = field(default_factory=dict)  # circumstances of both


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules, the causes they may name, and which cause makes which other a mere consequence."""

    rules: tuple[Rule, ...]
    causes: Mapping[str, tuple[str, CauseKind]]  # id: slug, kind
    explains: Mapping[str, frozenset[str]]


@functools.cache
def load(path: Path = FILE) -> RuleSet:
    """Return the rules of a file, compiled."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    macros = data["macros"]
    causes = {cause: (slug, CauseKind(kind)) for cause, (slug, kind) in data["causes"].items()}
    explains = {cause: frozenset(others) for cause, others in data["explains"].items()}
    return RuleSet(tuple(_rule(item, macros) for item in data["rule"]), causes, explains)


def _rule(item: Mapping[str, Any], macros: Mapping[str, str]) -> Rule:
    known = dict(item)
    lists = {key: _compiled(known.pop(key, ()), macros) for key in ("patterns", "requires", "unless", "unless_line")}
    words = {key: tuple(known.pop(key, ())) for key in ("rivals", "match", "no_match")}
    return Rule(
        name=known.pop("name"), cause=known.pop("id"), rank=known.pop("rank"),
        confidence=Confidence(known.pop("confidence")), when=_when(known.pop("when", {}), macros), **lists, **words, **known,
    )  # fmt: skip # an unknown key is a TypeError


def _when(item: Mapping[str, Any], macros: Mapping[str, str]) -> When:
    made: dict[str, Any] = {}
    for key, value in item.items():
        if key in {"command", "gate"}:
            made[key] = _compiled([value], macros)[0]
        else:
            made[key] = tuple(value) if isinstance(value, list) else value
    return When(**made)


def _compiled(patterns: Sequence[str], macros: Mapping[str, str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(re.sub(r"<<(\w+)>>", lambda found: macros[found[1]], pattern)) for pattern in patterns)
