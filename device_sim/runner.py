"""Runs a fleet in real time against a broker: the simulator's only part that reads a clock and does I/O."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from device_sim.device import Publication
from device_sim.documents import FleetDocument
from device_sim.fleet import Fleet, Happened, advance, begun, build_fleet, deliver, next_due, skip
from device_sim.memory import Known, MemoryFile, known_line, recall
from device_sim.outbox import Outbox
from device_sim.records import Lines, append_lines, executed_line, label_line, published_line
from device_sim.sources import BadRow, open_host, read_file, read_host, replay_message, replay_topic
from iotrules.model.errors import UnavailableError
from iotrules.model.inputs import Arrival
from iotrules.model.times import MILLISECOND, SECOND
from iotrules.ports import AckToken, Transport

ASLEEP = 30 * SECOND
"""Reports later than this are left out: the computer slept, and nobody measured."""
HOST_EVERY = 1.0
STATUS_EVERY = 2.0
DRAIN = 3.0
"""Seconds that the broker is given at the end to take what is on its way."""
FIRST_RETRY, LAST_RETRY = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Replay:
    """A CSV file to replay; `speed` 0: as fast as the broker takes it. `columns`: names of time and value."""

    file: Path
    speed: float
    columns: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What to run; `seconds` None: until stopped. `wait`: seconds for a broker that is away at first."""

    fleet: FleetDocument | None
    seed: int | None = None
    host: bool = True
    replay: Replay | None = None
    seconds: float | None = None
    wait: float = 10.0
    labels: Path | None = None
    journal: Path | None = None
    memory: Path | None = None
    """Where devices remember the commands that they were given, for the next run."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom to tell: `status` every few seconds, with the counts; `warn` of what a person should know."""

    status: Callable[[Counter[str]], None]
    warn: Callable[[str], None]


Received = Sequence[tuple[Arrival, AckToken]]


class Connect(Protocol):
    """Makes a transport that has not been started, always with the same client id.

    `persistent`: commands that arrive while the connection is interrupted wait at the broker.
    """

    def __call__(self, *, persistent: bool) -> Transport: ...


@dataclass(slots=True)
class _Run:
    """One run's parts."""

    setup: Setup
    transport: Transport
    outbox: Outbox
    journal: Lines
    labels: Lines
    memory: Lines
    counts: Counter[str]
    watcher: Watcher
    received: asyncio.Queue[Received]
    now: Callable[[], int]
    loops: list[asyncio.Task[None]] = field(default_factory=list)


