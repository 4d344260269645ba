"""The cells a playbook amounts to on one machine, in report order: what is run, and what is not and why. Pure."""

import difflib
import fnmatch
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bot.errors import UserError
from bot.playbook.model import Plan, Planned, Playbook
from bot.records import Cell

Unsupported = Callable[[str, str], str | None]  # (from, to) -> why the toolchain cannot


class Claim(Protocol):
    """What a plan has to know of a gate."""

    @property
    def id(self) -> str:
        """Return its id."""
        ...

    @property
    def chains(self) -> tuple[tuple[str, ...], ...]:
        """Return its chains of formats; "*", "*result" and "source" stand for those of the run."""
        ...

    @property
    def backends(self) -> bool:
        """Tell whether there is one cell for each backend."""
        ...

    @property
    def only(self) -> str | None:
        """Return the one backend it is about."""
        ...

    @property
    def both(self) -> bool:
        """Tell whether it needs both backends at once."""
        ...

    @property
    def modality(self) -> str | None:
        """Return the way of asking it is about."""
        ...

    @property
    def tiers(self) -> frozenset[str]:
        """Return the tiers that run it; none: all."""
        ...


def plan(
    playbook: Playbook,
    *,
    source: str,
    known: Iterable[Claim],
    backends_missing: Mapping[str, str],
    gates: Sequence[str] = (),
    toolchain_unsupported: Unsupported = lambda _source, _target: None,
) -> Plan:
    """Return every cell of `known` gates that the playbook asks for.

    `gates` are globs on gate or cell ids that narrow the playbook's own further; one that matches nothing
    is the user's mistake. A cell this machine or the toolchain cannot run is planned with its reason.
    """
    formats = run_formats(playbook, source)
    judges = tuple(known)
    every = [cell for gate in judges for cell in _cells(gate, playbook, formats)]
    own = tuple(glob for glob in playbook.gates if not glob.startswith("!")) or ("*",)
    not_these = tuple(glob[1:] for glob in playbook.gates if glob.startswith("!"))
    _all_match((*own, *not_these), every, f"{playbook.path}: gates")
    kept = [cell for cell in every if chosen(cell, own) and not chosen(cell, not_these)]
    for glob in playbook.wanted:
        if not any(chosen(cell, (glob,)) for cell in kept):
            what, hint = f"the playbook asks for {glob} but plans no such gate", "see its `gates` and `formats`"
            raise UserError(what, where=str(playbook.path), hint=hint)
    _all_match(gates, kept, "--gates")
    both = {gate.id for gate in judges if gate.both}
    planned = [
        Planned(cell=cell, skip=_reason(cell, cell.gate in both, source, backends_missing, toolchain_unsupported))
        for cell in kept
        if not gates or chosen(cell, gates)
    ]
    return Plan(playbook=playbook, source=source, cells=tuple(planned))


def run_formats(playbook: Playbook, source: str) -> tuple[str, ...]:
    """Return the formats of a run, the source's first; it is one of them whether listed or not."""
    return tuple(dict.fromkeys((source, *playbook.model.formats)))


def likely_source(playbook: Playbook) -> str:
    """Return the format a run will start from, as far as the playbook tells: its model's, else the first it lists."""
    path = playbook.model.path
    ending = path.suffix.lower().removeprefix(".") if path else ""
    return ending if ending in {"gguf", "apr", "safetensors"} else playbook.model.formats[0]


def chosen(cell: Cell, globs: Iterable[str]) -> bool:
    """Tell whether one of the globs means this cell, by its gate or by its own id."""
    return any(fnmatch.fnmatchcase(cell.gate, glob) or fnmatch.fnmatchcase(cell.id, glob) for glob in globs)


def _cells(gate: Claim, playbook: Playbook, formats: tuple[str, ...]) -> Iterator[Cell]:
    if gate.tiers and playbook.tier not in gate.tiers:
        return
    if gate.modality is not None and gate.modality not in playbook.modalities:
        return
    if gate.both and len(playbook.backends) < 2:
        return
    asked: tuple[str | None, ...] = playbook.backends if gate.backends else (None,)
    for chain in itertools.chain.from_iterable(_chains(pattern, formats) for pattern in gate.chains):
        for backend in asked:
            if gate.only in {None, backend}:
                yield Cell(gate=gate.id, chain=chain, backend=backend)


def _chains(pattern: tuple[str, ...], formats: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what a gate's pattern means in a run of these formats, the source's first."""
    some = {"*": formats, "*result": formats[1:], "source": formats[:1]}.get(pattern[0]) if len(pattern) == 1 else None
    if some is not None:
        yield from ((form,) for form in some)
    elif set(pattern) <= set(formats):
        yield pattern


def _reason(cell: Cell, both: bool, source: str, missing: Mapping[str, str], unsupported: Unsupported) -> str | None:
    """Say why a cell cannot be run here, or None."""
    needed = tuple(missing) if both else (cell.backend,)
    for backend in needed:
        if backend is not None and backend in missing:
            return missing[backend]
    # a single file of another format was converted from the source
    chain = cell.chain if len(cell.chain) > 1 else tuple(dict.fromkeys((source, *cell.chain)))
    reasons = (unsupported(a, b) for a, b in itertools.pairwise(chain))
    return next((reason for reason in reasons if reason), None)


def _all_match(globs: Iterable[str], cells: Sequence[Cell], where: str) -> None:
    """Refuse a glob that means no cell, with what lies nearest."""
    for glob in globs:
        if any(chosen(cell, (glob,)) for cell in cells):
            continue
        ids = dict.fromkeys(itertools.chain.from_iterable((cell.gate, cell.id) for cell in cells))
        near = difflib.get_close_matches(glob, ids, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "`requalify gates` lists them"
        raise UserError(f"{glob!r} matches no gate or cell of this plan", where=where, hint=hint)
