"""What the loop does between inputs: a slice of the snapshot in progress, a slice of the store's own work.

House rule: a slice is bounded in bytes, so that no input waits longer for it than for a commit; a slice that can't be
written is kept, and tried again later.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from iotrules.engine import Engine
from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Input, Messages
from iotrules.ports import Store, Tidied

log = structlog.get_logger()

BUSY, IDLE, TROUBLED = 0.005, 10.0, 5.0
"""Seconds until the next slice: where there is more at once, where there is nothing, where the disk took nothing."""

ROW_WEIGHT = 3
"""What a journal row takes by itself, in messages."""

PUT_OFF = 0.1
"""Seconds between two slices of the store's own work while inputs come."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How snapshots are taken."""

    every: int = 30_000
    """Messages between the beginnings of two, other inputs in their measure: bounds how long recovery takes."""
    slice_bytes: int = 128 * 1024
    """Encoded and written at once."""


PACE = Pace()


class Housekeeping:
    """For one runtime. `expired` counts the rows that the store let go of, as ("expired", table)."""

    def __init__(self, store: Store, pace: Pace, expired: Counter[tuple[str, str]]) -> None:
        self._store = store
        self._pace = pace
        self._expired = expired
        self._journaled = 0
        self._of: int | None = None
        """The sequence of the snapshot in progress."""
        self._parts: dict[str, bytes | None] | None = None
        """A slice of it that is not written yet."""
        self._more = True
        self._not_before, self._tidied = 0.0, 0.0
        self._tidying: asyncio.Task[Tidied] | None = None
        """What the store does for itself just now."""

    @property
    def patience(self) -> float:
        """Seconds after which to call `turn` again, if no input comes before."""
        if self._more or self._of is not None or self._tidying is not None:
            return max(BUSY, self._not_before - asyncio.get_running_loop().time())
        return IDLE

    def begin(self, journaled: Iterable[Input]) -> None:
        """The engine is what the store says, with these inputs after the snapshot; a half one is forgotten."""
        self._journaled, self._of, self._parts = sum(map(_weight, journaled)), None, None

    def journaled(self, inputs: Iterable[Input]) -> None:
        """Further inputs are durable."""
        self._journaled += sum(map(_weight, inputs))

    async def turn(self, engine: Engine, sequence: int, now: int, *, busy: bool) -> None:
        """A slice of each; `sequence` is that of the newest input. StateError if the store is no good.

        `busy`: others wait, so the store's own work is put off for a while; a commit does some of it on its way.
        """
        time = asyncio.get_running_loop().time()
        if time < self._not_before:
            return
        if self._of is None and self._journaled >= self._pace.every:
            engine.begin_snapshot()
            self._of, self._journaled = sequence, 0
        try:
            if self._of is not None:
                await self._write(engine, self._of)
            self._tidy(now, time, busy=busy)
        except UnavailableError as error:
            log.warning("can't tidy the store, or write a snapshot; trying again", reason=str(error), retry_s=TROUBLED)
            self._not_before = asyncio.get_running_loop().time() + TROUBLED

    async def end(self) -> None:
        """Ask for nothing more; the store brings to an end what it has begun."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
            self._tidying = None

    def _tidy(self, now: int, time: float, *, busy: bool) -> None:
        """Begin a slice, or see what became of it; nobody waits."""
        if self._tidying is None:
            if busy and time < self._tidied + PUT_OFF:
                return
            self._tidied = time
            self._tidying = asyncio.create_task(self._store.tidy(now), name="tidy")
        if not self._tidying.done():
            return
        task, self._tidying = self._tidying, None
        tidied = task.result()
        self._more = tidied.more
        self._expired.update({("expired", table): rows for table, rows in tidied.expired.items()})

    async def _write(self, engine: Engine, sequence: int) -> None:
        if self._parts is None:
            self._parts = engine.snapshot_parts(self._pace.slice_bytes)
        size = sum(len(name) + len(body or b"") for name, body in self._parts.items())
        complete = size < self._pace.slice_bytes
        await self._store.snapshot(sequence, self._parts, complete=complete)
        self._parts = None
        if complete:
            self._of = None


def _weight(value: Input) -> int:
    """How many messages' time it takes to read a journal row again, and to decide on it."""
    return ROW_WEIGHT + (len(value.arrivals) if isinstance(value, Messages) else 1)
