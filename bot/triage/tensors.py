"""Goes through all tensors of a pair: compares each, examines the suspects, then settles who explains what.

Tensors are taken one at a time and let go again, so memory is that of the largest one. A cause found on
one tensor is tried first on the others of its kind, and on other kinds when it explained all there was so far;
its rivals are tried on the first few only.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bot.compare.diff import Agreement, DiffReport, Matched, TensorDiff, compare, empty
from bot.triage import ladder, peel
from bot.triage.case import EXACT, Case
from bot.triage.engine import Examined
from bot.triage.moves import Explanation
from bot.triage.pair import Pair
from bot.triage.recent import remembering

# tensors on which every rival is run before hints are trusted; so many kinds of them before other kinds get the hint
FULL_LADDERS = 3
NUMBER = re.compile(r"\d+")


@dataclasses.dataclass(slots=True)
class Survey:
    """Every tensor compared, every suspect examined."""

    report: DiffReport
    examined: dict[str, Examined]
    diffs: dict[str, TensorDiff]
    pairs: dict[str, Matched]

    @property
    def suspects(self) -> list[str]:
        """Return the names of the tensors that differ, in A's order."""
        return [name for name, diff in self.diffs.items() if diff.verdict is Agreement.DIFFERS]


class _Surveyor:
    """Remembers what explained the tensors before this one."""

    def __init__(self, pair: Pair) -> None:
        if pair.b is None:
            raise ValueError("the suspect side could not be read")
        self.a, self.b = remembering(pair.a), remembering(pair.b)
        self.examined: dict[str, Examined] = {}
        self.diffs: dict[str, TensorDiff] = {}
        self.pairs: dict[str, Matched] = {}
        self.hints: dict[str, Counter[frozenset[str]]] = {}
        self.adaptive: set[frozenset[str]] = set()  # hints that could explain what they are not the reason of
        self.sound: set[tuple[int | None, frozenset[str]]] = set()  # layers in which such a hint held against rivals
        self.everywhere: set[frozenset[str]] = set()  # the one hint that restored every tensor so far exactly
        self.failures: Counter[str] = Counter()
        self.explained = 0
        self.notes: dict[Any, Any] = {}

    def see(self, diff: TensorDiff, pair: Matched) -> None:
        """Take note of one compared tensor and examine it when it differs."""
        self.diffs[diff.name], self.pairs[diff.name] = diff, pair
        if diff.verdict is not Agreement.DIFFERS or empty(pair.a) or empty(pair.b):
            return
        case = Case(self.a, self.b, pair, self.notes)
        kind = NUMBER.sub("", case.kind)  # all experts are of one kind
        found = self._first(case, kind)
        self.examined[diff.name] = found
        if found.accepted:
            self._learn(kind, case.layer, found.accepted[0])
        else:
            self.failures[kind] += 1

    def _first(self, case: Case, kind: str) -> Examined:
        hint = self._hint(kind, case.layer)
        if hint is None and self.explained >= FULL_LADDERS and self._usual(kind) in self.adaptive:
            # its rivals are other readings; what they would have to be moved by besides was tried in other layers
            found = ladder.examine(case, None, ladder.STRAIGHT)
            if found.accepted:
                return found
        return ladder.examine(case, hint, ladder.BRIEF if self.failures[kind] >= FULL_LADDERS else ())

    def again(self) -> None:
        """Look once more at what nothing restored, now that it is known what restored the others."""
        blind, failures = FULL_LADDERS, Counter[str]()
        hints: dict[str, Counter[tuple[str, ...]]] = {}
        for name, item in list(self.examined.items()):
            case = Case(self.a, self.b, self.pairs[name], self.notes)
            kind = NUMBER.sub("", case.kind)
            if item.accepted:
                self.examined[name] = peel.refined(case, item)
                continue
            if failures[kind] >= FULL_LADDERS:
                continue
            known = [parts for parts, _ in hints.setdefault(kind, Counter()).most_common()]
            found = peel.examine(case, self._labels(), item, blind=blind > 0, hints=known)
            if found.accepted:
                hints[kind][found.accepted[0].parts] += 1
            else:
                found = ladder.examine(case, self._hint(kind, case.layer), ladder.DEEP).after(found)
                if found.accepted:
                    self._learn(kind, case.layer, found.accepted[0])
                else:
                    failures[kind] += 1
                    blind -= 1
            self.examined[name] = found

    def _labels(self) -> list[str]:
        """Return what restored tensors, the most frequent first, alternatives of equal effect included."""
        counted = Counter(
            label for item in self.examined.values() for explanation in item.accepted for label in explanation.parts
        )
        return [label for label, _ in counted.most_common()]

    def _hint(self, kind: str, layer: int | None) -> frozenset[str] | None:
        """Return what explained the tensors of that kind before, or all of every kind; None when that is too little."""
        if self.explained < FULL_LADDERS:
            return None
        hint = self._usual(kind)
        if hint is None:
            return next(iter(self.everywhere)) if len(self.hints) >= FULL_LADDERS and self.everywhere else None
        return hint if hint not in self.adaptive or (layer, hint) in self.sound else None

    def _usual(self, kind: str) -> frozenset[str] | None:
        """Return what explained most tensors of a kind."""
        return next((parts for parts, _ in self.hints.get(kind, Counter()).most_common(1)), None)

    def _learn(self, kind: str, layer: int | None, best: Explanation) -> None:
        parts = frozenset(best.parts)
        if best.freedom > 1:
            self.adaptive.add(parts)
            self.sound.add((layer, parts))
        self.hints.setdefault(kind, Counter())[parts] += 1
        exactly = {parts} if best.freedom == 0 and best.after <= EXACT else set()
        self.everywhere = exactly if not self.explained else self.everywhere & exactly
        self.explained += 1


def survey(pair: Pair, on_tensor: Callable[[TensorDiff], None] | None = None) -> Survey:
    """Compare all tensors of a readable pair and examine the suspects."""
    surveyor = _Surveyor(pair)

    def see(diff: TensorDiff, matched: Matched) -> None:
        surveyor.see(diff, matched)
        if on_tensor:
            on_tensor(diff)

    report = compare(surveyor.a, surveyor.b, on_tensor=see)
    surveyor.again()
    return Survey(report=report, examined=surveyor.examined, diffs=surveyor.diffs, pairs=surveyor.pairs)


def settle(examined: dict[str, Examined]) -> dict[str, Explanation]:
    """Choose one explanation for each tensor: of equal ones, that which explains most tensors.

    Alternatives of equal effect on one tensor (a square matrix, one head) are decided by the tensors on
    which they differ; where none differs, the simpler one leads and the other stays on record.
    """
    popularity: Counter[tuple[str, ...]] = Counter()
    leading: Counter[tuple[str, ...]] = Counter()
    for item in examined.values():
        popularity.update({explanation.causes for explanation in item.accepted})
        leading.update(explanation.causes for explanation in item.accepted[:1])
    rank = {causes: (popularity[causes], leading[causes]) for causes in popularity}
    return {name: _best(item.accepted, rank) for name, item in examined.items() if item.accepted}


def _best(accepted: list[Explanation], rank: Mapping[tuple[str, ...], tuple[int, int]]) -> Explanation:
    least = (accepted[0].freedom, len(accepted[0].causes))
    equal = [e for e in accepted if (e.freedom, len(e.causes)) == least]
    return max(equal, key=lambda explanation: rank[explanation.causes])
