"""What is known of one source, a topic of a stream: its clock, and which of its messages it has sent before.

House rule: whether a message is new depends on what was taken in, never on how it was decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from iotrules.engine.tracks import Track
from iotrules.model.decisions import Key, Origin
from iotrules.model.expression import Value

REMEMBERED = 1024
"""Numbers behind a counter's highest that are known to have come or not. Source: RFC 6479, anti-replay windows."""

RECENT_TIMED = 64
RECENT_UNTIMED = 1024
"""Digests kept per source: a message older than the newest is late anyway, unless its own time could not be used."""

LARGEST_NUMBER = 2**62
"""An id that ends in a whole number below this is counted, not digested."""

KEPT_WHOLE = 1024
"""Bytes of a newest message that is kept as it is until somebody asks for its digest; of larger ones the digest is."""

ALL_CAME = (1 << REMEMBERED) - 1
_NEVER_LATE = 2**62
NOTHING_PASSED = -(2**63)
"""The watermark of a source of which nothing has come; msgpack has no number below."""

SourceName = tuple[str, tuple[str, ...]]
"""The stream, and the values of its topic's captures."""

Head = tuple[str | int, ...]


class Counted(NamedTuple):
    """An identity that ends in a counter: `[boot, seq]`."""

    head: Head
    number: int


Identity = Counted | int | None
"""A counter behind its head, a digest, or nothing that tells the message from another."""


class SourceState(msgspec.Struct, array_like=True):
    """A source, as it is stored."""

    watermark: int | None = None
    wall: int = 0
    recent: dict[int, int] = {}
    head: list[str | int] = []
    top: int = -1
    came: bytes = b""
    before: tuple[list[str | int], int, bytes] | None = None
    held: list[Held] = []
    passed: int = NOTHING_PASSED
    ahead: int = 0
    skews: int = 0
    holes: list[Hole] = []
    missing: int = 0
    missed: int = 0
    shed: bool = False


class Hole(msgspec.Struct, array_like=True, frozen=True):
    """Numbers `first` to `last` of the count have not come; they are waited for until our clock shows `due`."""

    first: int
    last: int
    due: int


class Held(msgspec.Struct, array_like=True, frozen=True):
    """A sample that waits for older ones.

    Its event time, number in the device's count, digest of its content, when it came, its values.
    """

    at: int
    number: int
    digest: int
    received: int
    values: dict[str, Value | None]


