"""What a plan is expected to take, from the size of its model: seconds, disk, GPU memory. Guesses, for balance."""

import re
from collections.abc import Iterable

from bot.playbook.model import Plan, Playbook
from bot.records import Cell

USUAL = 1_000_000_000  # parameters, when neither the playbook nor the model's name says
GIB = 2**30
_SIZE = re.compile(r"(?<![a-z0-9.])([0-9]{1,4}(?:\.[0-9]{1,3})?)([mb])(?![a-z0-9])")
_UNITS = {"m": 10**6, "b": 10**9}

# seconds = start + parameters / rate; of the order of what two cores and a mid-range card do
CONVERT = (2.0, 60e6)
COMPARE = (0.5, 200e6)
ANSWER = {"cpu": (6.0, 30e6), "gpu": (8.0, 400e6)}
CELL = 0.2

File = tuple[str, ...]  # a converted file, by the formats it went through


def parameters(playbook: Playbook) -> int:
    """Return how many parameters the model has: as the playbook says, else as its name does, else a usual number."""
    if playbook.model.parameters:
        return playbook.model.parameters
    found = _SIZE.search(playbook.model.name.lower().rpartition("/")[2])
    return int(float(found[1]) * _UNITS[found[2]]) if found else USUAL


def conversions(cell: Cell, source: str) -> frozenset[File]:
    """Return the files the toolchain under test makes for a cell."""
    chain = cell.chain if len(cell.chain) > 1 else tuple(dict.fromkeys((source, *cell.chain)))
    files = {chain[:end] for end in range(2, len(chain) + 1)}
    # a chain that ends elsewhere than it began may be compared with the direct way (commutativity)
    return frozenset(files | ({(chain[0], chain[-1])} if len(chain) > 2 and chain[0] != chain[-1] else set()))


def seconds(cells: Iterable[Cell], source: str, size: int) -> float:
    """Return about how long these cells take together: what they share is counted once."""
    listed = tuple(cells)
    files = frozenset().union(*(conversions(cell, source) for cell in listed))
    trusted = {file[0] for file in files} - {source}
    models = {(file, cell.backend) for cell in listed if cell.backend for file in _asked(cell, source)}
    total = CELL * len(listed) + (len(files) + len(trusted)) * _took(CONVERT, size) + len(files) * _took(COMPARE, size)
    return total + sum(_took(ANSWER.get(backend, ANSWER["cpu"]), size) for _, backend in models)


def disk(plan: Plan) -> int:
    """Return about how many bytes the converted files take: float32 at most."""
    budget = plan.playbook.budgets.disk_bytes
    files = frozenset().union(*(conversions(item.cell, plan.source) for item in plan.cells))
    trusted = {file[0] for file in files} - {plan.source}
    return budget or int((len(files) + len(trusted)) * 4.4 * parameters(plan.playbook))


def gpu_memory(plan: Plan) -> int:
    """Return about how many bytes of GPU memory the model takes in float32; 0 when no cell wants a GPU."""
    if "gpu" not in plan.playbook.backends:
        return 0
    return plan.playbook.budgets.gpu_memory_bytes or int(parameters(plan.playbook) * 4.8) + GIB


def _asked(cell: Cell, source: str) -> set[File]:
    """Return the files a cell runs as models: both ends of its chain."""
    return {cell.chain[:1], cell.chain if len(cell.chain) > 1 else tuple(dict.fromkeys((source, *cell.chain)))}


def _took(rate: tuple[float, float], size: int) -> float:
    return rate[0] + size / rate[1]
