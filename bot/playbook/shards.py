"""A plan in parts that run on different machines. Pure: every machine cuts alike, whatever it can run itself."""

import dataclasses
import heapq
import re
from collections.abc import Sequence

from bot.errors import UserError
from bot.playbook import cost
from bot.playbook.model import Plan
from bot.records import Cell

MOST = 256  # jobs of one matrix on GitHub
_PART = re.compile(r"([0-9]{1,4})/([0-9]{1,4})\Z")


def parse_shard(text: str) -> tuple[int, int]:
    """Read I/N, counted from 1."""
    found = _PART.match(text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts <= MOST:
        hint = f"the second of three parts is 2/3; {MOST} parts at most"
        raise UserError(f"{text[:40]!r} is no part of a plan", where="--shard", hint=hint)
    return part, parts


def groups(plan: Plan) -> tuple[tuple[Cell, ...], ...]:
    """Return the cells of a plan in sets that share no conversion with each other.

    The trusted file a chain starts from, when that is not the model itself, is prepared in each part that needs it.
    """
    found: list[tuple[frozenset[cost.File], list[int]]] = []
    for index, item in enumerate(plan.cells):
        files, members = cost.conversions(item.cell, plan.source), [index]
        apart = []
        for other, indexes in found:
            if other & files or (not other and not files):
                files, members = files | other, indexes + members
            else:
                apart.append((other, indexes))
        found = [*apart, (files, members)]
    inside = sorted(sorted(members) for _, members in found)
    return tuple(tuple(plan.cells[index].cell for index in members) for members in inside)


def shard(plan: Plan, part: int, parts: int) -> Plan:
    """Return one part of a plan, counted from 1; it is empty when there are fewer groups than parts."""
    if not 1 <= part <= parts:
        raise ValueError(f"part {part} of {parts}")
    return shares(plan, parts)[part - 1]


def shares(plan: Plan, parts: int) -> tuple[Plan, ...]:
    """Return all parts of a plan: whole groups, dealt out by what they are expected to take.

    All parts together are the plan, and no cell is in two.
    """
    size, whole = cost.parameters(plan.playbook), tuple(item.cell for item in plan.cells)
    found = groups(plan)
    dealt = balance([cost.seconds(cells, plan.source, size) for cells in found], parts)
    where = {cell.id: number for cells, number in zip(found, dealt, strict=True) for cell in cells}
    return tuple(
        dataclasses.replace(
            plan, cells=tuple(item for item in plan.cells if where[item.cell.id] == number), whole=whole,
            part=(number + 1, parts),
        )
        for number in range(parts)
    )  # fmt: skip


def balance(costs: Sequence[float], bins: int) -> list[int]:
    """Return the bin of each cost: the largest first, each into the bin that is emptiest so far."""
    loads = [(0.0, number) for number in range(bins)]
    placed = [0] * len(costs)
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        load, number = heapq.heappop(loads)
        placed[index] = number
        heapq.heappush(loads, (load + costs[index], number))
    return placed
