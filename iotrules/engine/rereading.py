"""Rules that ask for other rules' alerts look after those, and again when these change: at once, in the same instant.

House rule: a rule looks at most once for each instant and key, since it ranks above all that it asks for; the order is
by our clock, then rank, then name, whatever the input was.
"""

from __future__ import annotations

from heapq import heappop

from iotrules.engine.firings import Change
from iotrules.engine.looks import catch_up, look_again
from iotrules.engine.moment import Moment
from iotrules.engine.tracks import NEVER, Track


def pass_time(track: Track, upto: int, moment: Moment) -> None:
    """Let a key's time pass up to event time `upto`, and tell all who ask for what fires or ends in it."""
    catch_up(track, upto, moment)
    reread(moment)


def reread(moment: Moment) -> None:
    """Have all rules look that have to, until nothing waits."""
    firings = moment.state.plan.firings
    wall = NEVER if firings.looks else 0  # what one message changed is one instant
    while firings.changes or firings.looks:
        if firings.changes and (not firings.looks or firings.changes[0].wall <= wall):
            change = heappop(firings.changes)
            wall = max(wall, change.wall)
            _tell(change, moment)
        else:
            rule, track, told = firings.pop_look()
            at = track.clock if told is None else track.clock_at(told)
            look_again(track, rule, at, moment, again=told is not None)


def _tell(change: Change, moment: Moment) -> None:
    """What was due before is decided by what was known before."""
    firings = moment.state.plan.firings
    concerned = firings.concerned(change)
    for track in {id(track): track for track, _ in concerned}.values():
        before = track.clock_at(change.wall) - 1
        if track.sampled and before > track.clock:
            catch_up(track, before, moment)
    firings.apply(change)
    for track, asker in concerned:
        if track.sampled:
            firings.look(track, asker.name, change.wall)