class Source:
    """One topic. `watermark` is the event time of its newest message, `wall` our clock when that came (both ns)."""

    __slots__ = (
        "ahead", "before", "came", "dirty", "head", "held", "holes", "key", "labels", "last", "missed", "missing",
        "name", "origin", "passed", "recent", "shed", "skews", "take", "top", "tracks", "untyped_origin", "wall",
        "watermark",
    )  # fmt: skip

    def __init__(self, name: SourceName, labels: Mapping[str, str], values_of: Callable[[Any], dict[str, Any]]) -> None:
        self.name = name
        self.labels = dict(labels)
        self.key = Key(tuple(labels.items()))
        self.origin: Origin = (name[0], self.key, values_of)
        self.untyped_origin: Origin = (name[0], self.key, values_as_they_are)
        self.tracks: tuple[Track, ...] = ()
        self.take: Callable[..., bool] | None = None
        """The generated function that takes in an ordinary message, if the stream has one."""
        self.dirty: object = None
        """The list of changes that it is in (`freezing.Touched`), if any."""
        self.watermark: int | None = None
        self.wall = 0
        self.recent: dict[int, int] = {}
        """Digest of a message's identity → its event time; the oldest first."""
        self.last: bytes | None = None
        """The newest message, where its content at its time is its identity and nobody has asked for the digest."""
        self.head: Head = ()
        self.top = -1
        self.came = 0
        """Bit n: has the number n below `top` come?"""
        self.before: tuple[Head, int, int] | None = None
        """Head, top and bits of the counter before the device began a new one."""
        self.held: list[Held] = []
        """Samples that wait for older ones, in the order in which they will leave."""
        self.passed = NOTHING_PASSED
        """What the watermark of a stream with `late` has reached, when the clock below it was last set."""
        self.ahead = 0
        """How far ahead of ours its clock was found, ns; 0 while it is believed."""
        self.skews = 0
        """The newest episode of that."""
        self.holes: list[Hole] = []
        """What its count lacks and may still come, in the order in which that was seen."""
        self.missing = 0
        """How many messages never came, and `missed`: when that was last found (our clock, ns)."""
        self.missed = 0
        self.shed = False
        """Were messages shed since the newest one? Then a hole in its count is no wonder."""

    def state(self, digest: Callable[[int, bytes], int]) -> SourceState:
        self.settle_last(digest)
        before = None if self.before is None else (list(self.before[0]), self.before[1], _packed(self.before[2]))
        return SourceState(
            self.watermark, self.wall, dict(self.recent), list(self.head), self.top, _packed(self.came), before,
            list(self.held), self.passed, self.ahead, self.skews, list(self.holes), self.missing, self.missed,
            self.shed,
        )  # fmt: skip

    def restore(self, state: SourceState) -> None:
        self.watermark, self.wall, self.recent = state.watermark, state.wall, dict(state.recent)
        self.head, self.top, self.came = tuple(state.head), state.top, int.from_bytes(state.came, "big")
        self.held, self.passed = list(state.held), state.passed
        self.ahead, self.skews = state.ahead, state.skews
        self.holes, self.missing, self.missed, self.shed = list(state.holes), state.missing, state.missed, state.shed
        if state.before is not None:
            head, top, came = state.before
            self.before = (tuple(head), top, int.from_bytes(came, "big"))

    def has(self, identity: Identity) -> bool:
        """Did this message come before, as far as that is remembered?"""
        if isinstance(identity, Counted):
            current = (self.head, self.top, self.came)
            return any(_came(*known, identity) for known in (current, self.before) if known is not None)
        return identity is not None and identity in self.recent

    def remember(self, identity: Identity, at: int, *, timed: bool, late: int = 0) -> None:
        """Keep the identity of a message taken in at event time `at`; `timed`: that was its own.

        A message may be as much as `late` ns older than the newest.
        """
        if isinstance(identity, Counted):
            self._count(identity)
        elif identity is not None:
            self.recent[identity] = at if timed else _NEVER_LATE
            self._forget(at - late)

    def settle_last(self, digest: Callable[[int, bytes], int]) -> None:
        """Bring the newest message's digest among the others."""
        if self.last is not None and self.watermark is not None:
            self.recent[digest(self.watermark, self.last)] = self.watermark
            self._forget(self.watermark)
        self.last = None

    def _count(self, identity: Counted) -> None:
        head, number = identity
        ahead = number - self.top
        if head != self.head or -ahead >= REMEMBERED:
            if self.top >= 0:
                self.before = (self.head, self.top, self.came)
            self.head, self.top, self.came = head, number, 1
        elif ahead > 0:
            self.top, self.came = number, (self.came << min(ahead, REMEMBERED) | 1) & ALL_CAME
        else:
            self.came |= 1 << -ahead

    def _forget(self, watermark: int) -> None:
        """Let go of digests, oldest first: those that lateness covers beyond the few, any beyond the many."""
        recent = self.recent
        while len(recent) > RECENT_TIMED:
            oldest = next(iter(recent))
            if recent[oldest] >= watermark and len(recent) <= RECENT_UNTIMED:
                return
            del recent[oldest]


def _came(head: Head, top: int, came: int, identity: Counted) -> bool:
    behind = top - identity.number
    return head == identity.head and 0 <= behind < REMEMBERED and bool(came >> behind & 1)


def _packed(bits: int) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "big")


def values_as_they_are(values: dict[str, Value | None]) -> dict[str, Value | None]:
    """For a reading that was decoded one value at a time."""
    return values