async def simulate(
    setup: Setup,
    connect: Connect,
    stop: asyncio.Event,
    watcher: Watcher,
    now: Callable[[], int] = time.time_ns,
) -> Counter[str]:
    """Run until the time is over, `stop` is set, or a replay on its own has ended; counts what happened.

    UnavailableError: the broker stayed away for `setup.wait` seconds. ConfigError: a file can't be used.
    """
    received: asyncio.Queue[Received] = asyncio.Queue()
    counts: Counter[str] = Counter()
    known = MemoryFile(setup.memory).read(now() // MILLISECOND)
    with (
        append_lines(setup.journal) as journal,
        append_lines(setup.labels) as labels,
        append_lines(setup.memory) as memory,
    ):
        transport = await _connect(connect, command_filters(setup.fleet), received.put_nowait, setup.wait, stop)
        if transport is None:
            return counts
        try:
            async with asyncio.TaskGroup() as tasks:
                outbox = Outbox(tasks, transport, counts, lambda done: _journal(journal, done))
                run = _Run(setup, transport, outbox, journal, labels, memory, counts, watcher, received, now)
                await _run(run, known, tasks, stop)
        except ExceptionGroup as group:
            raise _first(group) from group
        finally:
            await transport.stop()
            await _forget_session(connect)
    return counts


def command_filters(document: FleetDocument | None) -> list[str]:
    """The topic filters that receive the commands of a fleet: a level with a placeholder becomes `+`."""
    groups = document.fleet.values() if document else ()
    topics = {group.commands for group in groups if group.commands}
    return sorted({"/".join("+" if "{" in level else level for level in topic.split("/")) for topic in topics})


async def _connect(
    connect: Connect,
    filters: Sequence[str],
    on_batch: Callable[[Received], None],
    wait: float,
    stop: asyncio.Event,
) -> Transport | None:
    """A started transport, or None if `stop` was set first; tries with growing pauses for `wait` seconds."""
    give_up = time.monotonic() + wait
    delay = FIRST_RETRY
    while not stop.is_set():
        transport = connect(persistent=True)
        try:
            if await _unless_stopped(transport.start(filters, on_batch), stop):
                return transport
        except UnavailableError:
            left = give_up - time.monotonic()
            if left <= 0:
                raise
            await _unless_stopped(asyncio.sleep(min(delay, left)), stop)
            delay = min(delay * 2, LAST_RETRY)
        await transport.stop()
    return None


async def _unless_stopped(work: Coroutine[object, object, None], stop: asyncio.Event) -> bool:
    """Do `work`, but give it up when `stop` is set; whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        await doing
        return True
    doing.cancel()
    await asyncio.wait({doing})
    return False


async def _forget_session(connect: Connect) -> None:
    """Have the broker drop what it keeps for us; if it is away, it does so by itself after a day."""
    transport = connect(persistent=False)
    with suppress(UnavailableError):
        await transport.start([], lambda batch: None)
    await transport.stop()


async def _run(run: _Run, known: Sequence[Known], tasks: asyncio.TaskGroup, stop: asyncio.Event) -> None:
    """Start every loop that the setup asks for, wait for the end, and let what is on its way arrive."""
    setup = run.setup
    if setup.fleet is not None:
        fleet = build_fleet(setup.fleet, run.now(), setup.seed)
        recall({device.plan.id: device.memory for device in fleet.devices}, known)
        _start(run, tasks, _report(run, fleet), _obey(run, fleet))
        if setup.host:
            _start(run, tasks, _measure_host(run))
    _start(run, tasks, _tell(run))
    replaying = tasks.create_task(_replay(run, setup.replay)) if setup.replay else None
    await _until_over(setup, stop, replaying)
    for task in run.loops:
        task.cancel()
    if replaying:
        replaying.cancel()
    await run.outbox.drain(DRAIN)


def _start(run: _Run, tasks: asyncio.TaskGroup, *loops: Coroutine[object, object, None]) -> None:
    run.loops += [tasks.create_task(loop) for loop in loops]


async def _until_over(setup: Setup, stop: asyncio.Event, replaying: asyncio.Task[None] | None) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    ends: list[asyncio.Future[Any]] = [stopping]
    if replaying is not None and setup.fleet is None:
        ends.append(replaying)
    await asyncio.wait(ends, timeout=setup.seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


async def _report(run: _Run, fleet: Fleet) -> None:
    """Publish what the devices report, when it is due."""
    while True:
        now = run.now()
        if now - next_due(fleet) > ASLEEP:
            run.watcher.warn("the clock jumped forward: the reports in between are left out")
            skip(fleet, now)
        _pass_on(run, advance(fleet, now))
        for label in begun(fleet, now):
            run.labels.write(label_line(label))
        wait = (next_due(fleet) - run.now()) / SECOND
        await asyncio.sleep(min(max(0.0, wait), 1.0))


async def _obey(run: _Run, fleet: Fleet) -> None:
    """Bring commands to devices; the broker may forget one only after it was carried out and journaled."""
    while True:
        batch = await run.received.get()
        for arrival, _ in batch:
            now = run.now()
            _pass_on(run, advance(fleet, now))
            _pass_on(run, deliver(fleet, arrival.topic, arrival.payload, now))
        run.transport.acknowledge([token for _, token in batch])


def _pass_on(run: _Run, happened: Happened) -> None:
    for known in happened.known:
        run.memory.write(known_line(known))
    for executed in happened.executed:
        run.journal.write(executed_line(executed))
    for publication in happened.publications:
        run.outbox.offer(publication)
    run.counts.update(happened.counts)
    run.counts["executed"] += len(happened.executed)


async def _measure_host(run: _Run) -> None:
    boot = f"{run.now():x}"
    source = open_host(socket.gethostname(), boot, run.now() // MILLISECOND)
    while True:
        await asyncio.sleep(HOST_EVERY)
        run.outbox.offer(read_host(source, run.now() // MILLISECOND))


async def _replay(run: _Run, replay: Replay) -> None:
    """Publish the rows of a file, paced by their own gaps divided by the speed."""
    topic, seq, first, begun_at = replay_topic(replay.file), 0, None, time.monotonic()
    for item in read_file(replay.file, replay.columns):
        if isinstance(item, BadRow):
            _warn_bad_row(run, replay.file, item)
            continue
        first = item.at_ms if first is None else first
        if replay.speed:
            due = begun_at + (item.at_ms - first) / 1000 / replay.speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        seq += 1
        await run.outbox.put(replay_message(topic, seq, item))
    run.counts["rows"] = seq


def _warn_bad_row(run: _Run, file: Path, row: BadRow) -> None:
    run.counts["bad rows"] += 1
    if run.counts["bad rows"] <= 10:
        run.watcher.warn(f"{file}:{row.line}: {row.reason}; row skipped")


async def _tell(run: _Run) -> None:
    while True:
        await asyncio.sleep(STATUS_EVERY)
        run.watcher.status(run.counts)


def _journal(journal: Lines, publication: Publication) -> None:
    """Telemetry that the broker has. Answers to commands have no number; their commands are `executed`."""
    if publication.seq is not None:
        journal.write(published_line(publication))


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """The first failure of several tasks: the others were cancelled because of it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
