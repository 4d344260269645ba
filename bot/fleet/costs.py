"""What cells took in earlier runs: read out of journals, kept in a file, used to balance the next matrix."""

import collections
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bot import journal
from bot.errors import UserError
from bot.journal import Journal
from bot.jsonfile import read_json
from bot.playbook import cost
from bot.playbook.model import Plan
from bot.records import Evidence

SCHEMA = 1
NAME = "costs.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    """Seconds by playbook and cell."""

    playbooks: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def measured(self, plan: Plan) -> float | None:
        """Return what a plan's cells took, or None when none of them was seen; unseen ones count as the mean."""
        seen = self.playbooks.get(plan.playbook.name, {})
        known = [seen[item.cell.id] for item in plan.cells if item.cell.id in seen]
        return sum(known) * len(plan.cells) / len(known) if known else None

    def updated(self, other: "Costs") -> "Costs":
        """Return these with newer ones over them."""
        return Costs({**self.playbooks, **other.playbooks})

    def dumps(self) -> str:
        """Return the text of a costs file."""
        told = {"schema": SCHEMA, "playbooks": {name: dict(cells) for name, cells in self.playbooks.items()}}
        return json.dumps(told, indent=1, sort_keys=True) + "\n"


def estimate(plan: Plan) -> float:
    """Return what a plan is expected to take when nobody has measured it."""
    return cost.seconds((item.cell for item in plan.cells), plan.source, cost.parameters(plan.playbook))


def of_journal(read: Journal) -> Costs:
    """Return what the cells of a run took."""
    return of_records(read.header.playbook, read.evidence)


def of_records(playbook: str, evidence: Iterable[Evidence]) -> Costs:
    """Return what each cell took; what several cells shared is divided among them."""
    shares: dict[str, tuple[float, set[str]]] = {}
    for item in evidence:
        for key, seconds in _pieces(item):
            shares.setdefault(key, (seconds, set()))[1].add(item.cell)
    total: collections.Counter[str] = collections.Counter()
    for seconds, cells in shares.values():
        for cell in cells:
            total[cell] += seconds / len(cells)  # type: ignore[assignment]
    return Costs({playbook: {cell: round(seconds, 3) for cell, seconds in sorted(total.items())}})


def _pieces(item: Evidence) -> Iterable[tuple[str, float]]:
    """Yield what one evidence says took time: the measurement and each conversion before it, named by content."""
    told = item.provenance
    files = [told.get("source_sha256") or item.cell, told.get("result_sha256") or item.cell]
    if _is_time(told.get("seconds")):
        yield json.dumps([item.kind, *files, told["seconds"]]), float(told["seconds"])
    hops = told.get("conversions")
    for hop in hops if isinstance(hops, list) else ():
        if isinstance(hop, Mapping) and _is_time(hop.get("seconds")):
            yield json.dumps([hop.get("hop"), hop.get("argv"), hop["seconds"]], default=str), float(hop["seconds"])


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def read_costs(path: Path) -> Costs:
    """Read a costs file, or take the costs from a run's journal or folder."""
    if path.is_dir() and (path / NAME).is_file():
        path = path / NAME
    elif path.is_dir() or path.suffix == ".jsonl":
        return of_journal(journal.read(path))
    hint = "`requalify merge` writes one; a run's folder or journal will do as well"
    told = read_json(path, what="a costs file", hint=hint)
    try:
        found = told["playbooks"] if told["schema"] == SCHEMA else None
        if found is not None and all(_is_time(s) for cells in found.values() for s in cells.values()):
            return Costs(found)
    except (KeyError, TypeError, AttributeError):
        pass
    raise UserError("not a costs file", where=str(path), hint=hint)
