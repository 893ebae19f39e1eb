"""What can go wrong with a device: faults as values with a beginning and an end.

Instants are ns since the start of the run. The faults are also the ground truth to score detections by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

SignalName: TypeAlias = Literal["temp", "pressure", "vibration", "rpm"]


@dataclass(frozen=True, slots=True)
class Overheat:
    """While it runs, the machine heats towards `to` °C. Stopping and restarting doesn't cure it."""

    to: float
    kind: Literal["overheat"] = "overheat"


@dataclass(frozen=True, slots=True)
class PressureLeak:
    """Pressure falls by `rate` bar per second."""

    rate: float
    kind: Literal["pressure_leak"] = "pressure_leak"


@dataclass(frozen=True, slots=True)
class Offline:
    """The device has no network: it sends nothing; commands reach it when it is back."""

    kind: Literal["offline"] = "offline"


@dataclass(frozen=True, slots=True)
class Stuck:
    """The sensor repeats the first value that it read."""

    signal: SignalName
    kind: Literal["stuck"] = "stuck"


@dataclass(frozen=True, slots=True)
class Spike:
    """The sensor reads `by` too much."""

    signal: SignalName
    by: float
    kind: Literal["spike"] = "spike"


@dataclass(frozen=True, slots=True)
class BadPayload:
    """Once every `every` ns, a message can't be decoded."""

    every: int
    kind: Literal["bad_payload"] = "bad_payload"


@dataclass(frozen=True, slots=True)
class Jammed:
    """The actuator doesn't move: commands fail."""

    kind: Literal["jammed"] = "jammed"


Cause: TypeAlias = Overheat | PressureLeak | Offline | Stuck | Spike | BadPayload | Jammed


@dataclass(frozen=True, slots=True)
class Fault:
    """A cause in force in [onset, end); `end` None: until the end of the run. ns since the start."""

    device: str
    cause: Cause
    onset: int
    end: int | None

    def active(self, at: int) -> bool:
        return self.onset <= at and (self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Label:
    """One line of ground truth; ms since the Unix epoch. `end_ms` None: it does not end by itself."""

    device: str
    kind: str
    onset_ms: int
    end_ms: int | None


def active(faults: Iterable[Fault], at: int) -> list[Cause]:
    """The causes in force at an instant, in the order of the file."""
    return [fault.cause for fault in faults if fault.active(at)]


def edges(faults: Iterable[Fault], after: int, until: int) -> list[int]:
    """The instants in (after, until) at which something begins or ends, in order: physics stops at them."""
    instants = {edge for fault in faults for edge in (fault.onset, fault.end) if edge is not None}
    return sorted(edge for edge in instants if after < edge < until)


def label(fault: Fault, start: int) -> Label:
    """The ground truth of a fault in a run that started at `start`, ns since the Unix epoch."""
    end = None if fault.end is None else (start + fault.end) // 1_000_000
    return Label(fault.device, fault.cause.kind, (start + fault.onset) // 1_000_000, end)
