"""Runs the experiments on pairs of checkpoints: evidence for `conclude`, written nowhere by itself.

Planes in the order of their cost: the bytes of the container, names, metadata, tokenizer, then every tensor.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.journal import Journal
from bot.records import Experiment, Finding, Outcome, Verdict
from bot.suite.pairs import TestedPair
from bot.triage import conclude, records, tensors
from bot.triage.pair import Pair, open_pair

BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})


def explain(
    pairs: Sequence[TestedPair], journal: Journal, verdicts: Sequence[Verdict] | None = None
) -> Iterator[Experiment]:
    """Examine every tested pair that a falsified gate judges; yield the experiments as they are done."""
    from bot import gates

    judged = {v.cell.id: v.outcome for v in (gates.judge_all(journal) if verdicts is None else verdicts)}
    for tested in pairs:
        broken = tuple(cell for cell in tested.cells if judged.get(cell) in BROKEN)
        if not broken:
            continue
        pair = open_pair(tested.source, tested.result, asked=tested.asked)
        try:
            yield from examine(pair, tested.name, broken)
        finally:
            pair.close()


def examine(pair: Pair, name: str, cells: Sequence[str] = ()) -> list[Experiment]:
    """Run every experiment on one pair."""
    found: list[Experiment] = []
    if pair.readable:
        survey = tensors.survey(pair)
        found += records.of_tensors(survey, tensors.settle(survey.examined), name)
    return [placed(item, pair.path_a, pair.path_b, cells) for item in found]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why one checkpoint is not the other."""

    verdict: str  # equal | within-budget | faulty | different-checkpoint
    findings: tuple[Finding, ...]  # by rank
    unexplained: tuple[str, ...]


def diagnose(a: Path, b: Path, *, asked: str | None = None) -> Diagnosis:
    """Open two checkpoints, run every experiment and conclude. Raises UserError for an unreadable A."""
    pair = open_pair(a, b, asked=asked)
    try:
        experiments = examine(pair, f"{pair.a.checkpoint.format}-{pair.b.checkpoint.format if pair.b else '?'}")
    finally:
        pair.close()
    found, unexplained = conclude.concluded(experiments)
    exact = all(item.data.get("exact") is not False for item in experiments)
    return Diagnosis(verdict=conclude.verdict(found, exact=exact), findings=found, unexplained=unexplained)


def placed(item: Experiment, a: Path, b: Path, cells: Sequence[str]) -> Experiment:
    """Return an experiment that knows its files and the cells it tries to explain."""
    return dataclasses.replace(item, cells=tuple(cells), data={**item.data, "a": str(a), "b": str(b)})
