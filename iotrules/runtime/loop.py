"""The engine's loop: take what has come, decide, commit, acknowledge, deliver.

House rule: nothing is acknowledged and no effect leaves before the commit; a failed commit throws away what the engine
had decided, recovers it from the store, and decides again on the same inputs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter

import msgspec
import structlog

from iotrules.engine import Engine
from iotrules.engine.state import Remembered
from iotrules.model.decisions import Decision, Key, LedgerChange
from iotrules.model.errors import ConfigError, IotrulesError, LostLeaseError, StateError, UnavailableError
from iotrules.model.inputs import Arrival, Input, Receipt, Reload, Started, Tick
from iotrules.model.rules import RuleSet
from iotrules.model.times import SECOND
from iotrules.ports import (
    AckToken,
    Alone,
    Clock,
    Entry,
    Functions,
    History,
    Lease,
    LedgerRow,
    Letters,
    Observer,
    Recovered,
    Store,
    Transport,
)
from iotrules.runtime.backlog import Backlog
from iotrules.runtime.charting import Charting
from iotrules.runtime.control import ControlServer, operator_requests
from iotrules.runtime.delivery import Deliverer
from iotrules.runtime.housekeeping import PACE, Housekeeping, Pace
from iotrules.runtime.inbox import Inbox, Work
from iotrules.runtime.letters import letter_requests
from iotrules.runtime.trouble import StoreTrouble

log = structlog.get_logger()

FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
"""Seconds between two tries at a store that can't be written."""

MAX_WAIT = 60.0
ALIVE_EVERY = 10.0
"""Seconds between two notes that we run, where rules must know how long we did not."""


