"""Why an alert is as it is, whether it fires or not: one rule, one key, one instant. A pure look at the state.

House rule: it says what the interpreter and the stored timers say, and decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from iotrules.engine.explain_tree import cut, explain_tree
from iotrules.engine.inspect import is_stale, place_of, samples_read, scope_at, why_unknown
from iotrules.engine.lifecycle import Held, RuleState, RungState
from iotrules.engine.plan import CompiledRule, nanoseconds
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.engine.verdict import verdict
from iotrules.model.decisions import Key
from iotrules.model.evidence import Progress, Samples
from iotrules.model.explanation import ClearExplained, Explanation, LevelExplained, Silence
from iotrules.model.expression import Or, Value
from iotrules.model.rules import Absence, Clear, Hold, Ladder, Missing, Rule, Rung, Severity
from iotrules.model.times import duration_words

VALUES_SHOWN = 32
VERDICT_SHOWN = 1000

_POLICY = {
    Missing.HOLD: "",
    Missing.FALSE: "missing: false takes an unknown condition for false",
    Missing.TRUE: "missing: true takes an unknown condition for true",
    Missing.ERROR: "missing: error counts an unknown condition as an error of the rule",
}


def explain(state: State, name: str, key: Key, now: int, faults: Mapping[str, str]) -> Explanation:
    """Why the rule sees this key as it does at `now` (ns). KeyError for a rule that there is not.

    `faults`: field → what was wrong with its value in the key's newest message, where somebody knows.
    """
    compiled = state.plan.rules[name]
    rule = compiled.rule
    track = state.tracks.get((compiled.kept, rule.by, key))
    known = track is not None and track.sampled
    seen = track if track is not None else Track((compiled.kept, rule.by, key), None, now)
    found = state.rules.get((name, key)) or RuleState()
    at = seen.clock_at(now) if known else 0
    levels = _levels(compiled, seen, found, at, faults) if track is not None else ()
    ending = _ending(compiled, seen, found, at, faults) if track is not None else None
    silence = _silence(compiled, seen, found, at) if known else None
    return Explanation(
        rule=name,
        key=key,
        now=now,
        known=known,
        state=found.alert,
        severity=Severity(found.severity) if found.active else rule.severity,
        episode=found.episode,
        verdict=cut(verdict(found.alert, known, levels, ending, silence), VERDICT_SHOWN),
        levels=levels,
        ending=ending,
        silence=silence,
        at=at if known else None,
        newest=seen.clock if known else None,
        gap=compiled.silence_allowed(seen),
        stale=known and is_stale(compiled, seen, at),
        values=_values(seen),
        samples=_samples(compiled, seen),
        notes=_notes(state, rule, compiled, seen),
        meaning=rule.meaning,
        place=place_of(state, rule),
    )


def _levels(
    compiled: CompiledRule, track: Track, found: RuleState, at: int, faults: Mapping[str, str]
) -> tuple[LevelExplained, ...]:
    states = found.rungs if len(found.rungs) == len(compiled.rungs) else [RungState() for _ in compiled.rungs]
    return tuple(
        _level(compiled, track, rung, state, at, faults) for rung, state in zip(compiled.rungs, states, strict=True)
    )


def _level(
    compiled: CompiledRule, track: Track, rung: Rung, state: RungState, at: int, faults: Mapping[str, str]
) -> LevelExplained:
    condition = rung.condition
    tree = explain_tree(condition.when, scope_at(compiled, track, at), why_unknown(compiled, track, at, faults))
    hold = _progress(compiled, track, state.hold, condition.hold, at)
    clear = _clear(compiled, track, condition.clear, (rung,), state.clear, at, faults)
    return LevelExplained(rung.severity, cut(condition.text), tree, hold, state.latched, clear)


def _clear(
    compiled: CompiledRule,
    track: Track,
    clear: Clear,
    rungs: tuple[Rung, ...],
    held: Held,
    at: int,
    faults: Mapping[str, str],
) -> ClearExplained:
    """What ends these levels: the clear's own condition, or that theirs are all false."""
    scope, reasons = scope_at(compiled, track, at), why_unknown(compiled, track, at, faults)
    progress = _progress(compiled, track, held, clear.hold, at)
    if clear.when is not None:
        return ClearExplained(cut(clear.text), explain_tree(clear.when, scope, reasons), True, progress)
    conditions = tuple(rung.condition.when for rung in rungs)
    whole = conditions[0] if len(conditions) == 1 else Or(conditions)
    return ClearExplained("", explain_tree(whole, scope, reasons, wanted=False), False, progress)


def _ending(
    compiled: CompiledRule, track: Track, found: RuleState, at: int, faults: Mapping[str, str]
) -> ClearExplained | None:
    body = compiled.rule.body
    if not isinstance(body, Ladder) or body.clear is None:
        return None
    return _clear(compiled, track, body.clear, compiled.rungs, found.ending, at, faults)


def _progress(compiled: CompiledRule, track: Track, held: Held, hold: Hold, at: int) -> Progress:
    wanted = nanoseconds(hold, track.interval(compiled.stream.interval))
    if held.since is None:
        return Progress(0, wanted)
    upto = at if held.frozen is None else held.frozen
    return Progress(max(0, upto - held.since), wanted, held.frozen is not None)


def _silence(compiled: CompiledRule, track: Track, found: RuleState, at: int) -> Silence | None:
    body = compiled.rule.body
    if not isinstance(body, Absence):
        return None
    silent, wanted = at - track.clock, nanoseconds(body.hold, track.interval(compiled.stream.interval))
    return Silence(Progress(silent, wanted), silent < body.seen_within)


def _values(track: Track) -> tuple[tuple[str, Value | None], ...]:
    """The newest values, as they came; text is cut."""
    newest = list(track.values.items())[:VALUES_SHOWN]
    return tuple((name, cut(value) if isinstance(value, str) else value) for name, value in newest)


def _samples(compiled: CompiledRule, track: Track) -> tuple[Samples, ...]:
    found = {one.name: one for rung in compiled.rungs for one in samples_read(track, rung.condition.when)}
    return tuple(found.values())


def _notes(state: State, rule: Rule, compiled: CompiledRule, track: Track) -> tuple[str, ...]:
    """What else decides what people see of it."""
    notes = [_POLICY[rule.missing]]
    if compiled.stream.late:
        notes.append(f"late: samples wait for older ones, so all is seen {duration_words(compiled.stream.late)} behind")
    if rule.dry_run:
        notes.append("dry_run: the rule evaluates and shows, and its steps never act")
    if state.files.dry_run:
        notes.append("the engine runs with --dry-run: no rule's steps act")
    if not rule.alert:
        notes.append("alert: false: the rule shows no alert; its steps run, other rules may ask for it")
    asked = [rung.condition.hold for rung in compiled.rungs]
    if isinstance(rule.body, Absence):
        asked = [rule.body.hold]
    if any(nanoseconds(hold, track.interval(compiled.stream.interval)) is None for hold in asked):
        notes.append(
            f"how often this key reports is not known yet ({len(track.gaps)} of 2 gaps between messages),"
            " so a multiple of the interval isn't either; declare interval in the stream"
        )
    if rule.by != compiled.stream.captures:
        notes.append(f"all messages with the same {', '.join(rule.by) or '(nothing)'} are one key of this rule")
    return tuple(note for note in notes if note)
