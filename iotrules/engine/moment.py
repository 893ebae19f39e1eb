"""The input that is being decided on, and what a generated function asks for where it can't go on alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.model.decisions import Decision, Sample
from iotrules.model.expression import Truth, Value

Truths = tuple[Truth, ...] | None
Votes = tuple[Value | None, ...] | None
Sampled = Sequence[tuple[Track, Truths]]
"""Keys that a message was for, each with what its conditions are now; None: nobody knows yet."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Our clock, the journal's sequence, where the outcome goes; and the engine's ways for what is not ordinary."""

    now: int
    sequence: int
    decision: Decision
    state: State
    settle: Callable[[Sampled, Moment], None]
    """Decide on the rules whose truths changed, or whose time has come, at the newest sample of the keys."""
    catch_up: Callable[[Track, int, Moment], None]
    """Let the key's time pass up to an event time."""
    impatient: Callable[[Track, Moment], None]
    """The key reports more often than before: shorten what silence is allowed."""
    unknowns: Callable[[Track, Moment], None]
    """Count the conditions that are as unknown as they were."""
    take_reading: Callable[[Sample, Moment], None]
    """Show a message that was applied to the sequences that look at its stream."""
    reread: Callable[[Moment], None]
    """Have the rules look that ask for other rules' alerts, once those have."""
    vote: Callable[[Track, Votes, Moment], Sampled]
    """Have a member answer the questions of its groups (None: work the answers out); the groups that are to settle."""
    apart: Callable[[Track, str, Value | None, Moment], float | None]
    """How far a member's value lies from those of the others of its group."""
