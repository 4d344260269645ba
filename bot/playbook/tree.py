"""YAML text as a tree that remembers its lines: bounded, without aliases, YAML 1.2 numbers, no key twice."""

import dataclasses
import re
from collections.abc import Iterator

import yaml

LARGEST = 256 * 1024  # characters; a playbook is a page or two
DEEPEST = 24

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_FLAG = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_WHOLE = re.compile(r"[-+]?[0-9]{1,40}\Z")
_OTHER_WHOLE = re.compile(r"0(?:o[0-7]{1,40}|x[0-9a-fA-F]{1,40})\Z")
# YAML 1.2: the exponent needs neither a dot before it nor a sign
_REAL = re.compile(r"[-+]?(?:\.[0-9]{1,400}|[0-9]{1,400}(?:\.[0-9]{0,400})?)(?:[eE][-+]?[0-9]{1,9})?\Z")
_NOT_FINITE = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}

Plain = str | int | float | bool | None


@dataclasses.dataclass(frozen=True, slots=True)
class Scalar:
    """A single value and the text it was written as."""

    line: int
    value: Plain
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    items: list["Node"]


@dataclasses.dataclass(frozen=True, slots=True)
class Fields:
    """A mapping; `lines` says where each key stands, `twice` where one stands again."""

    line: int
    items: dict[str, "Node"] = dataclasses.field(default_factory=dict)
    lines: dict[str, int] = dataclasses.field(default_factory=dict)
    twice: list[tuple[int, str]] = dataclasses.field(default_factory=list)


Node = Scalar | Items | Fields


class SyntaxProblem(Exception):  # noqa: N818 - a problem of the file's, not of ours
    """Why a text is no tree, and on which line."""

    def __init__(self, line: int, what: str) -> None:
        self.line, self.what = line, what
        super().__init__(what)


def parse(text: str) -> Node:
    """Return the tree of a YAML document, or raise SyntaxProblem."""
    if len(text) > LARGEST:
        raise SyntaxProblem(1, f"too long: {len(text)} characters, at most {LARGEST} are read")
    events = _events(text)
    roots: list[Node] = []
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent) and roots:
            raise SyntaxProblem(_line(event), "a second document: a playbook is one")
        if isinstance(event, yaml.NodeEvent):
            roots.append(_node(event, events))
    if not roots:
        raise SyntaxProblem(1, "empty: a playbook needs at least `name` and `model`")
    return roots[0]


def plain(node: Node) -> object:
    """Return a tree without its lines."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {key: plain(item) for key, item in node.items.items()}


def doubled(node: Node) -> Iterator[tuple[int, str, int]]:
    """Yield (line, key, line of the first) of every key that stands twice in one mapping."""
    if isinstance(node, Fields):
        yield from ((line, key, node.lines[key]) for line, key in node.twice)
        children = list(node.items.values())
    else:
        children = node.items if isinstance(node, Items) else []
    for child in children:
        yield from doubled(child)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark else 1


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events, its errors in our words."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SyntaxProblem(line, f"the character U+{int(error.character):04X} is not allowed in YAML") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SyntaxProblem(mark.line + 1 if mark else 1, _words(error, text, mark)) from None
    except (ValueError, OverflowError, RecursionError) as error:
        # PyYAML hands \U escapes beyond Unicode to chr()
        line = loader.line + 1 if loader else 1
        raise SyntaxProblem(line, f"not YAML: {str(error)[:80] or 'nested too deep'}") from None


def _words(error: yaml.MarkedYAMLError, text: str, mark: yaml.Mark | None) -> str:
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        return "a tab: YAML indents with spaces"
    where = f" {error.context}," if error.context else ""
    return f"not YAML:{where} {error.problem or 'it cannot be read'}".replace("'\\t'", "a tab")


def _node(event: yaml.NodeEvent, events: Iterator[yaml.Event], depth: int = 0) -> Node:
    line = _line(event)
    if depth > DEEPEST:
        raise SyntaxProblem(line, f"nested deeper than {DEEPEST} levels")
    if isinstance(event, yaml.AliasEvent):
        raise SyntaxProblem(line, f"the alias *{str(event.anchor)[:40]} is not followed: write the value out")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(line, _resolve(event), event.value)
    tag = getattr(event, "tag", None)
    if tag not in {None, "!", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}:
        raise SyntaxProblem(line, f"the tag {str(tag)[:60]!r} means nothing here")
    if isinstance(event, yaml.SequenceStartEvent):
        return Items(line, list(_items(events, depth)))
    return _fields(line, events, depth)


def _items(events: Iterator[yaml.Event], depth: int) -> Iterator[Node]:
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            return
        assert isinstance(event, yaml.NodeEvent)  # noqa: S101 - nothing else stands inside a sequence
        yield _node(event, events, depth + 1)


def _fields(line: int, events: Iterator[yaml.Event], depth: int) -> Fields:
    found = Fields(line)
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        if not isinstance(event, yaml.ScalarEvent):
            raise SyntaxProblem(_line(event), "a key must be a word")
        key, here = event.value, _line(event)
        value = next(events)
        assert isinstance(value, yaml.NodeEvent)  # noqa: S101 - every key has a value
        node = _node(value, events, depth + 1)
        if key in found.items:
            found.twice.append((here, key))
        else:
            found.items[key], found.lines[key] = node, here
    return found


def _resolve(event: yaml.ScalarEvent) -> Plain:
    """Return what a scalar means: a text when it is quoted or tagged as one."""
    text, tag = str(event.value), event.tag
    if tag not in {None, "!", "tag:yaml.org,2002:str"}:
        raise SyntaxProblem(_line(event), f"the tag {str(tag)[:60]!r} means nothing here")
    return text if event.style is not None or tag is not None else _meaning(text)


def _meaning(text: str) -> Plain:
    """Return what a bare word means in YAML 1.2's core schema."""
    if _NULL.match(text):
        return None
    if _FLAG.match(text):
        return text.lower() == "true"
    if _WHOLE.match(text):
        return int(text)
    if _OTHER_WHOLE.match(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if text.lower() in _NOT_FINITE:
        return float(_NOT_FINITE[text.lower()])
    return float(text) if _REAL.match(text) else text