class Runtime:
    """Runs one engine until it is told to stop. Built once, in the composition root."""

    def __init__(
        self,
        *,
        files: Reload | None,
        store: Store,
        transport: Transport,
        functions: Functions,
        history: History,
        clock: Clock,
        observers: Sequence[Observer],
        name: str,
        control: ControlServer | None = None,
        on_trouble: Callable[[bool], None] = lambda _: None,
        lease: Lease | None = None,
        letters: Letters | None = None,
        pace: Pace = PACE,
        jitter: random.Random | None = None,
    ) -> None:
        """`files` None: go on with the rules that the store has. Without a `lease` there is nobody else.

        `jitter` spreads retries; by default it is the system's chance.
        """
        self._files = files
        self._lease = lease or Alone()
        self._fault: IotrulesError | None = None
        self._letters = letters
        self._control = control
        self._store = store
        self._transport = transport
        self._functions = functions
        self._charting = Charting(history)
        self._clock = clock
        self._observers = observers
        self._inbox = Inbox(clock.now)
        self._backlog = Backlog(transport, f"iotrules/engines/{name}/mark", clock, self._inbox.wake)
        self._engine = Engine()
        self._sequence = 0
        self._alive: int | None = None
        self._alive_noted = 0
        self._wanted: tuple[Reload, asyncio.Future[tuple[RuleSet, RuleSet]]] | None = None
        self._stop_asked = asyncio.Event()
        self._loose: Counter[tuple[str, str]] = Counter()
        self._house = Housekeeping(store, pace, self._loose)
        self._trouble = StoreTrouble(on_trouble)
        self._deliverer = Deliverer(
            transport,
            functions,
            clock,
            self._inbox,
            self._remembered,
            jitter or random.Random(),  # noqa: S311 - spreads retries, keeps no secret
            self._lease,
        )

    @property
    def rules(self) -> RuleSet:
        """The rules in use; none before `run` is ready."""
        return self._engine.rules

    def stop(self) -> None:
        """Ask the loop to end after the turn it is in."""
        self._stop_asked.set()
        self._inbox.wake()

    def fail(self, fault: IotrulesError) -> None:
        """End as soon as possible, by raising this from `run`."""
        self._fault = fault
        self.stop()

    def wake(self) -> None:
        """Have the loop look at the transport's state again."""
        self._inbox.wake()

    async def ask(self, value: Input) -> Decision:
        """Decide on an input that a person has made; returns once it is durable, with all that it caused."""
        return await self._inbox.ask(value)

    async def reload(self, files: Reload) -> tuple[RuleSet, RuleSet]:
        """Use other rule files, which are known to load; returns once that is durable, with the rules before and after.

        One at a time: the caller waits for the one before.
        """
        self._wanted = (files, asyncio.get_running_loop().create_future())
        self._inbox.wake()
        return await self._wanted[1]

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Recover, connect, and go round until `stop`. StateError or ConfigError if that can't go on."""
        keeper = asyncio.create_task(self._charting.run(), name="history")
        try:
            rows = await self._recover()
            await self._tell_of_stop()
            await self._functions.start()
            before = self._filters()
            await self._use_rules()
            await self._connect(dropped=sorted(set(before) - set(self._filters())))
            if not self._stop_asked.is_set():
                self._deliverer.add(rows)
                await self._listen()
                ready()
            while not self._stop_asked.is_set():
                await self._turn()
            if self._fault is not None:
                raise self._fault
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._close()

    async def _connect(self, dropped: Sequence[str]) -> None:
        """Reach the broker, however long that takes: after a power cut it may start later than we do."""
        pause = FIRST_PAUSE
        while not self._stop_asked.is_set():
            try:
                await self._transport.start(self._filters(), self._arrived, dropped)
                return
            except UnavailableError as error:
                log.error("can't reach the broker; trying again", reason=str(error), retry_s=pause)
            pause = await self._pause(pause)

    async def _pause(self, seconds: float) -> float:
        """Wait, unless somebody wants us to stop; returns how long to wait the next time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop_asked.wait()
        return min(seconds * 2, LAST_PAUSE)

    async def _listen(self) -> None:
        """From now on other processes may ask. What they may ask is put together here."""
        if self._control is not None:
            about_letters = {} if self._letters is None else letter_requests(self.ask, self._letters)
            await self._control.open(operator_requests(self.ask) | about_letters)

    async def _close(self) -> None:
        if self._control is not None:
            await self._control.close()
        await self._deliverer.stop()
        await self._transport.stop()
        await self._functions.stop()
        await self._house.end()
        await self._charting.close()
        if self._alive_noted:
            with contextlib.suppress(LostLeaseError):  # the one that has taken over notes it
                await self._note_alive()
        await self._store.close()

    async def _turn(self) -> None:
        if self._transport.failure is not None:
            await self._lease.confirm()  # who has taken over the store has our client id too, and that is the reason
            raise UnavailableError(self._transport.failure)
        self._deliverer.check()
        self._backlog.watch()
        self._inbox.use_limits(self._engine.rules)
        work = await self._inbox.take(self._patience())
        now = self._clock.now()
        if self._time_may_pass(now):
            work.inputs.append(Tick())
        if work.inputs:
            await self._carry_through(work, now)
        if now >= self._alive_noted + ALIVE_EVERY * SECOND:
            await self._note_alive()
        if self._wanted is not None:
            await self._change_rules(*self._wanted)
        await self._house.turn(self._engine, self._sequence, now, busy=bool(work.inputs))

    def _patience(self) -> float:
        """Seconds until the engine wants to be woken, or the wait for the backlog's end is over."""
        wake_at = self._engine.wake_at if self._backlog.drained else self._backlog.deadline
        longest = min(self._house.patience, ALIVE_EVERY if self._engine.minds_stops else MAX_WAIT)
        if wake_at is None:
            return longest
        return min(max(0.0, (wake_at - self._clock.now()) / SECOND), longest)

    def _time_may_pass(self, now: int) -> bool:
        wake_at = self._engine.wake_at
        return self._backlog.drained and wake_at is not None and wake_at <= now

    def _arrived(self, batch: Sequence[tuple[Arrival, AckToken]]) -> None:
        """Called by the transport: telemetry goes to the inbox, our own marks are taken out."""
        passed = self._backlog.take_marks(batch)
        if passed is not None:
            self._inbox.at_end(passed)
        telemetry = [pair for pair in batch if pair[0].topic != self._backlog.topic]
        if telemetry:
            self._inbox.put_batch(telemetry, limited=self._backlog.drained)  # a backlog is no flood

    async def _carry_through(self, work: Work, now: int) -> None:
        """Decide and commit, again and again until it is durable; then let the consequences out."""
        pause = FIRST_PAUSE
        while True:
            started = perf_counter()
            entries = self._decide(work.inputs, now)
            self._inbox.learn(len(work.tokens), perf_counter() - started)
            try:
                if entries:
                    await self._store.commit(entries, self._engine.rules)
                    self._trouble.over()
                break
            except UnavailableError as error:
                self._trouble.found(error, "commit")
                pause = await self._pause(pause)
                if self._stop_asked.is_set():
                    raise
                self._deliverer.add(await self._recover())
        seconds = perf_counter() - started
        self._let_out(work, entries)
        if any(entry.decision.effects for entry in entries):
            await asyncio.sleep(0)  # effects leave first
        self._tell(entries, seconds)
        self._house.journaled(entry.value for entry in entries)

    def _decide(self, inputs: Sequence[Input], now: int) -> list[Entry]:
        entries = []
        for value in inputs:
            decision = self._engine.process(value, now, self._sequence + 1)
            self._loose.update(decision.counts)
            if decision.changed:
                self._sequence += 1
                decision.counts = dict(self._loose)  # with those of inputs that were not worth a journal row
                self._loose.clear()
                entries.append(Entry(self._sequence, now, value, decision))
        return entries

    def _let_out(self, work: Work, entries: Sequence[Entry]) -> None:
        """Acknowledge, deliver, answer: all of it after the commit."""
        self._transport.acknowledge(work.tokens)
        for entry in entries:
            self._deliverer.add(LedgerRow(effect, 0, 0) for effect in entry.decision.effects)
            if isinstance(entry.value, Receipt):
                _answer(work, entry.value.effect, entry.decision.ledger)
        _answer_asked(work, entries)

    def _tell(self, entries: Sequence[Entry], seconds: float) -> None:
        for entry in entries:
            self._charting.add(entry.decision.readings)
        for observer in self._observers:
            observer.committed(entries, seconds)

    async def _recover(self) -> Sequence[LedgerRow]:
        """Make the engine what the store says it is; wait for a store that can't be opened."""
        pause = FIRST_PAUSE
        while True:
            try:
                recovered = await self._store.open()
                break
            except UnavailableError as error:
                self._trouble.found(error, "open the store")
                pause = await self._pause(pause)
                if self._stop_asked.is_set():
                    raise
        self._engine = rebuild(recovered)
        self._sequence = recovered.sequence
        self._alive = recovered.alive
        self._house.begin(value for _, _, value in recovered.entries)
        log.info(
            "recovered",
            sequence=self._sequence,
            replayed=len(recovered.entries),
            undelivered=len(recovered.pending),
        )
        for observer in self._observers:
            observer.recovered(len(recovered.pending), self._engine.active_alerts())
        return recovered.pending

    async def _tell_of_stop(self) -> None:
        """Have the engine know how long nothing ran, if any of its rules minds."""
        stopped = self._alive
        if stopped and self._engine.minds_stops and stopped < self._clock.now():
            await self._carry_through(Work(inputs=[Started(stopped)]), self._clock.now())

    async def _note_alive(self) -> None:
        """Now and then, and at the end: a stop begins with the last note."""
        now = self._clock.now()
        self._alive_noted = now
        if self._engine.minds_stops:
            try:
                await self._store.note_alive(now)
            except UnavailableError as error:
                log.warning("not noted that the engine runs: a stop will seem longer", reason=str(error))

    async def _use_rules(self) -> None:
        if self._files is None:
            self._files = self._engine.files
            if not self._files.files:
                raise ConfigError("the rule files have problems, and the store has no rules to go on with")
        if self._engine.files != self._files:
            await self._carry_through(Work(inputs=[self._files]), self._clock.now())

    async def _change_rules(self, files: Reload, done: asyncio.Future[tuple[RuleSet, RuleSet]]) -> None:
        self._wanted = None
        self._files, before, filters = files, self._engine.rules, self._filters()
        await self._use_rules()
        if self._filters() != filters:
            try:
                await self._transport.resubscribe(self._filters())
            except UnavailableError as error:
                log.error("the broker refuses a subscription of the new rules", reason=str(error))
        if not done.done():
            done.set_result((before, self._engine.rules))

    def _filters(self) -> list[str]:
        rules = self._engine.rules
        filters = {stream.topic.filter for stream in rules.streams.values()} | {self._backlog.topic}
        if rules.commands is not None:
            filters.add(rules.commands.ack.filter)
        return sorted(filters)

    def _remembered(self, key: Key) -> Remembered:
        return self._engine.remembered(key)


def rebuild(recovered: Recovered) -> Engine:
    """The engine that the store remembers. StateError if what it remembers can't be."""
    engine = Engine()
    try:
        engine.restore(recovered.snapshot)
        for sequence, now, value in recovered.entries:
            engine.process(value, now, sequence)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise StateError(f"the store's snapshot or journal can't be used: {error!r}") from error
    return engine


def _answer(work: Work, effect: str, changes: Sequence[LedgerChange]) -> None:
    future = work.waiting.get(effect)
    if future is not None and not future.done():
        future.set_result(next((change for change in changes if change.effect == effect), None))


def _answer_asked(work: Work, entries: Sequence[Entry]) -> None:
    """Tell who asked what was decided. The input is found by its identity: two people may ask for the same."""
    decided = {id(entry.value): entry.decision for entry in entries}
    for value, future in work.asked:
        if not future.done():
            future.set_result(decided.get(id(value), Decision()))
