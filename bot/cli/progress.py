"""Progress on stderr: a bar on a terminal, plain lines otherwise."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from bot.records import Cell, Experiment, Verdict
from bot.report.redact import clean

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


class Progress:
    """Tells what is being done, of `total` things when that is known."""

    def __init__(self, total: int | None) -> None:
        self.console = Console(stderr=True)
        self.total, self.count, self._started = total, 0, time.monotonic()
        self._bar = Bar(*COLUMNS, console=self.console, transient=True) if self.console.is_terminal else None
        self._task = self._bar.add_task("starting", total=total) if self._bar else None

    def seen(self, cell: Cell, verdict: Verdict | None) -> None:
        """Tell that a cell was begun, or how it was judged."""
        if verdict is None:
            self._describe(cell.id)
            return
        self.count += 1
        self._line(f"[{self.count}/{self.total}] {verdict.outcome.value:12} {cell.id}  {clean(verdict.reason)[:120]}")

    def tried(self, experiment: Experiment) -> None:
        """Tell that an experiment of triage was done."""
        self.count += 1
        self._describe(f"{experiment.pair}: {experiment.cause}")

    def _describe(self, words: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=words)

    def _line(self, words: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        else:
            self.console.print(Text(f"{time.monotonic() - self._started:6.1f} s {words}"), soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
