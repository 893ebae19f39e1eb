"""Why a sequence is as it is for a key: which steps have come, what each one that is lacking lacks, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iotrules.engine.explain_tree import cut, explain_tree
from iotrules.engine.held_back import ClockWords, HeldBack, muted_at, schedule_at, utc_clock
from iotrules.engine.inspect import keys_of, place_of
from iotrules.engine.lifecycle import RuleState
from iotrules.engine.sequence_looks import known_values, step_scope
from iotrules.engine.sequence_plan import SequenceRule
from iotrules.engine.sequence_words import match_words
from iotrules.engine.sequences import Event, SequenceRun, SequenceState
from iotrules.engine.state import State
from iotrules.model.decisions import AlertState, Key, Reading
from iotrules.model.evidence import Node
from iotrules.model.explanation import Explanation, SeenMessage, StepExplained
from iotrules.model.expression import AttributeRef, Expression, FieldRef, LabelRef, StateRef
from iotrules.model.rules import Rule, Severity
from iotrules.model.sequences import Sequence
from iotrules.model.times import rough_words

RUNS_SHOWN = 5


def explain_sequence(
    state: State,
    one: SequenceRule,
    key: Key,
    now: int,
    newest: Mapping[str, SeenMessage],
    clock: ClockWords = utc_clock,
) -> Explanation:
    """The rule's view of the key at `now` (ns); changes nothing. `newest`: by stream, the key's newest message."""
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
        verdict=cut(
            _verdict(one, kept or SequenceState(), found.alert, at or 0, clock)
            + _closed(one, found.alert, at or now, clock),
            1000,
        ),
        levels=(),
        ending=None,
        silence=None,
        at=at,
        newest=None if kept is None else kept.newest,
        gap=None,
        stale=False,
        values=(),
        samples=(),
        notes=tuple(_notes(rule)),
        meaning=rule.meaning,
        place=place_of(state, rule),
        schedule=schedule_at(rule.only, now if at is None else at),
        muted=muted_at(state, rule.name, key, found),
        steps=tuple(_steps(state, one, key, _farthest(one.sequence, kept, at), newest)),
    )


def _closed(one: SequenceRule, alert: AlertState, at: int, clock: ClockWords) -> str:
    """What completes outside the schedule is not made up for when that opens."""
    closed = HeldBack(at, one.rule.only, refused=False, clock=clock).closed_words()
    return (
        f"; it is {closed}: what completes until then does not fire"
        if closed and alert is not AlertState.FIRING
        else ""
    )


def _notes(rule: Rule) -> Iterator[str]:
    if rule.dry_run:
        yield "dry_run: its steps are counted and not carried out"
    if not rule.alert:
        yield "alert: false: the rule shows no alert; its steps run, other rules may ask for it"


def _farthest(sequence: Sequence, kept: SequenceState | None, at: int | None) -> tuple[Event, ...]:
    """The messages of the alert that fires, else of the open run with the most steps, the newest of them."""
    if kept is None or at is None:
        return ()
    if kept.match is not None:
        return kept.match.events
    open_runs = [run for run in kept.runs if run.begin + sequence.within >= at]
    return max(open_runs, key=lambda run: (run.done, run.begin)).events if open_runs else ()


def _steps(
    state: State, one: SequenceRule, key: Key, come: tuple[Event, ...], newest: Mapping[str, SeenMessage]
) -> Iterator[StepExplained]:
    for place, step in enumerate(one.sequence.steps):
        came = place < len(come)
        if came:
            event = come[place]
            seen: SeenMessage | None = SeenMessage(
                Reading(step.pattern.stream, Key(tuple(event.labels.items())), event.at, event.at, event.values), {}
            )
        else:
            seen = newest.get(step.pattern.stream)
        tree = None if seen is None else _tree(state, one, key, place, seen, come)
        labels = () if seen is None else seen.reading.key.labels
        at = None if seen is None else seen.reading.at
        yield StepExplained(cut(step.pattern.text), step.name, came, at, labels, tree)


def _tree(
    state: State, one: SequenceRule, key: Key, place: int, seen: SeenMessage, come: tuple[Event, ...]
) -> Node | None:
    """The step's condition on a message, beside the steps that have come before it."""
    when, reading = one.sequence.steps[place].pattern.when, seen.reading
    if when is None:
        return None
    values = reading.values
    if place >= len(come):
        remembered = state.devices.get(key)
        values = values | known_values(
            one, state.plan.directory.attributes(reading.key), remembered.body if remembered else {}
        )
    before = come[:place]
    scope = step_scope(one, values, dict(reading.key.labels), reading.at, before)
    lacking = {step.name for step in one.sequence.steps[len(before) :] if step.name}
    return explain_tree(when, scope, lambda node: _unknown(node, lacking, seen.faults))


def _unknown(node: Expression, lacking: set[str], faults: Mapping[str, str]) -> str:
    """Why a value that a step reads is unknown."""
    match node:
        case FieldRef(name) | LabelRef(name) if "." in name:
            step = name.partition(".")[0]
            return f"the step {step} has not come" if step in lacking else f"missing in the message of {step}"
        case FieldRef(name):
            return f"bad value in the message: {faults[name]}" if name in faults else "missing in the message"
        case AttributeRef():
            return "the registry does not say it"
        case StateRef():
            return "no function has remembered it"
    return ""


def _verdict(one: SequenceRule, kept: SequenceState, alert: AlertState, at: int, clock: ClockWords) -> str:
    sequence = one.sequence
    if alert is AlertState.FIRING and kept.match is not None:
        over = f", until {clock(kept.ends)}" if kept.ends is not None else ""
        return f"firing{over}: {match_words(one, kept.match)}"
    open_runs = [run for run in kept.runs if run.begin + sequence.within >= at]
    if not open_runs:
        return f"no first step has come within {rough_words(sequence.within)}: it waits for {_step(sequence, 0)}"
    return "; ".join(_run(sequence, run, at, clock) for run in open_runs[-RUNS_SHOWN:])


def _run(sequence: Sequence, run: SequenceRun, at: int, clock: ClockWords) -> str:
    end = run.begin + sequence.within
    begun = f"begun at {clock(run.begin)}, {run.done} of {len(sequence.steps)} steps have come"
    wanted = (
        f"{_step(sequence, run.done)} is lacking" if run.done < len(sequence.steps) else "nothing that must not come"
    )
    return f"{begun}: {wanted} until {clock(end)}, in {rough_words(max(0, end - at))}"


def _step(sequence: Sequence, place: int) -> str:
    return sequence.steps[place].pattern.text
