"""What rules would decide if each key's newest values had just come: for a copy of an engine, never for a running one.

House rule: it goes through the same door as a sample, so that it can't differ from what the engine would do.
"""

from __future__ import annotations

from iotrules.engine.alerts import on_sample
from iotrules.engine.evaluate import Scope
from iotrules.engine.filling import fill_windows
from iotrules.engine.moment import Moment
from iotrules.engine.tracks import Track
from iotrules.model.rules import Absence


def look_again(rules: frozenset[str], moment: Moment) -> None:
    """Let these rules look at every key's newest values. Silence is no value, so rules about it are left out."""
    for track in list(moment.state.tracks.values()):
        if track.sampled:
            _begin_windows(track, moment)
        for compiled in track.plan.rules if track.plan and track.sampled else ():
            name = compiled.rule.name
            if name not in rules or isinstance(compiled.rule.body, Absence):
                continue
            if track.plan is not None and name in track.plan.waiting:
                moment.state.plan.firings.look(track, name)
            else:
                on_sample(compiled, track, moment)
    moment.reread(moment)


def _begin_windows(track: Track, moment: Moment) -> None:
    """Windows that nothing is in yet have the newest sample in them, as they will have with the next one like it."""
    anew = {buffer.name for buffer, kept in zip(track.buffers, track.windows, strict=True) if kept.newest is None}
    scope = Scope(track.own_values, track.labels, lambda _: None, track.attributes, track.remembered)
    fill_windows(track, scope, moment, lambda buffer: buffer.name in anew)
