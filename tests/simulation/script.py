"""What happens in a run, written down before it begins: one seed, one script.

House rule: all chance is in the script. An event that is left out changes no other: a script can be cut down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

LONG = 240.0
"""Virtual seconds in which faults happen; after them all is well, until everything must have settled."""

DEVICES = 3
INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something at an instant, virtual seconds after the start."""

    at: float


@dataclass(frozen=True, slots=True)
class Send(Event):
    """A device measures, and sends.

    `lost`: the broker hears it the second time only; `unheard`: the device does not hear that it did, and sends again;
    `delay`: how long it is under way, so that others overtake it.
    """

    device: int
    boot: int
    seq: int
    temp: int
    fate: Literal["", "lost", "unheard", "twice", "garbled"] = ""
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Offline(Event):
    """A device has no connection: commands wait at the broker, telemetry in the device."""

    device: int
    secs: float


@dataclass(frozen=True, slots=True)
class Cut(Event):
    """The engine has no connection to the broker; at 0 s it comes back at once."""

    secs: float


@dataclass(frozen=True, slots=True)
class Slow(Event):
    """What the broker sends the engine is so long under way."""

    secs: float
    by: float


@dataclass(frozen=True, slots=True)
class AckLoss(Event):
    """The engine's acknowledgements don't reach the broker; then the connection ends, and all is sent again."""

    secs: float


@dataclass(frozen=True, slots=True)
class PublishLoss(Event):
    """What the engine publishes is not taken, or is taken and the engine is not told."""

    secs: float
    taken: bool


@dataclass(frozen=True, slots=True)
class Crash(Event):
    """The engine ends at a disk operation, the `ops`-th from then on. `power`: what was not synced is lost or torn."""

    kind: Literal["kill", "power"]
    ops: int
    down: float
    chance: int


Point: TypeAlias = Literal[
    "before commit",
    "after commit",
    "after acknowledging",
    "after publishing",
    "before snapshot",
    "after snapshot",
    "before tidying",
]
POINTS: tuple[Point, ...] = (
    "before commit", "after commit", "after acknowledging", "after publishing", "before snapshot", "after snapshot",
    "before tidying",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CrashAt(Event):
    """The engine ends at a point of its work, the `nth` time that it comes to one from then on.

    `ops`: not there, but at the disk operation that is so many after it.
    """

    point: Point
    nth: int
    ops: int
    kind: Literal["kill", "power"]
    down: float
    chance: int


@dataclass(frozen=True, slots=True)
class Stop(Event):
    """Somebody stops the engine, and starts it again."""

    down: float


@dataclass(frozen=True, slots=True)
class DiskFull(Event):
    secs: float


@dataclass(frozen=True, slots=True)
class DiskFails(Event):
    """One operation of the disk ends with EIO."""

    operation: Literal["write", "sync", "read"]
    nth: int


File: TypeAlias = Literal["store.db", "store.db-wal", "store.db.head", "store.db.pages"]


@dataclass(frozen=True, slots=True)
class BitFlip(Event):
    """The engine is killed, and a bit of its files is another when it starts again. Found, somebody restores a copy."""

    file: File
    chance: int
    down: float


@dataclass(frozen=True, slots=True)
class ClockJump(Event):
    """Somebody sets the engine's clock."""

    by: float


@dataclass(frozen=True, slots=True)
class NewRules(Event):
    """Other rule files are put in use, while the engine runs."""

    version: int


FLIPPED: tuple[File, ...] = ("store.db", "store.db-wal", "store.db.head", "store.db.pages")
"""In which files the seeds flip bits."""


@dataclass(frozen=True, slots=True)
class Script:
    """One run. `snapshot_every` in journal rows; `lasts`: virtual seconds until no more faults happen.

    `settles`: virtual seconds after that in which all must come to rest.
    """

    seed: int
    snapshot_every: int
    receive_maximum: int
    events: tuple[Event, ...]
    lasts: float = LONG
    settles: float = 120.0


Maker: TypeAlias = Callable[[Random, float], Event]

_FATES: tuple[Literal["", "lost", "unheard", "twice", "garbled"], ...] = ("lost", "unheard", "twice", "garbled")
_LEVELS = (60, 66, 74, 82, 88, 92, 97)


def script_of(seed: int) -> Script:
    """The script of a seed: a fleet that measures, and some of everything that may go wrong."""
    chance = Random(seed)
    events: list[Event] = [event for device in range(DEVICES) for event in _measurements(chance, device)]
    weights = [chance.choice((0, 1, 1, 3)) for _ in _MAKERS]
    for _ in range(chance.randrange(2, 14)):
        make = chance.choices(_MAKERS, weights if any(weights) else None)[0]
        events.append(make(chance, round(chance.uniform(1, LONG), 1)))
    events.sort(key=lambda event: event.at)
    return Script(seed, chance.choice((3, 10, 40)), chance.choice((5, 20, 1000)), tuple(events))


def _measurements(chance: Random, device: int) -> list[Event]:
    """A device's reports: a temperature that wanders, sometimes a reboot, sometimes a bad connection."""
    bad, at, boot, seq, level = chance.choice((0.0, 0.05, 0.4)), chance.uniform(0.5, INTERVAL), 0, 0, 0
    found: list[Event] = []
    while at < LONG:
        seq += 1
        if chance.random() < 0.02:
            boot, seq = boot + 1, 1
        level = max(0, min(len(_LEVELS) - 1, level + chance.choice((-2, -1, 0, 1, 2))))
        fate = chance.choice(_FATES) if chance.random() < bad else ""
        delay = round(chance.uniform(0.1, 25), 1) if chance.random() < bad else 0.0
        found.append(Send(round(at, 1), device, boot, seq, _LEVELS[level], fate, delay))
        at += INTERVAL if chance.random() < 0.9 else chance.uniform(0.1, 40)
    return found


def _kind(chance: Random) -> Literal["kill", "power"]:
    return chance.choice(("kill", "power"))


def _secs(chance: Random, longest: float) -> float:
    return round(chance.uniform(0, longest), 1)


_MAKERS: tuple[Maker, ...] = (
    lambda chance, at: Crash(at, _kind(chance), chance.randrange(1, 60), _secs(chance, 20), chance.getrandbits(32)),
    lambda chance, at: CrashAt(
        at,
        chance.choice(POINTS),
        chance.randrange(1, 4),
        chance.choice((0, 0, chance.randrange(1, 25))),
        _kind(chance),
        _secs(chance, 20),
        chance.getrandbits(32),
    ),
    lambda chance, at: Stop(at, _secs(chance, 30)),
    lambda chance, at: Cut(at, chance.choice((0.0, _secs(chance, 30)))),
    lambda chance, at: AckLoss(at, _secs(chance, 20)),
    lambda chance, at: PublishLoss(at, _secs(chance, 45), chance.random() < 0.5),
    lambda chance, at: Slow(at, _secs(chance, 30), _secs(chance, 5)),
    lambda chance, at: Offline(at, chance.randrange(DEVICES), _secs(chance, 60)),
    lambda chance, at: DiskFull(at, _secs(chance, 30)),
    lambda chance, at: DiskFails(at, chance.choice(("write", "sync", "read")), chance.randrange(1, 20)),
    lambda chance, at: BitFlip(at, chance.choice(FLIPPED), chance.getrandbits(32), _secs(chance, 5)),
    lambda chance, at: ClockJump(at, chance.choice((-3600.0, -30.0, 30.0, 3600.0))),
    lambda chance, at: NewRules(at, chance.randrange(3)),
)
