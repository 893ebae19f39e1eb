"""What is put on record with a transition: the tree, the samples, the timer, the rule's text. Made for nothing else."""

from __future__ import annotations

from iotrules.engine.conditions import Outcome
from iotrules.engine.evaluate import truth
from iotrules.engine.explain import read_values
from iotrules.engine.explain_tree import explain_tree
from iotrules.engine.groups import named_members
from iotrules.engine.inspect import place_of, samples_read, why_unknown
from iotrules.engine.plan import CompiledRule, nanoseconds
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.model.decisions import AlertState, Evidence
from iotrules.model.evidence import Progress
from iotrules.model.rules import Absence, Ladder, condition_text


def evidence_of(
    state: State, compiled: CompiledRule, track: Track, after: AlertState, at: int, held: int, outcome: Outcome | None
) -> Evidence:
    """Evidence for a transition to `after` at event time `at`; `outcome` is None where no condition decided."""
    rule, sampled = compiled.rule, track.clock if track.sampled else None
    place, interval = place_of(state, rule), track.interval(compiled.stream.interval)
    if outcome is None:
        progress = None
        if isinstance(rule.body, Absence):
            progress = Progress(held, nanoseconds(rule.body.hold, interval))
        return Evidence(condition_text(rule), None, (), sampled, progress=progress, meaning=rule.meaning, place=place)
    when, scope = outcome.condition.when, outcome.scope
    own = rule.body.clear if isinstance(rule.body, Ladder) else None
    clear = own or outcome.condition.clear
    reasons = why_unknown(compiled, track, at, {})
    ends = after in (AlertState.RESOLVED, AlertState.INACTIVE)
    wanted = nanoseconds(clear.hold if after is AlertState.RESOLVED else outcome.condition.hold, interval)
    held = max(held, wanted or 0) if after is AlertState.RESOLVED else held
    return Evidence(
        outcome.condition.text,
        truth(when, scope),
        read_values(when, scope) + tuple(named_members(rule, track, at).items()),
        sampled,
        tree=explain_tree(when, scope, reasons),
        clear=explain_tree(clear.when, scope, reasons) if ends and clear.when is not None else None,
        samples=samples_read(track, when),
        progress=Progress(max(0, held), wanted),
        meaning=rule.meaning,
        place=place,
    )
