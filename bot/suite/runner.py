"""Runs a plan: cells to workers, evidence to the journal as it comes, until all is measured or the policy says stop."""

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot import journal, process
from bot.errors import UserError
from bot.gates import ALL
from bot.journal import Header, Writer
from bot.playbook.model import FailurePolicy, Plan, Planned
from bot.probes.services import Limits, Services
from bot.records import Cell, Evidence, Experiment, Outcome, Severity, Verdict
from bot.reference.prompts import TEXTS
from bot.suite import host, space, store
from bot.suite.admission import Admission
from bot.suite.conversions import Caps, Conversions, Tool, Unmade, version_of
from bot.suite.failures import failure
from bot.suite.measure import Meter
from bot.suite.pairs import TestedPair
from bot.suite.routes import Routes
from bot.suite.workspace import NAME, Workspace, check_space, total_memory
from bot.toolchains import reference, toolchain

ASTRAY = "PATH-001"  # planted in this runner, not in a converter: chains hand over a folder
BROKEN = frozenset({Outcome.FALSIFIED, Outcome.CRASHED, Outcome.TIMEOUT})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a plan is run here."""

    model: Path  # found and checked
    out: Path
    plants: tuple[str, ...] = ()
    fail_fast: bool = False
    resume: bool = False
    keep: bool = False  # leave converted files in the work folder
    workers: int | None = None  # None: half the cores
    sick: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what is wrong with this machine, by check

    @property
    def threads(self) -> int:
        """Return how many cells are measured at once."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // 2)


Seen = Callable[[Cell, Verdict | None], None]  # a cell was begun (None) or judged


def _unseen(cell: Cell, verdict: Verdict | None) -> None:
    """Tell nobody."""


