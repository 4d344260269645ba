"""Runs the experiments on pairs of checkpoints: evidence for `conclude`, written nowhere by itself.

Planes in the order of their cost: the bytes of the container, a sample that tells another checkpoint, then every
tensor once, and what names, metadata and tokenizer say.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot import gates
from bot.compare.diff import HEAD
from bot.errors import UserError
from bot.journal import Journal
from bot.records import CauseKind, Experiment, Finding, Outcome, Verdict
from bot.suite.pairs import TestedPair
from bot.triage import checkpoints, conclude, container, hypotheses, metadata, naming, policy, records, tensors, tokens
from bot.triage.pair import Pair, open_pair
from bot.triage.partners import Names

BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})


def explain(
    pairs: Sequence[TestedPair], journal: Journal, verdicts: Sequence[Verdict] | None = None
) -> Iterator[Experiment]:
    """Examine every tested pair that a falsified gate judges; yield the experiments as they are done."""
    judged = {v.cell.id: v.outcome for v in (gates.judge_all(journal) if verdicts is None else verdicts)}
    seen = _Seen()
    for tested in sorted(pairs, key=lambda item: len(item.stations)):
        broken = tuple(cell for cell in tested.cells if judged.get(cell) in BROKEN)
        if broken:
            for hop, item in _along(seen, tested):
                data = {**item.data, "hop": hop if item.data.get("stands") else None}
                yield dataclasses.replace(item, pair=tested.name, cells=broken, data=data)


def _along(seen: "_Seen", tested: TestedPair) -> Iterator[tuple[str | None, Experiment]]:
    """Examine a chain station by station up to the first that a defect broke, then every later hop not seen yet.

    What two defects make of a tensor together is seldom explained; each of them by itself is. A later hop starts from
    what the earlier ones left, and is the one a direct conversion of the same formats tests, if there is one.
    """
    formats = tested.name.split("-")
    last, named = len(tested.stations) - 1, len(formats) == len(tested.stations) > 2
    for i in range(1, last + 1):
        items = seen.examined(tested.source, tested.stations[i], tested)
        if i == last or any(_defect(item) for item in items):
            yield from ((_hop(formats, i) if named else None, item) for item in items)
            break
    for j in range(i + 1, last + 1):
        if _hop(formats, j) not in seen.names:
            items = seen.examined(tested.stations[j - 1], tested.stations[j], tested)
            yield from ((_hop(formats, j) if named else None, item) for item in items if item.data.get("stands"))


def _hop(formats: Sequence[str], i: int) -> str:
    return "-".join(formats[i - 1 : i + 1])


def _defect(item: Experiment) -> bool:
    known = hypotheses.ALL.get(item.cause)
    kind = item.data.get("kind") or (known.KIND if known else CauseKind.DEFECT)
    return bool(item.data.get("stands")) and kind == CauseKind.DEFECT


class _Seen:
    """Pairs of files examined so far, each once: chains share their first hops with direct conversions."""

    def __init__(self) -> None:
        self._done: dict[tuple[Path, Path], list[Experiment]] = {}
        self.names: set[str] = set()  # of the direct conversions

    def examined(self, source: Path, result: Path, tested: TestedPair) -> list[Experiment]:
        """Return the experiments on two stations; none for a source nobody can read."""
        key = (source, result)
        if len(tested.stations) == 2:
            self.names.add(tested.name)
        if key not in self._done:
            self._done[key] = []
            with contextlib.suppress(UserError):
                pair = open_pair(source, result, asked=tested.asked)
                try:
                    self._done[key] = examine(pair, tested.name)
                finally:
                    pair.close()
        return self._done[key]


def examine(pair: Pair, name: str, cells: Sequence[str] = ()) -> list[Experiment]:
    """Run every experiment on one pair."""
    found = list(container.experiments(pair, name))
    if pair.readable:
        other = checkpoints.unrelated(pair, name)
        found += [other] if other else _on_tensors(pair, name)
    return [placed(item, pair.path_a, pair.path_b, cells) for item in found]


def _on_tensors(pair: Pair, name: str) -> list[Experiment]:
    """Compare all tensors and say what explains them, what else the files say, and what is left."""
    survey = tensors.survey(pair)
    hollow = container.hollow(pair)
    chosen = {item: why for item, why in tensors.settle(survey.examined).items() if item not in hollow}
    names = Names(pair, survey.report, chosen)
    if not names.renamed and (other := checkpoints.nothing_in_common(pair, survey, name)):
        return [other]
    named = list(naming.experiments(names, name))
    # a head that is not the embedding needs no transformation besides
    head = {HEAD for item in named if item.cause == "NAME-008" and item.data.get("kind") == "defect"}
    accounted = frozenset(hollow | head)
    rest = checkpoints.left(pair, survey, chosen, accounted, name)
    if rest and rest.cause == conclude.OTHER_MODEL:
        return [rest]
    found = records.of_tensors(survey, chosen, name, accounted) + named
    found += [
        *metadata.experiments(pair, name),
        *tokens.experiments(pair, name),
        *policy.experiments(pair, survey, name),
    ]
    return [*found, *([rest] if rest else [])]


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
        experiments = examine(
            pair, f"{pair.a.checkpoint.format}-{pair.b.checkpoint.format if pair.b else 'unreadable'}"
        )
    finally:
        pair.close()
    found, unexplained = conclude.concluded(experiments)
    return Diagnosis(verdict=conclude.verdict(found), findings=found, unexplained=unexplained)


def placed(item: Experiment, a: Path, b: Path, cells: Sequence[str]) -> Experiment:
    """Return an experiment that knows its files and the cells it tries to explain."""
    return dataclasses.replace(item, cells=tuple(cells), data={**item.data, "a": str(a), "b": str(b)})
