"""Measures one cell: the kinds of evidence its gate takes, or why there are none. Never raises for what a file does."""

import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from bot.errors import UserError
from bot.gates import ALL, Gate
from bot.probes import ANYWHERE, PROBES
from bot.probes._base import Context
from bot.probes.once import Once
from bot.probes.services import Services
from bot.records import Cell, Evidence
from bot.reference.client import ChildFailure
from bot.suite.conversions import Station
from bot.suite.failures import TAIL, Unmade, failure
from bot.suite.routes import Route, Routes

# ways of asking a model that are measured: a template applied or a server started would be others
ASKED = frozenset({None, "run"})


class Meter:
    """Measures cells; what two of them share is measured once. `facts` go into every evidence's provenance."""

    def __init__(self, routes: Routes, services: Services, facts: Mapping[str, Any]) -> None:
        self.routes, self.services, self.facts = routes, services, facts
        self._measured: Once[tuple[dict[str, Any], float]] = Once()

    def cell(self, cell: Cell) -> list[Evidence]:
        """Return the evidence of a cell."""
        gate, route = ALL[cell.gate], None
        if gate.modality not in ASKED:
            reason = f"models are asked by {' or '.join(sorted(filter(None, ASKED)))} only, not by {gate.modality}"
            return [self._record(cell, "skip", {"reason": reason}, None)]
        try:
            route = self.routes.of(cell)
            return list(self._evidence(cell, gate, route))
        except Unmade as problem:
            return [self._record(cell, problem.kind, problem.data, route)]
        except ChildFailure as problem:
            return [self._record(cell, *self._child(problem, route), route)]
        except UserError as problem:
            found = failure("error", str(problem), "measure")
        except Exception as problem:  # noqa: BLE001 - one cell's bug must not take the others' evidence with it
            words = "".join(traceback.format_exception(problem))[-TAIL:]
            reason = f"requalify failed: {type(problem).__name__}: {problem}"
            found = failure("error", reason, "measure", stderr_tail=words)
        return [self._record(cell, found.kind, found.data, route)]

    def _evidence(self, cell: Cell, gate: Gate, route: Route) -> Iterator[Evidence]:
        if gate.takes != ("faults",):
            _readable(route.source)
            _readable(route.result)
        for kind in gate.takes:
            data, seconds = self._measure(cell, kind, route)
            yield self._record(cell, kind, data, route, seconds)

    def _measure(self, cell: Cell, kind: str, route: Route) -> tuple[dict[str, Any], float]:
        backend = None if kind in ANYWHERE else cell.backend
        modality = ALL[cell.gate].modality or "run"
        context = Context(
            source=route.source.path,
            result=route.result.path,
            backend=backend,
            services=self.services,
            modality=modality,
        )

        def make() -> tuple[dict[str, Any], float]:
            started = time.monotonic()
            return PROBES[kind](context), round(time.monotonic() - started, 3)

        return self._measured.get((kind, context.source, context.result, backend, modality), make)

    def _child(self, problem: ChildFailure, route: Route | None) -> tuple[str, dict[str, Any]]:
        """Return kind and data for a model that failed: a result that does not load is at fault, a source is not."""
        if problem.unavailable:
            return "skip", {"reason": problem.reason}
        data = problem.evidence("load" if problem.reason.startswith("open") else "infer")
        if problem.outcome == "error" and route is not None and not route.trusted:
            data = {**data, "outcome": "falsified", "reason": f"the result cannot be run: {problem.reason}"}
        return "failure", data

    def _record(
        self, cell: Cell, kind: str, data: Mapping[str, Any], route: Route | None, seconds: float | None = None
    ) -> Evidence:
        known: dict[str, Any] = {**self.facts, "backend": cell.backend, "seconds": seconds}
        if route is not None:
            known |= {
                "source_sha256": route.source.digest, "result_sha256": route.result.digest,
                "source": route.source.path.name, "result": route.result.path.name,
                "conversions": list(route.result.hops),
            }  # fmt: skip
        return Evidence(cell=cell.id, kind=kind, data=data, provenance=known)


def _readable(station: Station) -> None:
    if station.broken:
        reason = f"the result cannot be read: {station.broken}"
        raise failure("falsified", reason, f"read {station.format}", faults=list(station.faults))
