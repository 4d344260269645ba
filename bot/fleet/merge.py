"""One journal from the journals of a playbook's parts. What is missing stays visible: it has no evidence."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.errors import UserError
from bot.journal import NAME, Header, Journal, Writer, read
from bot.records import Cell, Evidence, Experiment

OWN = frozenset({"shard", "whole"})  # what a part's request says of itself
SAME = ("playbook", "playbook_sha256", "tier", "model", "toolchain", "commit")
VERSIONS = ("requalify", "toolchain")  # parts measured by different ones are no whole


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One journal that was found, and which part of how many it says it is."""

    path: Path
    journal: Journal
    number: int
    of: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The parts as one run."""

    header: Header
    evidence: tuple[Evidence, ...]
    experiments: tuple[Experiment, ...]
    parts: int
    missing: tuple[int, ...]  # parts nobody brought
    unfinished: tuple[int, ...]  # parts that were cut short

    @property
    def complete(self) -> bool:
        """Tell whether every part is there and ended."""
        return not self.missing and not self.unfinished

    def write(self, folder: Path) -> Path:
        """Write the journal into a folder, under its name only when it is whole on disk."""
        folder.mkdir(parents=True, exist_ok=True)
        path, draft = folder / NAME, folder / f".{NAME}.part"
        records: tuple[Evidence | Experiment, ...] = (*self.evidence, *self.experiments)
        with Writer(draft, self.header) as writer:
            for record in records:
                writer.append(record)
            if self.complete:
                writer.end()
        draft.replace(path)
        return path


def found(places: Sequence[Path], out: Path) -> tuple[list[Part], list[str]]:
    """Return every journal in or below these places, and a line for each place or file that held none."""
    parts, notes = [], []
    for place in places:
        if not place.exists():
            raise UserError("no such folder", where=str(place))
        paths = [path for path in _journals(place) if out.resolve() not in path.resolve().parents]
        if not paths:
            notes.append(f"{place}: no {NAME} in it")
        for path in paths:
            try:
                parts.append(_part(path, read(path)))
            except UserError as error:
                # a run that died before its first line; the part it was counts as missing
                notes.append(str(error))
            except RecursionError:
                notes.append(f"{path}: nested too deep")
    return parts, notes


def _journals(place: Path) -> Iterator[Path]:
    yield from sorted(place.rglob(NAME)) if place.is_dir() else (place,)


def _part(path: Path, journal: Journal) -> Part:
    header = journal.header
    told = header.request.get("shard", [1, 1])
    if not (
        isinstance(told, list) and len(told) == 2 and all(type(n) is int for n in told) and 1 <= told[0] <= told[1]
    ):
        raise UserError(f"its header names no part: {str(told)[:60]}", where=str(path))
    return Part(path=path, journal=journal, number=told[0], of=told[1])


def _sound(cell: Cell) -> bool:
    """Tell whether a cell holds what cells hold: a journal may come from anywhere."""
    return all(isinstance(text, str) for text in (cell.gate, cell.variant, cell.backend or "", *cell.chain))


def by_playbook(parts: Sequence[Part]) -> dict[str, list[Part]]:
    """Group parts by the playbook they are of."""
    grouped: dict[str, list[Part]] = {}
    for part in parts:
        grouped.setdefault(part.journal.header.playbook, []).append(part)
    return grouped


def check_name(name: str) -> None:
    """Refuse a playbook's name that is no name for a folder: a journal may come from anywhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UserError(f"{name[:60]!r} is no name for a folder", where="--each", hint="merge it without --each")


def merge(parts: Sequence[Part]) -> Merged:
    """Join the parts of one run. Raises UserError when they are not of one run, or one of them is there twice."""
    ordered = sorted(parts, key=lambda part: part.number)
    first = ordered[0]
    for other in ordered[1:]:
        _refuse_other_run(first, other)
    for one, other in itertools.pairwise(ordered):
        if one.number == other.number:
            what = f"part {one.number} of {one.of} is there twice, also as {one.path}"
            raise UserError(what, where=str(other.path), hint="merge the journals of one run only")
    there = {part.number for part in ordered}
    missing = tuple(number for number in range(1, first.of + 1) if number not in there)
    unfinished = tuple(part.number for part in ordered if not part.journal.complete)
    return Merged(
        header=_header(ordered, missing), evidence=tuple(e for part in ordered for e in _own(part)),
        experiments=tuple(e for part in ordered for e in part.journal.experiments), parts=first.of,
        missing=missing, unfinished=unfinished,
    )  # fmt: skip


def _refuse_other_run(first: Part, other: Part) -> None:
    a, b = first.journal.header, other.journal.header
    differ = [name for name in SAME if getattr(a, name) != getattr(b, name)]
    differ += [
        f"request.{key}" for key in _keys(a.request, b.request) if key not in OWN and _differ(a.request, b.request, key)
    ]
    differ += [
        f"environment.{key}" for key in _keys(a.environment, b.environment)
        if key.startswith(VERSIONS) and _differ(a.environment, b.environment, key)
    ]  # fmt: skip
    differ += ["number of parts"] if first.of != other.of else []
    differ += ["planned cells"] if first.of == other.of and _whole(first) != _whole(other) else []
    if differ:
        hint = "merge only parts of one run: same playbook, commit, toolchain and request"
        raise UserError(
            f"is of another run than {first.path}: they differ in {', '.join(differ)}", where=str(other.path), hint=hint
        )


def _keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys((*a, *b)))


def _differ(a: Mapping[str, Any], b: Mapping[str, Any], key: str) -> bool:
    return bool(a.get(key) != b.get(key))


def _whole(part: Part) -> tuple[Cell, ...]:
    """Return the cells of all parts, as each part says."""
    header = part.journal.header
    told: Any = header.request.get("whole")
    if told is None and part.of == 1:
        return header.cells
    try:
        whole = tuple(Cell(**{**cell, "chain": tuple(cell["chain"])}) for cell in told)
    except (TypeError, KeyError, AttributeError):
        whole = ()
    if not whole or not all(map(_sound, whole)):
        raise UserError("its header does not say what all parts plan", where=str(part.path))
    return whole


def _own(part: Part) -> Iterator[Evidence]:
    """Yield a part's evidence, without what it says of another part's cells."""
    mine = {cell.id for cell in part.journal.header.cells}
    others = {cell.id for cell in _whole(part)} - mine
    return (item for item in part.journal.evidence if item.cell not in others)


def _header(ordered: Sequence[Part], missing: Sequence[int]) -> Header:
    first = ordered[0].journal.header
    whole = _whole(ordered[0])
    listed = {cell.id for cell in whole}
    extra = [cell for part in ordered for cell in part.journal.header.cells if cell.id not in listed]
    request = {key: value for key, value in first.request.items() if key not in OWN}
    request |= {"merged": ordered[0].of, "missing": list(missing)}
    environments = [part.journal.header.environment for part in ordered]
    return dataclasses.replace(
        first, cells=(*whole, *extra), request=request, environment=_environment(environments),
        started=min(part.journal.header.started for part in ordered),
    )  # fmt: skip


def _environment(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the machines were: one value where they agree, all of them where not."""
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for environment in told for key in environment):
        values = [environment.get(key) for environment in told]
        same = all(value == values[0] for value in values)
        merged[key] = values[0] if same else ", ".join(dict.fromkeys(str(v) for v in values if v is not None))
    return merged
