"""Putting a sample into the windows of a key."""

from __future__ import annotations

from collections.abc import Callable

from iotrules.engine.buffers import Buffer, Kept
from iotrules.engine.evaluate import Scope, evaluate
from iotrules.engine.folds import fold
from iotrules.engine.moment import Moment
from iotrules.engine.tracks import Track
from iotrules.model.expression import Value


def fill_windows(track: Track, scope: Scope, moment: Moment, takes: Callable[[Buffer], bool] = lambda _: True) -> None:
    """Have each window that `takes` the newest sample keep what it looks at."""
    for place, (buffer, window) in enumerate(zip(track.buffers, track.windows, strict=True)):
        if buffer.keep and takes(buffer):
            value = evaluate(buffer.argument, scope)
            if buffer.apart:
                value = moment.apart(track, buffer.name, value, moment)
            _keep(buffer, window, track.clock, value, moment)
            _note_faults(place, track, scope, moment)


def _note_faults(place: int, track: Track, scope: Scope, moment: Moment) -> None:
    """What can't be worked out is missing in the window, and a fault of every rule that looks through it."""
    plan = track.plan
    if plan is None or not scope.faults:
        return
    asked = [moment.state.plan.tracks[link.name, link.by] for link in plan.ties.links]
    rules = plan.users_of(place) or [compiled.rule.name for one in asked for compiled in one.rules]
    for fault in scope.faults:
        for rule in rules:
            moment.decision.fault(rule, track.key, fault, moment.now)
    scope.faults.clear()


def _keep(buffer: Buffer, window: Kept, at: int, value: Value | None, moment: Moment) -> None:
    if value is None:
        window.skip()
        return
    kept = fold(buffer.fold, window.newest, at, value, buffer.span)
    if not window.add(at, kept, buffer.keep):
        moment.decision.count("window_overflow", buffer.name)
