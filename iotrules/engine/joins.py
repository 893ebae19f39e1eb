"""Streams that are joined: a key's newest values of each of them, looked at whenever one of them has a message.

The joined key's clock is the newest event time of any of its messages. A value counts from when it came by that clock.
House rule: a window takes a sample at the messages of the streams that it reads, not at those of the others.
"""

from __future__ import annotations

from iotrules.engine.evaluate import Scope
from iotrules.engine.filling import fill_windows
from iotrules.engine.moment import Moment, Sampled, Truths
from iotrules.engine.plan import TrackPlan
from iotrules.engine.sources import Held, Source
from iotrules.engine.ties import Joined
from iotrules.engine.tracks import Track
from iotrules.model.decisions import Key
from iotrules.model.expression import fields


def sample_joined(source: Source, sample: Held, wall: int, moment: Moment) -> Sampled:
    """One sample for each joined key that the message reaches; their rules are to settle."""
    found: list[tuple[Track, Truths]] = []
    for plan in moment.state.plan.joins.get(source.name[0], ()):
        joined = next(one for one in plan.ties.joined if one.stream == source.name[0])
        found.append((_sample(plan, joined, source, sample, wall, moment), None))
    return found


def _sample(plan: TrackPlan, joined: Joined, source: Source, sample: Held, wall: int, moment: Moment) -> Track:
    key = Key(tuple((label, source.labels[label]) for label in plan.by))
    track = moment.state.track((plan.name, plan.by, key), moment.now)
    plan, at = track.plan or plan, sample.at
    if track.sampled:
        at = max(at, track.clock)
        moment.catch_up(track, at - 1, moment)
    said = {joined.prefix + name: value for name, value in sample.values.items()}
    if not joined.partial:
        said = dict.fromkeys(joined.names) | said
    track.sample(at, wall, dict(key.labels), track.merge(at, said))
    scope = Scope(track.values_at(at), track.labels, lambda _: None, track.attributes, track.remembered)
    fill_windows(track, scope, moment, lambda buffer: not joined.names.isdisjoint(fields(buffer.argument)))
    plan.count_evaluations(moment.decision, 1)
    return track
