"""Why a sequence is as it is for a key: which steps have come, what it waits for, and until when."""

from __future__ import annotations

from datetime import UTC, datetime

from iotrules.engine.explain_tree import cut
from iotrules.engine.inspect import keys_of, place_of
from iotrules.engine.lifecycle import RuleState
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.sequence_words import match_words
from iotrules.engine.sequences import SequenceRun, SequenceState
from iotrules.engine.state import State
from iotrules.model.decisions import AlertState, Key
from iotrules.model.explanation import Explanation
from iotrules.model.rules import Severity
from iotrules.model.sequences import Sequence
from iotrules.model.times import SECOND, rough_words

RUNS_SHOWN = 5


def explain_sequence(state: State, one: SequenceRule, key: Key, now: int) -> Explanation:
    """The rule's view of the key at `now` (ns); changes nothing."""
    rule = one.rule
    found = state.rules.get((rule.name, key)) or RuleState()
    kept = state.sequences.get((rule.name, key))
    at = None if kept is None else kept.clock_at(now)
    return Explanation(
        rule=rule.name,
        key=key,
        now=now,
        known=kept is not None or key in keys_of(state, rule),
        state=found.alert,
        severity=Severity(found.severity) if found.active else rule.severity,
        episode=found.episode,
        verdict=cut(_verdict(one.sequence, kept or SequenceState(), found.alert, at or 0), 1000),
        levels=(),
        ending=None,
        silence=None,
        at=at,
        newest=None if kept is None else kept.newest,
        gap=None,
        stale=False,
        values=(),
        samples=(),
        notes=("dry_run: its steps are counted and not carried out",) if rule.dry_run else (),
        meaning=rule.meaning,
        place=place_of(state, rule),
    )


def _verdict(sequence: Sequence, kept: SequenceState, alert: AlertState, at: int) -> str:
    if alert is AlertState.FIRING and kept.match is not None:
        over = f", until {_clock(kept.ends)}" if kept.ends is not None else ""
        return f"firing{over}: {match_words(sequence, kept.match)}"
    open_runs = [run for run in kept.runs if run.begin + sequence.within >= at]
    if not open_runs:
        return f"no first step has come within {rough_words(sequence.within)}: it waits for {_step(sequence, 0)}"
    return "; ".join(_run(sequence, run, at) for run in open_runs[-RUNS_SHOWN:])


def _run(sequence: Sequence, run: SequenceRun, at: int) -> str:
    end = run.begin + sequence.within
    begun = f"begun at {_clock(run.begin)}, {run.done} of {len(sequence.steps)} steps have come"
    wanted = (
        f"{_step(sequence, run.done)} is lacking" if run.done < len(sequence.steps) else "nothing that must not come"
    )
    return f"{begun}: {wanted} until {_clock(end)}, in {rough_words(max(0, end - at))}"


def _step(sequence: Sequence, place: int) -> str:
    return sequence.steps[place].pattern.text


def _clock(at: int) -> str:
    """An event time, to the second, UTC."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%H:%M:%SZ")