class Run:
    """One run, as a context: files are made on entering and removed on leaving, unless it was cut short."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self.plan, self.options, self.out = plan, options, options.out
        self.path = options.out / journal.NAME
        self.stopped: Verdict | None = None  # the verdict that made the policy stop
        self.workspace = Workspace(options.out / NAME)
        self.done: dict[str, dict[str, Evidence]] = {}  # by cell and kind
        self._tried: set[tuple[str, str]] = set()
        self._ended = False

    def __enter__(self) -> Self:
        self._refuse_the_model()
        playbook, budgets = self.plan.playbook, self.plan.playbook.budgets
        cap = budgets.memory_bytes or int(total_memory() * 0.9)
        admission = self.admission = Admission(total_memory())
        self.workspace.prepare(resume=self.options.resume)
        conversions = Conversions(self.workspace, Caps(timeout_s=budgets.convert_s, memory_bytes=cap), admission.of)
        given = conversions.given(self.options.model)
        if given.format != self.plan.source:
            raise UserError(
                f"is {given.format}, the plan starts from {self.plan.source}", where=str(self.options.model)
            )
        store.as_expected(self.options.model, playbook.model)
        check_space(self.out, budgets.disk_bytes or space.needed(self.plan, self.options.model))
        tool = self._tool()
        trusted = Tool(toolchain=reference, version=version_of(reference))
        self.routes = Routes(conversions, given, tool, trusted, astray=ASTRAY in self.options.plants)
        self.services = Services(
            self.options.model, self.workspace.scratch, seed=playbook.seed,
            texts=playbook.prompts or TEXTS[: playbook.prompt_limit],
            asked=playbook.dtype, limits=Limits(timeout_s=budgets.model_s, memory_bytes=cap), admit=admission.of,
        )  # fmt: skip
        self.header = self._header(tool, given.digest)
        self._writer = self._open()
        facts = {"commit": self.header.commit, "seed": playbook.seed, "versions": host.packages()}
        self.meter = Meter(self.routes, self.services, facts)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.services.close()
        self._writer.__exit__(kind, error, tb)
        if self._ended and not self.options.keep:
            self.workspace.remove()

    def _refuse_the_model(self) -> None:
        model, out = self.options.model.resolve(), self.out.resolve()
        folder = model if model.is_dir() else model.parent
        if out == folder or (model.is_dir() and model in out.parents):
            raise UserError("would write beside the model", where=str(self.out), hint="choose another --out")

    def _tool(self) -> Tool:
        playbook = self.plan.playbook
        found = toolchain(playbook.toolchain, playbook.toolchain_options)
        planted = tuple(plant for plant in self.options.plants if plant != ASTRAY)
        if planted and found.NAME != reference.NAME:
            raise UserError(
                f"defects can be planted in the reference toolchain only, not in {found.NAME}", where="--plant"
            )
        if reason := found.unavailable():
            raise UserError(f"{found.NAME} cannot be used: {reason}", where="--toolchain")
        return Tool(toolchain=found, version=version_of(found), dtype=playbook.dtype, plants=planted)

    def _header(self, tool: Tool, digest: str) -> Header:
        playbook, options = self.plan.playbook, self.options
        return Header(
            playbook=playbook.name, playbook_sha256=playbook.sha256, tier=playbook.tier, model=playbook.model.name,
            toolchain=tool.toolchain.NAME, commit=host.commit(), cells=tuple(item.cell for item in self.plan.cells),
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            environment=host.environment({f"toolchain {tool.toolchain.NAME}": tool.version, **_health(options.sick)}),
            request={
                "dtype": playbook.dtype, "policy": self.policy.value, "plants": list(options.plants),
                "seed": playbook.seed, "playbook_path": str(playbook.path), "model_path": str(options.model),
                "source_format": self.plan.source, "model_sha256": digest,
                "backends": list(playbook.backends), "fail_fast": options.fail_fast, **self.plan.as_request(),
            },
        )  # fmt: skip

    @property
    def policy(self) -> FailurePolicy:
        """When this run gives up."""
        return FailurePolicy.STOP_ON_FIRST if self.options.fail_fast else self.plan.playbook.policy

    def _open(self) -> Writer:
        """Open the journal; with --resume, take over what is recorded there if it is of this very run."""
        if not (self.options.resume and self.path.is_file() and self.path.stat().st_size):
            return Writer(self.path, self.header)
        found = journal.read(self.path)
        same = ("playbook_sha256", "toolchain", "cells", "request", "commit")
        for name in same:
            if getattr(found.header, name) != _as_read(self.header, name):
                hint = "drop --resume to begin anew, or give another --out"
                raise UserError(f"is of another run: its {name} differs", where=str(self.path), hint=hint)
        self.done = journal.by_cell(found.evidence)
        self._tried = {(item.pair, item.cause) for item in found.experiments}
        return Writer(self.path, self.header, resume=True)

    def measure(self, seen: Seen = _unseen) -> None:
        """Measure every cell that has not been; stop when the policy says so."""
        for item in self.plan.cells:
            if item.skip and item.cell.id not in self.done:
                self._record(item.cell, [Evidence(cell=item.cell.id, kind="skip", data={"reason": item.skip})], seen)
        if self.options.sick:
            self._condemn(seen)
        todo = iter([item for item in self.plan.cells if item.cell.id not in self.done])
        running: dict[Future[list[Evidence]], Cell] = {}
        with ThreadPoolExecutor(self.options.threads) as pool:
            try:
                self._work(pool, todo, running, seen)
            except BaseException:
                self._abandon(running)
                raise

    def _condemn(self, seen: Seen) -> None:
        """Record an error for every cell left: a sick machine's verdicts would be about the machine."""
        words = "; ".join(f"{name}: {found}" for name, found in self.options.sick.items())
        failed = failure("error", f"the runner is not fit: {words}", "preflight")
        for item in self.plan.cells:
            if item.cell.id not in self.done:
                self._record(item.cell, [Evidence(cell=item.cell.id, kind=failed.kind, data=failed.data)], seen)

    def _abandon(self, running: Mapping[Future[list[Evidence]], Cell]) -> None:
        """End all children and wait for the threads that waited for them."""
        self.admission.stop()
        while not all(future.done() or future.cancel() for future in running):
            process.kill_all()
            wait(running, timeout=0.2)

    def _work(
        self, pool: ThreadPoolExecutor, todo: Iterator[Planned], running: dict[Future[list[Evidence]], Cell], seen: Seen
    ) -> None:
        while True:
            while not self.stopped and len(running) < self.options.threads and (item := next(todo, None)):
                seen(item.cell, None)
                running[pool.submit(self.meter.cell, item.cell)] = item.cell
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                self._record(running.pop(future), future.result(), seen)

    def _record(self, cell: Cell, evidence: Sequence[Evidence], seen: Seen) -> None:
        for item in evidence:
            self._writer.append(item)
        self.done[cell.id] = {item.kind: item for item in evidence}
        verdict = ALL[cell.gate].judge(cell, self.done[cell.id])
        seen(cell, verdict)
        if self.stopped is None and self._stops(verdict):
            self.stopped = verdict

    def _stops(self, verdict: Verdict) -> bool:
        if verdict.outcome not in BROKEN or self.policy is FailurePolicy.COLLECT_ALL:
            return False
        return self.policy is FailurePolicy.STOP_ON_FIRST or verdict.severity is Severity.P0

    def pairs(self) -> tuple[TestedPair, ...]:
        """Return what was compared and is still on disk, by chain, with the cells that judge it."""
        cells: dict[tuple[str, ...], list[str]] = {}
        for item in self.plan.cells:
            if item.cell.id in self.done and "skip" not in self.done[item.cell.id]:
                formats = item.cell.chain if len(item.cell.chain) > 1 else (self.plan.source, *item.cell.chain)
                if formats != (self.plan.source, self.plan.source):
                    cells.setdefault(formats, []).append(item.cell.id)
        return tuple(filter(None, (self._pair(formats, ids) for formats, ids in cells.items())))

    def _pair(self, formats: tuple[str, ...], ids: Sequence[str]) -> TestedPair | None:
        with contextlib.suppress(Unmade):
            stations = self.routes.way(formats)
            return TestedPair(
                name="-".join(formats), source=stations[0].path, result=stations[-1].path, cells=tuple(ids),
                stations=tuple(station.path for station in stations), asked=self.plan.playbook.dtype or "",
            )  # fmt: skip
        return None

    def record(self, experiment: Experiment) -> None:
        """Append one experiment of triage, unless a run that was cut short did already."""
        if (experiment.pair, experiment.cause) not in self._tried:
            self._writer.append(experiment)

    def end(self) -> None:
        """Mark the journal complete."""
        self._writer.end()
        self._ended = True


def _health(sick: Mapping[str, str]) -> dict[str, Any]:
    return {"runner health": dict(sick)} if sick else {}


def _as_read(header: Header, name: str) -> Any:
    """Return a field of a header as a journal gives it back."""
    value = getattr(header, name)
    return dict(value) if isinstance(value, Mapping) else value
