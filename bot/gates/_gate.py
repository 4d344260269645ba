"""What a gate is: a claim, a rule that can fail, and the evidence it asks for by parameter name. Pure.

The rule's docstring is the gate's text: its first line the claim, then why it matters and what to do.
"""

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bot.records import Cell, Evidence, Outcome, Severity, Verdict

Data = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a rule says: `held` None means that there was nothing it could judge by, which is an error."""

    held: bool | None
    reason: str
    metric: str | None = None
    diff: float | None = None
    expected: str | None = None
    tensors: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class MalformedError(Exception):
    """Evidence lacks a field or holds something else in it."""


def field(data: Data, name: str, *kinds: type) -> Any:
    """Return a field of evidence that must be there and of one of these types."""
    value = data.get(name)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise MalformedError(f"the evidence has no usable {name!r}")
    return value


def real(data: Data, name: str) -> float:
    """Return a number; the words the journal writes for what is no number come back as such."""
    value = data.get(name)
    if value in {"nan", "inf", "-inf"}:
        return float(str(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(f"the evidence has no usable {name!r}")
    return float(value)


def count(data: Data, name: str) -> int:
    """Return a whole number that is not negative."""
    value: int = field(data, name, int)
    if value < 0:
        raise MalformedError(f"{name!r} is negative")
    return value


def within(value: float, limit: float) -> bool:
    """Tell whether a measured distance is within its limit; NaN never is, and a limit of 0 wants 0."""
    return value == 0 if limit == 0 else 0 <= value < limit


Rule = Callable[..., Ruling]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One claim and the cells it makes."""

    id: str
    severity: Severity
    family: str
    rule: Rule
    chains: tuple[tuple[str, ...], ...]  # of formats; "*" stands for each format a run has
    backends: bool = False  # one cell for each backend
    only: str | None = None  # the one backend it is about
    both: bool = False  # compares the two backends, so it needs both
    modality: str | None = None  # the way of asking it is about; None: any
    tiers: frozenset[str] = frozenset()  # empty: all
    args: tuple[Any, ...] = ()  # bound into the rule, for gates that share one

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the kinds of evidence it cannot do without."""
        return tuple(n for n, p in _parameters(self.rule).items() if p.default is inspect.Parameter.empty)

    @property
    def takes(self) -> tuple[str, ...]:
        """Return every kind of evidence it looks at."""
        return tuple(_parameters(self.rule))

    @property
    def title(self) -> str:
        """Return the claim, in one line."""
        return self.text.splitlines()[0]

    @property
    def text(self) -> str:
        """Return the claim, why it matters and what to do when it fails."""
        return inspect.cleandoc(self.rule.__doc__ or "")

    @property
    def definition(self) -> str:
        """Return a short hash that changes when what the gate asks for changes."""
        words = "\n".join((self.id, self.severity, self.text, inspect.getsource(self.rule), repr(self.chains)))
        return hashlib.sha256(words.encode()).hexdigest()[:12]

    def judge(self, cell: Cell, facts: Mapping[str, Evidence]) -> Verdict:
        """Rule on a cell from the evidence recorded for it."""
        if "skip" in facts:
            return self._verdict(cell, Outcome.SKIPPED, _words(facts["skip"].data, "reason"))
        if "failure" in facts:
            return self._failed(cell, facts["failure"].data)
        if missing := [kind for kind in self.needs if kind not in facts]:
            return self._verdict(cell, Outcome.NO_EVIDENCE, f"never measured: {', '.join(missing)}")
        try:
            ruling = self.rule(**{kind: facts[kind].data for kind in self.takes if kind in facts})
        except MalformedError as error:
            return self._verdict(cell, Outcome.NO_EVIDENCE, str(error))
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError):
            # a journal is data from anywhere: whatever it holds, judging goes on
            return self._verdict(cell, Outcome.NO_EVIDENCE, "the evidence is malformed")
        outcome = {True: Outcome.CORROBORATED, False: Outcome.FALSIFIED, None: Outcome.ERROR}[ruling.held]
        return Verdict(
            gate=self.id,
            severity=self.severity,
            cell=cell,
            outcome=outcome,
            reason=ruling.reason,
            metric=ruling.metric,
            diff=ruling.diff,
            expected=ruling.expected,
            tensors=ruling.tensors,
            definition=self.definition,
            facts=ruling.facts,
        )

    def _failed(self, cell: Cell, data: Data) -> Verdict:
        known = {
            "error": Outcome.ERROR,
            "timeout": Outcome.TIMEOUT,
            "crashed": Outcome.CRASHED,
            "falsified": Outcome.FALSIFIED,
        }
        outcome = known.get(str(data.get("outcome")), Outcome.ERROR)
        return self._verdict(cell, outcome, _words(data, "reason"))

    def _verdict(self, cell: Cell, outcome: Outcome, reason: str) -> Verdict:
        return Verdict(
            gate=self.id, severity=self.severity, cell=cell, outcome=outcome, reason=reason, definition=self.definition
        )


def _words(data: Data, name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and value else "no reason was recorded"


def _parameters(rule: Rule) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(rule).parameters)
