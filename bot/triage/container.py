"""Plane B: the laws that B's own file breaks, whatever it holds."""

from collections import defaultdict
from collections.abc import Iterator

from bot.formats._base import Fault
from bot.records import Experiment
from bot.triage import records
from bot.triage.pair import Pair


def experiments(pair: Pair, name: str) -> Iterator[Experiment]:
    """Yield a record for every cause among the faults of B's files."""
    by_cause: dict[str, list[Fault]] = defaultdict(list)
    for fault in pair.faults_b:
        by_cause[fault.cause].append(fault)
    for cause, faults in by_cause.items():
        laws = list(dict.fromkeys(fault.law for fault in faults))
        yield records.standing(
            cause, name, plane="B", explained=len(faults), suspect=len(faults),
            told=[f"{fault.detail} [{fault.law}]" for fault in faults], pattern=", ".join(laws),
            facts={"fatal": any(fault.fatal for fault in faults)},
        )  # fmt: skip
