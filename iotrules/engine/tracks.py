"""What is known of one key of one stream: its event clock, its newest values, its windows, how often it reports."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from iotrules.engine.ballots import Ballots, BallotsState
from iotrules.engine.buffers import Buffer, Kept, new_buffer
from iotrules.engine.registry import NO_ATTRIBUTES, NOTHING_REMEMBERED
from iotrules.engine.samples import WindowState
from iotrules.model.decisions import Key
from iotrules.model.expression import Truth, Value
from iotrules.model.times import SECOND

if TYPE_CHECKING:
    from iotrules.engine.plan import TrackPlan
    from iotrules.engine.state import Remembered
    from iotrules.engine.ties import Joined

GAPS_KEPT = 16
MAX_GAP_INTERVALS = 3
"""A silence longer than this many reporting intervals breaks a `for` and makes values stale."""

NEVER = 2**63
"""Later than any time."""

TrackName = tuple[str, tuple[str, ...], Key]


class TrackState(msgspec.Struct, array_like=True):
    """A track, as it is stored."""

    labels: dict[str, str]
    clock: int
    clock_wall: int
    values: dict[str, Value | None] = {}
    gaps: list[int] = []
    windows: dict[str, WindowState] = {}
    sampled: bool = False
    revised: int = 0
    came: dict[str, int] = {}
    ballots: BallotsState | None = None


class Track:
    """One (stream, by, key).

    `clock` is the event time of the newest sample and `clock_wall` our clock when it came: between samples the key's
    clock goes on with ours, so a device whose clock is behind, or a recording of years ago, is treated like any other.

    `revised` is the event time at which attributes or persisted state changed after the newest sample (0: they did
    not): what was looked at before then is not looked at again with the new ones.

    `truths`, `restless`, `dues` and `due` say what need not be looked at: they follow from the rest and are not stored.
    """

    __slots__ = (
        "_timer",
        "_values",
        "aligned",
        "attributes",
        "ballots",
        "came",
        "clock",
        "clock_wall",
        "devices",
        "dirty",
        "due",
        "dues",
        "gaps",
        "groups",
        "key",
        "labels",
        "looked",
        "name",
        "patience",
        "plan",
        "ranked",
        "registered",
        "restless",
        "revised",
        "sampled",
        "silence",
        "truths",
        "unknown",
        "wake_at",
        "wakes",
        "windows",
    )  # fmt: skip

    def __init__(self, name: TrackName, plan: TrackPlan | None, now: int) -> None:
        self.name = name
        self.plan = plan
        self.key = name[2]
        self.labels: Mapping[str, str] = dict(self.key.labels)
        self.clock = 0
        self.clock_wall = now
        self.sampled = False
        self.dirty: object = None
        """The list of changes that it is in (`freezing.Touched`), if any."""
        self._values: Any = {}
        self.came: dict[str, int] = {}
        """Of a stream with `partial`, and of joined streams: the event time at which each field came last."""
        self.silence = 0
        """How long before the newest sample the one before it was, ns."""
        self.gaps: list[int] = []
        """The newest of those, where how often the key reports is not declared and matters."""
        self.ranked: list[int] = []
        """The same gaps, sorted."""
        self.windows: tuple[Kept, ...] = ()
        """In the order of the plan's buffers."""
        self.patience = -1
        """After a silence of that many ns, time alone may have changed something; -1: not worked out yet."""
        self.truths: tuple[Truth, ...] | None = None
        """Of the plan's conditions, when each rule last looked at them."""
        self.unknown = False
        """Is one of them unknown?"""
        self.restless: set[int] = set()
        """Rules, by index, that changed when they last looked: the same truths might change them again."""
        self.dues: dict[int, int] = {}
        """Rule index → the event time at which a hold of it is over."""
        self.due = NEVER
        self.attributes = NO_ATTRIBUTES
        self.registered = False
        self.revised = 0
        self.devices: Mapping[Key, Remembered] = {}
        questions = () if plan is None else plan.ties.questions
        self.ballots = Ballots(questions) if questions else None
        """Of a group: what its members said."""
        self.groups: tuple[tuple[Track, str, tuple[int, ...]], ...] | None = None
        """Of a member: each of its groups, what it is called there, and which of its votes go there, once looked up."""
        self.aligned = 0
        """How far the key's clock was ahead of ours when it was last worked out when to wake the engine for it."""
        self._timer: tuple[str, ...] | None = None
        self.wakes = False
        """Is the engine going to be woken for this track?"""
        self.wake_at = NEVER
        """What our clock shows then."""
        self.looked = 0
        """Up to which event time rules have looked as time passed; a sample may be measured before that."""

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """What `windows` keep."""
        return self.plan.buffers if self.plan else ()

    @property
    def values(self) -> Mapping[str, Value | None]:
        """The newest sample's values by field."""
        if not isinstance(self._values, dict):
            self._values = self.plan.values_of(self._values) if self.plan else {}
        found: dict[str, Value | None] = self._values
        return found

    def values_at(self, at: int) -> Mapping[str, Value | None]:
        """The values that are known at event time `at`: those kept from earlier messages only while they are fresh."""
        if not self.came or self.plan is None:
            return self.values
        if self.plan.ties.joined:
            return {name: value for one in self.plan.ties.joined for name, value in self._joined(one, at)}
        fresh, came = self.plan.fresh(self), self.came
        return {
            name: value if fresh is None or at - came.get(name, at) <= fresh else None
            for name, value in self.values.items()
        }

    def _joined(self, one: Joined, at: int) -> Iterator[tuple[str, Value | None]]:
        """What one of several streams that are joined has said, as far as it is fresh."""
        for name in one.names & self.came.keys():
            if one.fresh is None or at - self.came[name] <= one.fresh:
                yield name, self.values.get(name)

    @property
    def own_values(self) -> Mapping[str, Value | None]:
        """The values that the newest sample itself brought."""
        if not self.came:
            return self.values
        return {name: value for name, value in self.values.items() if self.came.get(name) == self.clock}

    def remembered(self) -> Mapping[str, Any]:
        """What functions persisted for the key, now."""
        found = self.devices.get(self.key)
        return NOTHING_REMEMBERED if found is None else found.body

    @property
    def goes_stale(self) -> bool:
        """Does what is known of several members or streams change as time passes?"""
        return self.ballots is not None or (self.plan is not None and bool(self.plan.ties.joined))

    def next_stale(self, after: int) -> int | None:
        """The first event time later than `after` at which an answer or a joined value is not fresh any more."""
        if self.ballots is not None:
            return self.ballots.next_stale(after)
        joined = self.plan.ties.joined if self.plan else ()
        ends = [
            self.came[name] + one.fresh + 1
            for one in joined
            if one.fresh is not None
            for name in one.names & self.came.keys()
        ]
        return min((end for end in ends if end > after), default=None)

    @property
    def timer(self) -> tuple[str, ...]:
        """What the engine's timer for this track is called."""
        if self._timer is None:
            stream, by, key = self.name
            self._timer = ("track", stream, " ".join(by), key.text)
        return self._timer

    def clock_at(self, now: int) -> int:
        """The key's event time when our clock shows `now`; it never goes back."""
        return self.clock + max(0, now - self.clock_wall)

    def wall_of(self, event_time: int) -> int:
        """Our clock when the key's clock will show `event_time`."""
        return self.clock_wall + (event_time - self.clock)

    def sample(self, at: int, wall: int, labels: Mapping[str, str], values: Any) -> None:
        """Take in a reading at event time `at` >= clock; `wall` is our clock when the key's clock shows `at`."""
        self.silence = at - self.clock if self.sampled else 0
        if self.silence and self.plan is not None and self.plan.gap_factors:
            self.note_gap(self.silence)
        self.clock, self.clock_wall, self.sampled, self.revised = at, wall, True, 0
        self.labels = labels
        self._values = values

    def merge(self, at: int, values: Mapping[str, Value | None]) -> dict[str, Value | None]:
        """The values after a sample that brings some of the fields; the others keep what they had."""
        merged = {**self.values, **values}
        self.came.update(dict.fromkeys(values, at))
        return merged

    def note_gap(self, gap: int) -> None:
        """Keep up how far apart samples are."""
        self.gaps.append(gap)
        insort(self.ranked, gap)
        if len(self.gaps) > GAPS_KEPT:
            del self.ranked[bisect_left(self.ranked, self.gaps.pop(0))]

    def interval(self, declared: int | None) -> int | None:
        """How often the key reports, ns: as declared, else the median of its last gaps, else None."""
        if declared is not None:
            return declared
        return self.ranked[(len(self.ranked) - 1) // 2] if len(self.ranked) >= 2 else None

    def max_gap(self, declared: int | None) -> int | None:
        """The longest silence that breaks nothing; none of a group, whose members go stale one by one."""
        interval = self.interval(declared)
        return None if interval is None or self.ballots is not None else max(MAX_GAP_INTERVALS * interval, SECOND)

    def forget_looks(self) -> None:
        """Have every rule look again at the next sample."""
        self.truths, self.patience = None, -1
        self.dues.clear()
        self.due = NEVER

    def state(self) -> TrackState:
        windows = {buffer.name: kept.state() for buffer, kept in zip(self.buffers, self.windows, strict=True)}
        return TrackState(
            dict(self.labels), self.clock, self.clock_wall, dict(self.values), list(self.gaps), windows, self.sampled,
            self.revised, dict(self.came), None if self.ballots is None else self.ballots.state(),
        )  # fmt: skip

    def restore(self, state: TrackState) -> None:
        """Become what was stored; the windows are those of the plan."""
        self.labels, self.clock, self.clock_wall = state.labels, state.clock, state.clock_wall
        self._values, self.gaps, self.sampled = state.values, list(state.gaps), state.sampled
        self.came = dict(state.came)
        self.revised, self.ranked = state.revised, sorted(self.gaps)
        if self.ballots is not None and state.ballots is not None:
            self.ballots.restore(state.ballots)
        self.windows = tuple(new_buffer(buffer, state.windows.get(buffer.name)) for buffer in self.buffers)
