"""When wall clock may move timers: only behind the mark of this very connection, or when none came back in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from iotrules.model.inputs import Arrival
from iotrules.ports import AckToken
from iotrules.runtime.backlog import LIMIT, Backlog
from iotrules.transports.memory import MemoryBroker, MemoryTransport
from tests.runtime.world import SettableClock

TOPIC = "iotrules/engines/engine/mark"


class Connection:
    """A transport with its backlog; `passed` is what to call for each mark that was found."""

    def __init__(self) -> None:
        self.clock = SettableClock()
        self.broker = MemoryBroker(self.clock.now)
        self.transport = MemoryTransport(self.broker, "engine")
        self.backlog = Backlog(self.transport, TOPIC, self.clock, self._happened)
        self.passed: list[Callable[[], None]] = []
        self.changed = 0
        self._event = asyncio.Event()

    async def start(self) -> None:
        await self.transport.start([TOPIC], self._arrived)

    async def drop(self) -> None:
        """Lose the connection, and have it back."""
        self.broker.drop_connection("engine")
        await self.until(lambda: self.transport.connected)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for the memory broker, which does its work in the next turns of the event loop."""
        for _ in range(100):
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not happen")

    def _arrived(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        passed = self.backlog.take_marks(batch)
        if passed is not None:
            self.passed.append(passed)

    def _happened(self) -> None:
        self.changed += 1


async def test_the_mark_that_comes_back_ends_the_backlog() -> None:
    connection = Connection()
    await connection.start()
    backlog = connection.backlog
    assert not backlog.drained
    backlog.watch()
    await connection.until(lambda: connection.passed)
    assert not backlog.drained
    connection.passed[0]()
    assert backlog.drained
    assert (backlog.deadline, connection.changed) == (None, 1)


async def test_a_lost_connection_is_a_new_backlog_and_wants_a_new_mark() -> None:
    connection = Connection()
    await connection.start()
    connection.backlog.watch()
    await connection.until(lambda: connection.passed)
    connection.passed[0]()
    await connection.drop()
    assert not connection.backlog.drained
    connection.backlog.watch()
    await connection.until(lambda: len(connection.passed) == 2)
    connection.passed[1]()
    assert connection.backlog.drained


async def test_a_mark_that_was_found_before_the_connection_was_lost_says_nothing_of_the_new_one() -> None:
    connection = Connection()
    await connection.start()
    connection.backlog.watch()
    await connection.until(lambda: connection.passed)
    await connection.drop()
    connection.passed[0]()
    assert not connection.backlog.drained
    connection.backlog.watch()
    await connection.until(lambda: len(connection.passed) == 2)
    connection.passed[0]()
    assert not connection.backlog.drained
    connection.passed[1]()
    assert connection.backlog.drained


async def test_a_mark_of_somebody_else_is_none() -> None:
    connection = Connection()
    await connection.start()
    connection.broker.publish(TOPIC, b"1 of an engine before us")
    connection.backlog.watch()
    await connection.until(lambda: connection.passed)
    assert len(connection.passed) == 1
    await connection.transport.stop()
    again = MemoryTransport(connection.broker, "engine")
    left: list[Arrival] = []
    await again.start([TOPIC], lambda batch: left.extend(arrival for arrival, _ in batch))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert left == []  # both were acknowledged


async def test_while_cut_off_nothing_is_drained_or_waited_for() -> None:
    connection = Connection()
    await connection.start()
    connection.backlog.watch()
    await connection.until(lambda: connection.passed)
    connection.passed[0]()
    connection.broker.available = False
    connection.broker.drop_connection("engine")
    connection.backlog.watch()
    assert (connection.backlog.drained, connection.backlog.deadline) == (False, None)


async def test_a_mark_that_does_not_come_back_is_waited_for_no_longer_than_the_limit() -> None:
    connection = Connection()
    await connection.start()
    backlog = connection.backlog
    backlog.watch()  # and nobody looks at what arrives
    assert backlog.deadline == connection.clock.now() + round(LIMIT * 1_000_000_000)
    connection.clock.move_to(LIMIT - 1)
    backlog.watch()
    assert not backlog.drained
    connection.clock.move_to(LIMIT)
    backlog.watch()
    assert backlog.drained
