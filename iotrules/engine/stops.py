"""The time of a key that counts for its holds: event time without what passed while the engine was stopped."""

from __future__ import annotations

import msgspec


class Stops(msgspec.Struct, array_like=True):
    """Of one rule and key whose `downtime` does not let time go on; without a stop, all time counts. ns."""

    paused: int = 0
    """What was taken out before the newest stop."""
    begin: int = 0
    end: int = 0
    """The newest stop, in event time."""
    reset_at: int = 0
    """The counted time since which holds may have run."""

    def counted(self, at: int) -> int:
        """How much time has counted at event time `at`: it stands still during a stop."""
        if at <= self.begin:
            return at - self.paused
        return max(self.begin, at - (self.end - self.begin)) - self.paused

    def event(self, counted: int) -> int:
        """The first event time at which so much has counted."""
        at = counted + self.paused
        return at if at <= self.begin else at + (self.end - self.begin)

    def add(self, begin: int, end: int) -> None:
        """Take out another stop; one that begins inside the last one makes that longer."""
        if self.begin < self.end and begin <= self.end:
            self.begin, self.end = min(begin, self.begin), max(end, self.end)
        else:
            self.paused += self.end - self.begin
            self.begin, self.end = begin, end
