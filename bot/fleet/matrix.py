"""A GitHub matrix of jobs that end at about the same time. Pure."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from bot.errors import UserError
from bot.fleet.costs import Costs, estimate
from bot.playbook import cost
from bot.playbook.model import Plan
from bot.playbook.shards import MOST, balance, groups, shares

CLOSE = 1.05  # of the lower bound; nothing is cut finer once jobs are that even
FINER = (0.5, 0.75, 1, 1.5, 2, 3, 4)  # how much finer than even shares playbooks are cut, each tried in turn
GIB = 2**30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A playbook, or a part of one, with what it is expected to take."""

    plan: Plan
    part: tuple[int, int]
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one job of the matrix runs, one piece after the other."""

    number: int
    of: int
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        """Return what it is expected to take."""
        return sum(piece.seconds for piece in self.pieces)

    @property
    def gpu_memory(self) -> int:
        """Return the bytes of GPU memory it needs: pieces run one at a time."""
        return max(cost.gpu_memory(piece.plan) for piece in self.pieces)

    @property
    def disk(self) -> int:
        """Return the bytes of disk it needs: each piece removes its files."""
        return max(cost.disk(piece.plan) for piece in self.pieces)

    def as_json(self) -> dict[str, Any]:
        """Return its entry under `include`; `playbook` and `shard` list in step what `runs` says."""
        parts = [(str(piece.plan.playbook.path), "/".join(map(str, piece.part))) for piece in self.pieces]
        runs = [
            {"playbook": path, "shard": part, "name": piece.plan.playbook.name}
            for (path, part), piece in zip(parts, self.pieces, strict=True)
        ]
        return {
            "job": self.number, "jobs": self.of, "playbook": " ".join(path for path, _ in parts),
            "shard": " ".join(part for _, part in parts), "runs": runs,
            "cells": sum(len(piece.plan.cells) for piece in self.pieces), "seconds": math.ceil(self.seconds),
            # three times as long as expected, at least half an hour: a bound for a hang, not for a slow day
            "timeout_minutes": 30 + math.ceil(self.seconds * 3 / 60),
            "gpu_memory_gib": _gib(self.gpu_memory), "disk_gib": _gib(self.disk),
        }  # fmt: skip


def _gib(count: int) -> float:
    return math.ceil(count / GIB * 10) / 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a runner of this fleet has; None: not known."""

    gpu_memory: int | None = None
    disk: int | None = None


def jobs(plans: Sequence[Plan], shards: int, costs: Costs, limits: Limits = Limits()) -> tuple[Job, ...]:
    """Deal plans out to at most `shards` jobs; a plan is cut only where its jobs would else last longest."""
    if not 1 <= shards <= MOST:
        raise UserError(f"{shards} jobs", where="--shards", hint=f"a matrix holds 1 to {MOST}")
    _refuse_doubles(plans)
    _refuse_too_large(plans, limits)
    speed = _speed(plans, costs)
    whole = [Piece(plan=plan, part=(1, 1), seconds=_expected(plan, costs, speed)) for plan in plans]
    even = sum(piece.seconds for piece in whole) / shards
    best = _dealt(whole, shards)
    for finer in FINER:
        if longest(best) <= CLOSE * even:
            break
        best = min(best, _dealt(_cut(whole, even / finer, shards, costs, speed), shards), key=longest)
    return best


def longest(found: Sequence[Job]) -> float:
    """Return how long the last job takes to end, when all begin at once."""
    return max((job.seconds for job in found), default=0.0)


def _expected(plan: Plan, costs: Costs, speed: float) -> float:
    measured = costs.measured(plan)
    return estimate(plan) * speed if measured is None else measured


def _speed(plans: Sequence[Plan], costs: Costs) -> float:
    """Return how much longer than estimated the measured plans took: the machines' speed, for the others."""
    known = [(costs.measured(plan), estimate(plan)) for plan in plans]
    pairs = [(measured, guess) for measured, guess in known if measured]
    return sum(m for m, _ in pairs) / sum(g for _, g in pairs) if pairs else 1.0


def _cut(whole: Sequence[Piece], share: float, shards: int, costs: Costs, speed: float) -> list[Piece]:
    """Cut every plan that is larger than its share into parts of about that share."""
    pieces: list[Piece] = []
    for piece in whole:
        parts = min(math.ceil(piece.seconds / share), shards)
        parts = min(parts, len(groups(piece.plan))) if parts > 1 else 1
        if parts < 2:
            pieces.append(piece)
            continue
        cut = [plan for plan in shares(piece.plan, parts) if plan.cells]
        pieces += [Piece(plan=p, part=p.part or (1, 1), seconds=_expected(p, costs, speed)) for p in cut]
    return pieces


def _dealt(pieces: Sequence[Piece], shards: int) -> tuple[Job, ...]:
    placed = balance([piece.seconds for piece in pieces], shards)
    bins = [[piece for piece, at in zip(pieces, placed, strict=True) if at == number] for number in range(shards)]
    full = [tuple(held) for held in bins if held]
    return tuple(Job(number=number, of=len(full), pieces=held) for number, held in enumerate(full, 1))


def _refuse_doubles(plans: Sequence[Plan]) -> None:
    """Refuse two playbooks of one name: their journals could not be told apart."""
    first: dict[str, Plan] = {}
    for plan in plans:
        other = first.setdefault(plan.playbook.name, plan)
        if other is not plan:
            same = other.playbook.path.resolve() == plan.playbook.path.resolve()
            what = "given twice" if same else f"has the name of {other.playbook.path}: {plan.playbook.name}"
            raise UserError(what, where=str(plan.playbook.path), hint="a matrix runs every playbook once")


def _refuse_too_large(plans: Sequence[Plan], limits: Limits) -> None:
    lines = []
    for plan in plans:
        needs = (("GPU memory", cost.gpu_memory(plan), limits.gpu_memory), ("disk", cost.disk(plan), limits.disk))
        for name, needed, there in needs:
            if there is not None and needed > there:
                lines.append(
                    f"{plan.playbook.path}: needs {_gib(needed)} GiB of {name}, a runner has {_gib(there)} GiB"
                )
    if lines:
        raise UserError("\n".join(lines), hint="leave them out, or state what they need under `budgets`")
