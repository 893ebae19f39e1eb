"""Samples that wait for older ones, and the watermark of their source: before it, all has been decided on.

House rule: whatever the order of arrival within `late`, the same samples leave in the same order, and the clock of no
key that takes them is ahead of the watermark. Silence moves it too, by our clock; what is newer than all before is
never late, so that a device that was cut off may deliver its backlog.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from iotrules.engine.sources import Held, Source

MAX_HELD = 1024
"""Samples of one source that wait; with more the oldest is decided on early, and counted."""


def clock_at(source: Source, now: int) -> int | None:
    """The source's own time when our clock shows `now`: that of its newest message, and what has passed since."""
    return None if source.watermark is None else source.watermark + max(0, now - source.wall)


def decided_before(source: Source, late: int, now: int) -> int:
    """The watermark: the event time before which nothing is waited for when our clock shows `now`."""
    clock = clock_at(source, now)
    return source.passed if clock is None else max(source.passed, clock - late)


def is_late(source: Source, at: int, late: int, now: int) -> bool:
    """Is a sample of event time `at` older than the watermark?"""
    newest = source.watermark
    return newest is not None and at < newest and at < decided_before(source, late, now)


def move_on(source: Source, at: int, received: int, late: int, now: int) -> None:
    """Let the source's clock go by a message that is not late. All before the watermark must have left."""
    newest = source.watermark
    if newest is not None and at < newest:
        return
    passed = decided_before(source, late, now)
    if newest is not None and at < passed:  # silence was taken for time: the device delivers what it could not send
        passed = max(newest, at - late)
    source.watermark, source.wall = at, received
    if late:
        source.passed = passed


def wait(source: Source, sample: Held) -> Held | None:
    """Have a sample wait in its place; the one that has to leave early, if they are too many."""
    insort(source.held, sample, key=_place)
    if len(source.held) <= MAX_HELD:
        return None
    oldest = source.held.pop(0)
    source.passed = max(source.passed, oldest.at)
    return oldest


def leaving(source: Source, before: int) -> list[Held]:
    """Take out the samples of event times earlier than `before`, in order."""
    count = bisect_left(source.held, before, key=lambda sample: sample.at)
    found = source.held[:count]
    del source.held[:count]
    return found


def next_leaves(source: Source, late: int) -> int | None:
    """Our clock when the watermark will have passed the oldest sample that waits, if no message comes before."""
    return passes(source, source.held[0].at, late) + 1 if source.held else None


def passes(source: Source, at: int, late: int) -> int:
    """Our clock when the watermark will show event time `at`, or did, as the newest message has it."""
    return source.wall + late + at - (source.watermark or 0)


def _place(sample: Held) -> tuple[int, int, int]:
    """At the same event time the device's count decides, then the content: not the order in which they came."""
    return sample.at, sample.number, sample.digest
