"""Virtual time: an event loop that never waits, and the clock that the engine reads.

House rule: nothing here asks the system what time it is, and no thread runs; the same script goes the same way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from iotrules.model.times import SECOND

T = TypeVar("T")

START = 1_790_000_000 * SECOND
TURN = 1e-6
"""Seconds that a turn of the loop takes: so time goes on even where somebody looks again and again."""


TURNS = 3_000_000
"""More turns than any run has that comes to an end."""


class StalledError(Exception):
    """Nobody will ever do anything again, or somebody does the same for ever."""


class VirtualSelector(selectors.BaseSelector):
    """Has no files to wait for; waiting moves the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._turns = 0
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[number] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError("nothing is under way and no timer is set")
        self._turns += 1
        if self._turns > TURNS:
            raise StalledError(f"still busy after {TURNS} turns, at {self.now:g} s")
        self.now += max(timeout, TURN)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock:
    """The port `Clock`: the loop's time, and by how much somebody has set the clock since."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.offset = 0
        """ns that the engine's clock is ahead of the world's."""

    def now(self) -> int:
        return self.true_now() + self.offset

    def true_now(self) -> int:
        """What a good clock would show, ns."""
        return START + round(self._loop.time() * SECOND)


def run_virtual(work: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run to the end, and close the loop with all that is left."""
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
