"""Plane B: the laws that B's own file breaks, whatever it holds."""

from collections import defaultdict
from collections.abc import Iterator

from bot.compare.diff import empty
from bot.formats._base import Fault, TensorInfo
from bot.records import Experiment
from bot.triage import records
from bot.triage.pair import Pair

FOLLOWS = ("trailing", "length")  # laws that are broken as well when the last offset is wrong


def experiments(pair: Pair, name: str) -> Iterator[Experiment]:
    """Yield a record for every cause among the faults of B's files."""
    by_cause: dict[str, list[Fault]] = defaultdict(list)
    for fault in pair.faults_b:
        by_cause[fault.cause].append(fault)
    if by_cause.get("FILE-004") and all(fault.law.endswith(FOLLOWS) for fault in by_cause["FILE-008"]):
        by_cause["FILE-004"] += by_cause.pop("FILE-008")
    for cause, faults in by_cause.items():
        laws = list(dict.fromkeys(fault.law for fault in faults))
        yield records.standing(
            cause, name, plane="B", explained=len(faults), suspect=len(faults),
            told=[f"{fault.detail} [{fault.law}]" for fault in faults], pattern=", ".join(laws),
            facts={"fatal": any(fault.fatal for fault in faults)},
        )  # fmt: skip


def hollow(pair: Pair) -> frozenset[str]:
    """Return B's tensors whose bytes are not their own: there are none, or another tensor has them too."""
    if pair.b is None:
        return frozenset()
    slots = pair.b.tensors
    infos = {slot.info.name: slot.info for slot in slots.values() if slot.info.nbytes}
    shared: set[str] = set()
    furthest = None
    for info in sorted(infos.values(), key=lambda item: (str(item.path), item.offset)):
        if furthest is not None and info.path == furthest.path and info.offset < furthest.offset + furthest.nbytes:
            shared |= {info.name, furthest.name}
        if furthest is None or info.path != furthest.path or _end(info) > _end(furthest):
            furthest = info
    return frozenset(name for name, slot in slots.items() if empty(slot) or slot.stored in shared)


def _end(info: TensorInfo) -> int:
    return info.offset + info.nbytes
