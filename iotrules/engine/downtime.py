"""What a stop of the engine does to the holds that were running: each rule's `downtime`.

House rule: of `continue` there is nothing to do. The backlog of the time in between counts by its event time, as ever.
"""

from __future__ import annotations

from iotrules.engine.lifecycle import Held, RuleState
from iotrules.engine.looks import rest
from iotrules.engine.moment import Moment
from iotrules.model.guards import OnStop


def take_stop(stopped: int, moment: Moment) -> None:
    """The engine stood still from `stopped` to the moment (our clock, ns)."""
    state = moment.state
    length = moment.now - stopped
    for track in state.tracks.values():
        rules = () if track.plan is None or length <= 0 else track.plan.rules
        minded = [one.rule for one in rules if one.rule.downtime.after(length) is not OnStop.CONTINUE]
        for rule in minded:
            rule_state = state.rule(rule.name, track.key)
            rule_state.stops.add(track.clock_at(stopped), track.clock_at(moment.now))
            if rule.downtime.after(length) is OnStop.RESET:
                _begin_anew(rule_state)
            state.keep_rule(rule.name, track.key, rule_state)
        if minded:
            rest(track, state)


def _begin_anew(rule_state: RuleState) -> None:
    """Every hold that runs begins now."""
    now = rule_state.stops.counted(rule_state.stops.end)
    rule_state.stops.reset_at = now
    _begin(rule_state.ending, now)
    for rung in rule_state.rungs:
        _begin(rung.clear if rung.latched else rung.hold, now)


def _begin(held: Held, now: int) -> None:
    held.since = None if held.since is None else now
    held.frozen = None if held.frozen is None else now
