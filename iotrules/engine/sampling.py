"""One sample, taken in by the track of one way of keying: its time passes up to it, then windows and values are new."""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.engine.evaluate import Scope
from iotrules.engine.filling import fill_windows
from iotrules.engine.moment import Moment
from iotrules.engine.plan import TrackPlan
from iotrules.engine.sources import Held
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.model.decisions import Key


def track_of(state: State, plan: TrackPlan, labels: Mapping[str, str], now: int) -> Track:
    """The track that samples with these captures go to."""
    key = Key(tuple((name, labels[name]) for name in plan.by))
    return state.track((plan.stream.name, plan.by, key), now)


def bring_up(plan: TrackPlan, labels: Mapping[str, str], at: int, moment: Moment) -> Track:
    """The track, with its time passed up to a sample at event time `at`."""
    track = track_of(moment.state, plan, labels, moment.now)
    if track.sampled:
        moment.catch_up(track, max(at, track.clock) - 1, moment)
    return track


def take_sample(track: Track, labels: Mapping[str, str], sample: Held, wall: int, moment: Moment) -> None:
    """One sample for a key; its rules are to look at it then. `wall`: our clock when the key's shows its time."""
    plan, values = track.plan, sample.values
    if plan is None:
        return
    at = max(sample.at, track.clock) if track.sampled else sample.at
    moment.state.mark(("track", track.name))
    track.sample(at, wall, labels, track.merge(at, values) if plan.stream.partial else values)
    scope = Scope(values, labels, lambda _: None, track.attributes, track.remembered)
    fill_windows(track, scope, moment)
    plan.count_evaluations(moment.decision, 1)
