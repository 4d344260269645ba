"""Which two files a cell compares, and by which hops the toolchain under test gets there.

Each direct conversion starts from a trusted file: the model given, or what the embedded converter makes of it in
the other formats. So it tests one hop, and a broken G-A does not make A-G look broken.
"""

import dataclasses

from bot.gates import ALL
from bot.records import Cell
from bot.suite.conversions import Conversions, Station, Tool, chain
from bot.suite.failures import failure

# gates that compare one result with another: how long the first one's chain is, None for a second conversion alike
TWO_RESULTS = {"F-CONV-IDEM-001": None, "F-CONV-COM-001": -1, "F-CONV-RT-BYTE-001": 1}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a cell compares. `stations` are those of the result, from the trusted file on."""

    source: Station
    result: Station
    stations: tuple[Station, ...]

    @property
    def trusted(self) -> bool:
        """Tell whether the cell looks at the trusted file alone."""
        return len(self.stations) == 1


class Routes:
    """Finds the way of every cell. `astray`: chains hand the tool an empty folder, as a broken harness would."""

    def __init__(self, conversions: Conversions, given: Station, tool: Tool, trusted: Tool, *, astray: bool) -> None:
        self.conversions, self.given, self.tool, self.reference = conversions, given, tool, trusted
        self.astray = astray

    def trusted(self, fmt: str) -> Station:
        """Return the trusted file of a format."""
        return self.given if fmt == self.given.format else self.conversions.hop(self.reference, self.given, fmt)

    def of(self, cell: Cell) -> Route:
        """Return the route of a cell; raises Unmade for what cannot be made."""
        if not cell.chain:
            raise failure("error", "the cell names no format", "plan")
        gate = ALL.get(cell.gate)
        if len(cell.chain) == 1:
            return self._single(cell.chain[0], alone=gate is None or gate.chains != (("*result",),))
        astray = self.astray and gate is not None and gate.family == "chains"
        stations = self._chain(cell.chain, astray)
        source = stations[0]
        if cell.gate in TWO_RESULTS:
            source, stations = self._results(cell, stations, astray)
        return Route(source=source, result=stations[-1], stations=stations)

    def way(self, formats: tuple[str, ...]) -> tuple[Station, ...]:
        """Return the stations of a chain, from the trusted file on, as a sound harness makes them."""
        return self._chain(formats, astray=False)

    def _single(self, fmt: str, *, alone: bool) -> Route:
        """Route a gate on one file: the given model, or what the toolchain made of it; `alone` or beside it."""
        stations = self._chain((self.given.format, *([] if fmt == self.given.format else [fmt])), astray=False)
        source = stations[-1] if alone else stations[0]
        return Route(source=source, result=stations[-1], stations=stations)

    def _results(self, cell: Cell, stations: tuple[Station, ...], astray: bool) -> tuple[Station, tuple[Station, ...]]:
        start, length = stations[0], TWO_RESULTS[cell.gate]
        if length is None:
            again = self.conversions.hop(self.tool, start, cell.chain[1], copy=1, astray=astray)
            return stations[-1], (start, again)
        formats = cell.chain[-1:] if length < 0 else cell.chain[1 : 1 + length]
        return self._chain((cell.chain[0], *formats), astray)[-1], stations

    def _chain(self, formats: tuple[str, ...], astray: bool) -> tuple[Station, ...]:
        def step(station: Station, fmt: str) -> Station:
            return self.conversions.hop(self.tool, station, fmt, astray=astray)

        return chain(step, self.trusted(formats[0]), formats[1:])
