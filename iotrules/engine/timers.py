"""One heap of what is due when, by wall clock ns; a later due time costs nothing until the earlier one has come."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=tuple[str, ...])


class Timers(Generic[Name]):
    """At most one due time a name. Order of names that are due together: by due time, then by name."""

    __slots__ = ("_heap", "_wanted")

    def __init__(self) -> None:
        self._heap: list[tuple[int, Name]] = []
        self._wanted: dict[Name, int] = {}

    def set(self, name: Name, due: int | None) -> None:
        """Replace a name's due time; None takes it away."""
        if due is None:
            self._wanted.pop(name, None)
            return
        before = self._wanted.get(name)
        self._wanted[name] = due
        if before is None or due < before:
            heapq.heappush(self._heap, (due, name))

    def clear(self, kind: str) -> None:
        """Take away every due time whose name begins with `kind`."""
        for name in [name for name in self._wanted if name[0] == kind]:
            del self._wanted[name]

    def clear_all(self) -> None:
        """Take away every due time."""
        self._wanted.clear()

    def next_due(self) -> int | None:
        """The earliest due time, or None."""
        self._settle()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: int) -> Iterator[Name]:
        """Take out the names that are due at `now`, one at a time; what is set meanwhile takes part."""
        while True:
            self._settle()
            if not self._heap or self._heap[0][0] > now:
                return
            _, name = heapq.heappop(self._heap)
            del self._wanted[name]
            yield name

    def _settle(self) -> None:
        """Make the head of the heap one that is still wanted, at the time it is wanted."""
        while self._heap:
            due, name = self._heap[0]
            wanted = self._wanted.get(name)
            if wanted == due:
                return
            heapq.heappop(self._heap)
            if wanted is not None and wanted > due:
                heapq.heappush(self._heap, (wanted, name))
