"""The nouns of this room: what a run found, what GitHub holds, what is to be done."""

import dataclasses
import enum
from collections.abc import Mapping
from datetime import datetime

from bot.records import CauseKind, Confidence, Outcome

LABEL = "requalify"  # every issue of ours carries it; the list is filtered by it
QUIET = "quiet"  # a person's wish to hear nothing more
FLAKY = "flaky"
KNOWN = "requalify-known"  # issues in which people waive gates


class Act(enum.StrEnum):
    """What becomes of one finding."""

    CREATE = "create"
    UPDATE = "update"
    COMMENT = "comment"  # an update whose news is worth a notification
    REOPEN = "reopen"
    CLOSE = "close"
    SKIP = "skip"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings of the lifecycle; the defaults are what the documentation promises."""

    runs_before_filing: int = 2  # for what is neither a crash nor silently wrong output
    passes_to_close: int = 2
    flaky_passes_to_close: int = 10
    reopen_days: int = 30
    umbrella_above: int = 5  # new causes in one run
    creations_per_day: int = 10
    writes_per_hour: int = 30
    withheld: frozenset[str] = frozenset()  # causes a public issue must not describe


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The run as the event tells it; nothing of it comes from the artifact."""

    id: int
    attempt: int = 1
    sha: str
    repository: str  # owner/name
    url: str
    at: datetime  # when its commit was made
    trusted: bool  # on the default branch of this repository, by push, schedule or plain dispatch
    why_untrusted: str = ""
    head: str | None = None  # "owner:branch" of a pull request
    pull: int | None = None  # number, when the request named one
    request: int | None = None  # comment id of the /requalify that asked for it
    partial: bool = False  # somebody may have asked for some gates only
    part: str = ""  # the playbook, for a run that judges several

    @property
    def mark(self) -> str:
        """Return what tells this run from every other, a second attempt of itself included."""
        return f"{self.id}.{self.attempt}" + (f"/{self.part}" if self.part else "")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model on one cell: what an issue counts passes of."""

    model: str
    cell: str
    definition: str  # of the gate when it failed
    first: str  # dates, ISO
    last: str
    outcome: str = Outcome.FALSIFIED.value  # last seen: an outcome, or "changed" for another definition
    passes: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an issue remembers between runs. A cache anybody may edit: never a security decision."""

    key: str
    cause: str
    toolchain: str
    first_sha: str  # first bad
    last_sha: str  # last bad
    runs: tuple[str, ...]  # marks of the last runs that were recorded here
    rows: tuple[Row, ...] = ()
    good_sha: str | None = None  # last good before the first bad
    since: tuple[str, ...] = ()  # what changed between the two
    passed_sha: str | None = None  # the commit of the last counted pass
    closed_sha: str | None = None  # the commit whose pass closed it
    reopened: int = 0
    told: bool = False  # a person closed it, it still fails, and we said so once
    flaky: bool = False
    dropped: int = 0  # rows there was no room for: such an issue is never closed by itself
    members: tuple[str, ...] = ()  # keys under an umbrella
    corrected: tuple[str, ...] = ()  # causes that were claimed here and refuted since


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue of ours as the list API gives it."""

    number: int
    title: str
    body: str
    open: bool
    created: datetime
    closed: datetime | None = None
    state_reason: str | None = None
    labels: frozenset[str] = frozenset()
    locked: bool = False
    state: State | None = None  # None: the marker is missing or damaged


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One root cause of this run, rendered and with its key."""

    key: str
    cause: str
    kind: CauseKind
    confidence: Confidence
    model: str
    toolchain: str
    cells: Mapping[str, str]  # failing cell id -> definition of its gate
    outcomes: Mapping[str, Outcome]
    severe: bool  # a crash, or wrong output without an error: filed when first seen
    title: str
    body: str  # Markdown of the report, already inert and within budget
    refuted: frozenset[str] = frozenset()
    good_sha: str | None = None  # the last commit on which its cells held
    since: tuple[str, ...] = ()  # what changed between that run and this one
    waived: str | None = None  # why, when every one of its gates is waived
    members: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How one cell fared in this run, as far as issues care."""

    outcome: Outcome
    definition: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do to GitHub, or not to do, with the reason."""

    act: Act
    reason: str
    key: str
    cause: str
    number: int | None = None
    title: str | None = None  # only of a new issue: titles belong to people
    region: str | None = None  # the managed part of the body
    comment: str | None = None
    open: bool | None = None
    state_reason: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def writes(self) -> int:
        """Return how many write calls this step costs."""
        if self.act is Act.SKIP:
            return 0
        return 1 + (self.comment is not None) + bool(self.labels and self.number)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run does to the issues of a repository."""

    steps: tuple[Step, ...]

    @property
    def writes(self) -> tuple[Step, ...]:
        """Return the steps that change anything."""
        return tuple(step for step in self.steps if step.act is not Act.SKIP)
