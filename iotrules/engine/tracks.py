"""What is known of one key of one stream: its event clock, its newest values, its windows, how often it reports."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low

import msgspec

from iotrules.engine.windows import SampleWindow, WindowState
from iotrules.model.decisions import Key
from iotrules.model.expression import Value
from iotrules.model.times import SECOND

GAPS_KEPT = 16
MAX_GAP_INTERVALS = 3
"""A silence longer than this many reporting intervals breaks a `for` and makes values stale."""


class Seen(msgspec.Struct, array_like=True):
    """Of one source (stream and all captures): what is needed to drop duplicates and late messages."""

    watermark: int | None = None
    wall: int = 0
    """Our clock when the newest message came, ns."""
    recent: dict[int, int] = {}
    """Digest of a message's identity → its event time; the oldest first."""


class TrackState(msgspec.Struct, array_like=True):
    """A track, as it is stored."""

    labels: dict[str, str]
    clock: int
    clock_wall: int
    values: dict[str, Value | None] = {}
    gaps: list[int] = []
    windows: dict[str, WindowState] = {}
    sampled: bool = False


class Track:
    """One (stream, by, key).

    `clock` is the event time of the newest sample and `clock_wall` our clock when it came: between samples the key's
    clock goes on with ours, so a device whose clock is behind, or a recording of years ago, is treated like any other.
    """

    __slots__ = ("by", "clock", "clock_wall", "gaps", "key", "labels", "sampled", "stream", "values", "windows")

    def __init__(self, stream: str, by: tuple[str, ...], key: Key, now: int) -> None:
        self.stream = stream
        self.by = by
        self.key = key
        self.labels = dict(key.labels)
        self.clock = 0
        self.clock_wall = now
        self.sampled = False
        self.values: Mapping[str, Value | None] = {}
        self.gaps: list[int] = []
        self.windows: dict[str, SampleWindow] = {}

    def clock_at(self, now: int) -> int:
        """The key's event time when our clock shows `now`; it never goes back."""
        return self.clock + max(0, now - self.clock_wall)

    def wall_of(self, event_time: int) -> int:
        """Our clock when the key's clock will show `event_time`."""
        return self.clock_wall + (event_time - self.clock)

    def sample(self, at: int, now: int, labels: dict[str, str], values: Mapping[str, Value | None]) -> None:
        """Take in a reading at event time `at` >= clock."""
        if self.sampled and at > self.clock:
            self.gaps.append(at - self.clock)
            del self.gaps[:-GAPS_KEPT]
        self.clock, self.clock_wall, self.sampled = at, now, True
        self.labels = labels
        self.values = values

    def interval(self, declared: int | None) -> int | None:
        """How often the key reports, ns: as declared, else the median of its last gaps, else None."""
        if declared is not None:
            return declared
        return median_low(self.gaps) if len(self.gaps) >= 2 else None

    def max_gap(self, declared: int | None) -> int | None:
        interval = self.interval(declared)
        return None if interval is None else max(MAX_GAP_INTERVALS * interval, SECOND)

    def state(self) -> TrackState:
        windows = {name: window.state() for name, window in self.windows.items()}
        return TrackState(
            self.labels, self.clock, self.clock_wall, dict(self.values), list(self.gaps), windows, self.sampled
        )

    def restore(self, state: TrackState) -> None:
        """Become what was stored; the windows are those that exist now."""
        self.labels, self.clock, self.clock_wall = state.labels, state.clock, state.clock_wall
        self.values, self.gaps, self.sampled = state.values, list(state.gaps), state.sampled
        for name, window in self.windows.items():
            if name in state.windows:
                self.windows[name] = SampleWindow(window.duration, state.windows[name])
