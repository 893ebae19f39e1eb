"""Members and their groups: at each message a member answers what its groups ask, and rules look over the answers.

A message costs its member's own expressions, and per group O(questions) and what the group's conditions cost over
the tallies; no rule is looked at where nothing has changed. House rule: an answer is what the member worked out at its
newest message; until the next one, or until it is stale, it stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.engine.conditions import scope_of
from iotrules.engine.evaluate import evaluate, truth
from iotrules.engine.moment import Moment, Sampled, Truths, Votes
from iotrules.engine.state import State
from iotrules.engine.tracks import Track, TrackName
from iotrules.model.decisions import Key
from iotrules.model.expression import Value, over_members
from iotrules.model.rules import Rule, rungs_of

Membership = tuple[Track, str, tuple[int, ...]]
_COUNTED = frozenset({"count", "share", "any", "all"})


def vote(track: Track, votes: Votes, moment: Moment) -> Sampled:
    """A member has a new sample: tell its groups. None: work its answers out.

    The groups of whose rules some have to look, each with what its conditions are now.
    """
    moment.state.touched.freeze(track)
    answers = _answers(track, moment) if votes is None else votes
    found: list[tuple[Track, Truths]] = []
    for group, member, places in memberships(track, moment.state, moment.now):
        _take(group, member, track, [answers[place] for place in places], moment)
        if group.plan is not None and group.plan.rules:
            group.plan.count_evaluations(moment.decision, 1)
            found += _unsettled(group, moment)
    return found


def apart(track: Track, buffer: str, value: Value | None, moment: Moment) -> float | None:
    """How far the value of a member's newest sample lies from what the others of its group said."""
    if value is None or track.plan is None:
        return None
    link, place = track.plan.ties.apart[buffer]
    group, member, _ = memberships(track, moment.state, moment.now)[link]
    if group.ballots is None:
        return None
    moment.state.touched.freeze(group)
    at = group.ballots.time_of(member, track.clock, group.clock) if group.sampled else track.clock
    return group.ballots.apart(place, member, float(value), at)


def memberships(track: Track, state: State, now: int) -> tuple[Membership, ...]:
    """The groups of a member, made if they are new."""
    if track.groups is None:
        links = track.plan.ties.links if track.plan else ()
        labels = dict(track.key.labels)
        found = []
        for link in links:
            name: TrackName = (link.name, link.by, Key(tuple((label, labels[label]) for label in link.by)))
            group = state.tracks.get(name) or state.track(name, now)
            member = "/".join(value for label, value in track.key.labels if label not in link.by)
            found.append((group, member, link.votes))
        track.groups = tuple(found)
    return track.groups


def _answers(track: Track, moment: Moment) -> tuple[Value | None, ...]:
    plan = track.plan
    if plan is None:
        return ()
    scope = scope_of(track, track.clock, False)
    answers = tuple(evaluate(argument, scope) for argument in plan.ties.votes)
    for fault in scope.faults:
        for group, *_ in memberships(track, moment.state, moment.now):
            for compiled in group.plan.rules if group.plan else ():
                moment.decision.fault(compiled.rule.name, track.key, fault, moment.now)
    return answers


def _take(group: Track, name: str, member: Track, values: list[Value | None], moment: Moment) -> None:
    ballots, at = group.ballots, member.clock
    if ballots is None:
        return
    if group.dirty is not moment.state.touched:
        moment.state.touched.take(group)
    if group.sampled:
        at = ballots.time_of(name, member.clock, group.clock)
        stale = ballots.next_stale(max(group.clock, group.looked))
        if at - group.clock > group.patience or group.due < at or (stale is not None and stale < at):
            moment.catch_up(group, at - 1, moment)
    group.sample(at, member.clock_wall, dict(group.key.labels), {})
    if not ballots.take(name, at, member.clock, values):
        moment.decision.count("members_left_out", group.name[0])


def _unsettled(group: Track, moment: Moment) -> Sampled:
    """As a generated function does: look at the truths alone, and where one changed or a time has come, settle."""
    at = group.clock
    truths = _truths(group, at)
    restless = truths is None or truths != group.truths or bool(group.restless)
    if restless or at >= group.due or at < group.looked:
        return ((group, truths),)
    if group.unknown:
        moment.unknowns(group, moment)
    if not group.wakes or group.clock - group.clock_wall > group.aligned:
        moment.impatient(group, moment)  # it slept, as nobody was fresh; or its time is nearer than it was
    return ()


def _truths(group: Track, at: int) -> Truths:
    """Of the group's conditions; None if one of them goes wrong."""
    plan, ballots = group.plan, group.ballots
    if plan is None or ballots is None:
        return None
    for place in range(len(ballots.tallies)):
        ballots.tally(place, at)
    if ballots.version == ballots.decided and group.truths is not None and not plan.buffers and not plan.waiting:
        return group.truths
    ballots.decided = ballots.version
    scope = scope_of(group, at, False)
    truths = tuple(truth(condition, scope) for condition in plan.conditions)
    return None if scope.faults else truths


def named_members(rule: Rule, group: Track, at: int) -> Mapping[str, Value | None]:
    """`members`: by name the first few for whom the first condition that is counted is true, else that have a value."""
    if not rule.across or group.ballots is None or group.plan is None:
        return {}
    asked = [window for rung in rungs_of(rule) for window in over_members(rung.condition.when)]
    counted = [window for window in asked if window.kind.value in _COUNTED]
    first = next(iter(counted or asked), None)
    return {} if first is None else {"members": group.ballots.named(group.plan.places[first], at)}
