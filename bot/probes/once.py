"""Each thing made once, however many threads ask for it at the same time."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Values by key: the first to ask makes it, the others wait; what it raised is raised for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._made: dict[Hashable, T] = {}
        self._failed: dict[Hashable, Exception] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made by `make` when nobody has made it yet."""
        with self._lock:
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            if key in self._failed:
                raise self._failed[key]
            if key not in self._made:
                try:
                    self._made[key] = make()
                except Exception as error:
                    self._failed[key] = error
                    raise
            return self._made[key]
