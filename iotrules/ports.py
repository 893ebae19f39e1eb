"""What the runtime asks of the world: Protocols that the adapters implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from iotrules.model.decisions import ActiveAlert, Decision, Effect, Reading
from iotrules.model.inputs import Arrival, FunctionUsage, Input, Letter
from iotrules.model.rules import RuleSet


class Clock(Protocol):
    """Where time comes from; it is never read anywhere else."""

    def now(self) -> int:
        """Wall clock, ns since the Unix epoch."""
        ...


AckToken = object
"""Opaque: what a transport needs to acknowledge one message."""

OnBatch = Callable[[Sequence[tuple[Arrival, AckToken]]], None]
"""Takes everything a transport has read, once per read, on the event loop's thread."""


class Transport(Protocol):
    """A connection to a broker: at least once in both directions, acknowledged by hand."""

    @property
    def connected(self) -> bool: ...

    @property
    def failure(self) -> str | None:
        """Why this transport has given up for good (another client took its id), or None."""
        ...

    @property
    def generation(self) -> int:
        """How many times a connection was made; with each, the broker resends what was not acknowledged."""
        ...

    async def start(self, filters: Sequence[str], on_batch: OnBatch, dropped: Sequence[str] = ()) -> None:
        """Connect (retrying for ever in the background after the first success), subscribe, and begin to hand over.

        `dropped` are filters of an earlier run that a persistent session must not go on with.

        Raises UnavailableError if the broker can't be reached or refuses us at first.
        """
        ...

    async def resubscribe(self, filters: Sequence[str]) -> None:
        """Have exactly these filters from now on, also after a reconnection; what was queued may still come.

        While there is no connection they wait for the next one. UnavailableError: the broker refuses them now.
        """
        ...

    def acknowledge(self, tokens: Sequence[AckToken]) -> None:
        """Tell the broker that these messages are ours now. Tokens of an earlier connection are ignored: it resends."""
        ...

    async def publish(self, topic: str, payload: bytes, *, expires_in: float | None = None) -> None:
        """Publish at QoS 1, not retained; returns when the broker has it. UnavailableError if it doesn't take it."""
        ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What one attempt to run a function gave: an answer (JSON bytes), or an error in Lambda's words."""

    answer: bytes | None
    error_type: str
    error_message: str
    usage: FunctionUsage


class Functions(Protocol):
    """Runs handlers. An attempt never raises for what the handler did: that is in the result."""

    async def start(self) -> None: ...

    def names(self) -> frozenset[str]:
        """The functions that can be invoked."""
        ...

    async def invoke(self, function: str, event: bytes, request_id: str) -> FunctionResult:
        """Run `function` once on `event` (JSON). KeyError for an unknown function."""
        ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An effect that has not been delivered yet."""

    effect: Effect
    attempts: int
    next_try: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One input with what it caused, to be committed."""

    sequence: int
    now: int
    value: Input
    decision: Decision


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a store held: the last complete snapshot, and the journal after it, oldest first."""

    snapshot: dict[str, bytes]
    entries: Sequence[tuple[int, int, Input]]
    """(sequence, now, input)"""
    sequence: int
    """The last sequence in the journal; 0 for a new store."""
    pending: Sequence[LedgerRow]
    alive: int | None = None
    """When an engine was last known to run on this store, ns; None for a new store."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a slice of a store's own work did: is there more at once, and how many rows are over, by table."""

    more: bool
    expired: Mapping[str, int]


NOTHING_TIDIED = Tidied(False, {})


class Store(Protocol):
    """The durable side: a journal, the views that people read, the ledger, snapshots."""

    async def open(self) -> Recovered:
        """Open or create. StateError: damaged, or of a newer version. UnavailableError: full, read-only, locked."""
        ...

    async def commit(self, entries: Sequence[Entry], rules: RuleSet) -> None:
        """One transaction: the inputs and everything they caused; `rules` are those in use after them.

        UnavailableError leaves the store as it was.
        """
        ...

    async def note_alive(self, now: int) -> None:
        """Remember that the engine runs at `now` (ns), where nothing is committed that says so. UnavailableError."""
        ...

    async def snapshot(self, sequence: int, parts: Mapping[str, bytes | None], *, complete: bool = True) -> None:
        """Parts of the engine's state that changed since the last snapshot, as of `sequence` (None: gone).

        They may come in slices, all of the same sequence: only with the complete one does the snapshot count.
        UnavailableError: this slice is not written, and may be handed in again.
        """
        ...

    async def tidy(self, now: int) -> Tidied:
        """A short slice of what the store does for itself: dropping what is over, checkpoints. UnavailableError."""
        ...

    async def close(self) -> None: ...


class Lease(Protocol):
    """The right to be the one engine that acts on a store. The store itself refuses commits of who has lost it."""

    def valid(self) -> bool:
        """Is it certain, at this moment and without asking anybody, that no other engine is active?"""
        ...

    async def confirm(self) -> None:
        """Return once that is certain: at once, but for after a pause. LostLeaseError: another engine is active."""
        ...


class Alone:
    """The lease of an engine that can have no rival: in tests, and over stores of one process only."""

    def valid(self) -> bool:
        return True

    async def confirm(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters: those numbered so, or (None) any; of this reason and topic, where "" is any.

    In `topic` a `*` is any text. Only numbers above `after` and up to `upto` count; None: up to the newest.
    """

    numbers: tuple[int, ...] | None = None
    reason: str = ""
    topic: str = ""
    since: int = 0
    """Received at or after this instant, ns."""
    after: int = 0
    upto: int | None = None


class Letters(Protocol):
    """Dead letters as they are kept, read while the engine runs."""

    async def choose(self, chosen: Chosen, most: int, most_bytes: int) -> Sequence[Letter]:
        """At most so many, and so many bytes, but one if there is one; by number. UnavailableError, StateError."""
        ...

    async def newest(self) -> int:
        """The highest number in use; 0 if there is none."""
        ...


class History(Protocol):
    """A bounded store of decoded telemetry, for charts. Losing some of it loses no decision."""

    async def append(self, readings: Sequence[Reading]) -> None:
        """UnavailableError: these are not kept; later ones may be."""
        ...

    async def close(self) -> None: ...


class Observer(Protocol):
    """Told of every committed decision, once, in order, off the path to durability (metrics, logs)."""

    def recovered(self, undelivered: int, alerts: Sequence[ActiveAlert]) -> None:
        """The engine is as the store says: so many effects wait in the ledger, and these alerts are active."""
        ...

    def committed(self, entries: Sequence[Entry], seconds: float) -> None:
        """`seconds`: how long deciding and committing took."""
        ...
