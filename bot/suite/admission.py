"""Lets few heavy children run at a time: each states what it will hold, and waits until that much is free."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from bot import formats
from bot.errors import UserError

BASE = 800 << 20  # an interpreter with torch in it
COPIES = 2.5  # a model in float32, while it is loaded and a layer is worked on


class StoppedError(Exception):
    """The run is over: nothing new may start."""


class Admission:
    """Memory as tickets. One child is always let in, however large it claims to be."""

    def __init__(self, total: int) -> None:
        self.total, self._held = total, 0
        self._free = threading.Condition()
        self._stopped = False

    def stop(self) -> None:
        """Let nobody in any more."""
        with self._free:
            self._stopped = True
            self._free.notify_all()

    @contextlib.contextmanager
    def of(self, checkpoint: Path) -> Iterator[None]:
        """Wait for room for a child that holds this checkpoint, and keep it meanwhile."""
        wanted = cost(checkpoint)
        with self._free:
            self._free.wait_for(lambda: self._stopped or not self._held or self._held + wanted <= self.total)
            if self._stopped:
                raise StoppedError
            self._held += wanted
        try:
            yield
        finally:
            with self._free:
                self._held -= wanted
                self._free.notify_all()


def cost(checkpoint: Path) -> int:
    """Return about how many bytes a child needs for a checkpoint's tensors in float32."""
    try:
        opened = formats.open_checkpoint(checkpoint)
    except UserError:
        return BASE
    largest = sum(info.count for info in opened.tensors.values())
    opened.close()
    return BASE + int(largest * 4 * COPIES)
