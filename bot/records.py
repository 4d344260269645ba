"""The nouns every room passes around. They hold data, check nothing and import nothing of ours."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any


class Outcome(enum.StrEnum):
    """What became of one attempt to falsify one claim."""

    CORROBORATED = "corroborated"  # we tried to break it and could not
    FALSIFIED = "falsified"  # we have evidence that it is broken
    ERROR = "error"  # harness or machine failed: nothing learnt about the product
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    SKIPPED = "skipped"  # does not apply here; the reason says why
    NO_EVIDENCE = "no-evidence"  # nothing to judge: never a pass


class Severity(enum.StrEnum):
    """How much a falsified gate weighs."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"


class CauseKind(enum.StrEnum):
    """Whose fault a cause is."""

    DEFECT = "defect"
    CLEARS = "clears"  # an explanation that lets a conversion pass
    HARNESS = "harness"  # ours or the runner script's
    INFRA = "infra"  # rerun, or mend the machine


class Confidence(enum.StrEnum):
    """How hard a cause was tried."""

    HIGH = "HIGH"  # every suspect restored to tolerance, every equal-effect rival refuted
    MEDIUM = "MEDIUM"  # predicts what is seen, testable only in part
    LOW = "LOW"  # consistent, untested


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One thing that can be judged: a gate on one chain of formats and one backend."""

    gate: str
    chain: tuple[str, ...] = ()  # ("gguf", "apr", "gguf"); one format for a gate on one file
    backend: str | None = None  # "cpu", "gpu", or None where no model runs
    variant: str = ""  # tells apart cells that share all the rest

    @property
    def id(self) -> str:
        """Return the stable name used in journals, file names and `--gates` globs."""
        parts = (self.gate, "-".join(self.chain), self.backend or "", self.variant)
        return "/".join(part for part in parts if part)

    @property
    def source(self) -> str | None:
        """Return the format the chain starts from."""
        return self.chain[0] if self.chain else None

    @property
    def target(self) -> str | None:
        """Return the format the chain ends in, or None for a gate on one file."""
        return self.chain[-1] if len(self.chain) > 1 else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measurement for one cell. `kind` is the parameter name by which gates ask for it."""

    cell: str  # Cell.id
    kind: str  # "tensors", "logits", ... or "failure" / "skip" (see bot.gates)
    data: Mapping[str, Any]  # JSON only
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # argv, exit, seconds, versions, hashes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One run of one hypothesis on one pair of checkpoints, rivals included."""

    pair: str  # "gguf-apr": the two ends compared; chains spell every hop
    cause: str  # id of the hypothesis that was tried
    data: Mapping[str, Any]
    cells: tuple[str, ...] = ()  # ids of the cells it tries to explain


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says about a cell."""

    gate: str
    severity: Severity
    cell: Cell
    outcome: Outcome
    reason: str
    metric: str | None = None  # name of the number in `diff`
    diff: float | None = None
    expected: str | None = None  # tolerance and why, as the report prints it
    tensors: Mapping[str, Any] | None = None  # compared, differ, worst_rel_rmse
    definition: str = ""  # hash of the gate's claim and limits
    masked_by: str | None = None  # cause id that kept this gate from running
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deduction:
    """One line of the score's account."""

    reason: str
    points: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The Model Qualification Score, 0 to 1000, with its itemised account."""

    mqs: int | None  # None when there is no evidence at all
    grade: str | None
    status: str
    deductions: tuple[Deduction, ...] = ()
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One root cause that was found, as `diagnose --json` prints it."""

    id: str
    slug: str
    kind: CauseKind
    confidence: Confidence
    explained: int = 0  # tensors (or keys) this cause restores
    suspect: int = 0
    residual_before: float | None = None
    residual_after: float | None = None
    noise_floor: float | None = None  # residual of tensors it does not touch
    tensors: Sequence[str] = ()
    side: str | None = None  # "A", "B" or None: which side is wrong
    pattern: str | None = None  # "attn_k.weight in layers 0-29, 30 of 30"
    hop: str | None = None  # for chains: "gguf-apr"
    first_layer: int | None = None
    evidence_for: Sequence[str] = ()
    evidence_against: Sequence[str] = ()
    refuted: Sequence[str] = ()
    commands: Sequence[Sequence[str]] = ()  # argv
    gates: Sequence[str] = ()  # cell ids this explains
    masked: Sequence[str] = ()  # cell ids that could not run behind it
    claim: str = ""
    falsified_if: str = ""
    fix_hint: str = ""
    line: str | None = None  # plane L: the line that says so
    line_number: int | None = None
    captures: Mapping[str, str] = dataclasses.field(default_factory=dict)
