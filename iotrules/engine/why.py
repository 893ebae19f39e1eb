"""Why an alert is as it is, whether it fires or not: one rule, one key, one instant. A pure look at the state.

House rule: it says what the interpreter and the stored timers say, and decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from iotrules.engine.explain_tree import cut, explain_tree
from iotrules.engine.held_back import ClockWords, HeldBack, muted_at, schedule_at, utc_clock
from iotrules.engine.inspect import is_stale, place_of, samples_read, scope_at, why_unknown
from iotrules.engine.lifecycle import Held, RuleState, RungState
from iotrules.engine.plan import CompiledRule, nanoseconds
from iotrules.engine.registry import expected
from iotrules.engine.state import State
from iotrules.engine.tracks import Track
from iotrules.engine.verdict import is_overdue, verdict
from iotrules.model.decisions import Key
from iotrules.model.evidence import Node, Progress, Samples
from iotrules.model.explanation import ClearExplained, Explanation, LevelExplained, Silence
from iotrules.model.expression import Expression, Or, Value
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


def explain(
    state: State, name: str, key: Key, now: int, faults: Mapping[str, str], clock: ClockWords = utc_clock
) -> Explanation:
    """Why the rule sees this key as it does at `now` (ns). KeyError for a rule that there is not.

    `faults`: field → what was wrong with its value in the key's newest message, where somebody knows.
    """
    compiled = state.plan.rules[name]
    rule = compiled.rule
    track = state.tracks.get((compiled.kept, rule.by, key))
    heard = track is not None and track.sampled
    known = heard or (track is not None and key in expected(compiled, state.plan.directory))
    seen = track if track is not None else Track((compiled.kept, rule.by, key), None, now)
    found = state.rules.get((name, key)) or RuleState()
    at = seen.clock_at(now) if known else 0
    look = _Look(compiled, seen, at, found.stops.counted(at), found.stops.counted(seen.clock), faults)
    levels = _levels(look, found) if track is not None else ()
    ending = _ending(look, found) if track is not None else None
    silence = _silence(compiled, seen, found, at) if known else None
    back = HeldBack(at, rule.only, found.refused, clock)
    return Explanation(
        rule=name,
        key=key,
        now=now,
        known=known,
        state=found.alert,
        severity=Severity(found.severity) if found.active else rule.severity,
        episode=found.episode,
        verdict=cut(verdict(found.alert, known, levels, ending, silence, back), VERDICT_SHOWN),
        levels=levels,
        ending=ending,
        silence=silence,
        at=at if known else None,
        newest=seen.clock if heard else None,
        gap=compiled.silence_allowed(seen),
        stale=heard and is_stale(compiled, seen, at),
        values=_values(seen),
        samples=_samples(compiled, seen),
        notes=_notes(state, rule, compiled, seen),
        meaning=rule.meaning,
        place=place_of(state, rule),
        schedule=schedule_at(rule.only, at) if known else None,
        muted=muted_at(state, name, key, found),
        overdue=known and is_overdue(found.alert, levels, silence, back),
    )


class _Look(NamedTuple):
    """A rule and key at event time `at`; of it `counted` counts for holds, and `sampled` did at the newest sample."""

    compiled: CompiledRule
    track: Track
    at: int
    counted: int
    sampled: int
    faults: Mapping[str, str]

    def at_newest(self) -> _Look:
        """With no more time than up to the newest sample: of what came after it a hold knows nothing."""
        return self._replace(counted=self.sampled)

    def tree(self, condition: Expression, wanted: bool = True) -> Node:
        scope = scope_at(self.compiled, self.track, self.at)
        return explain_tree(condition, scope, why_unknown(self.compiled, self.track, self.at, self.faults), wanted)

    def progress(self, held: Held, hold: Hold) -> Progress:
        wanted = nanoseconds(hold, self.track.interval(self.compiled.stream.interval))
        if held.since is None:
            return Progress(0, wanted)
        upto = self.counted if held.frozen is None else held.frozen
        return Progress(max(0, upto - held.since), wanted, held.frozen is not None)


def _levels(look: _Look, found: RuleState) -> tuple[LevelExplained, ...]:
    rungs = look.compiled.rungs
    states = found.rungs if len(found.rungs) == len(rungs) else [RungState() for _ in rungs]
    return tuple(_level(look, rung, state) for rung, state in zip(rungs, states, strict=True))


def _level(look: _Look, rung: Rung, state: RungState) -> LevelExplained:
    condition = rung.condition
    tree = look.tree(condition.when)
    known = look if tree.value is not None else look.at_newest()
    hold = known.progress(state.hold, condition.hold)
    clear = _clear(look, condition.clear, (rung,), state.clear)
    return LevelExplained(rung.severity, cut(condition.text), tree, hold, state.latched, clear)


def _clear(look: _Look, clear: Clear, rungs: tuple[Rung, ...], held: Held) -> ClearExplained:
    """What ends these levels: the clear's own condition, or that theirs are all false."""
    progress = look.progress(held, clear.hold)
    if clear.when is not None:
        return ClearExplained(cut(clear.text), look.tree(clear.when), True, progress)
    conditions = tuple(rung.condition.when for rung in rungs)
    whole = conditions[0] if len(conditions) == 1 else Or(conditions)
    return ClearExplained("", look.tree(whole, wanted=False), False, progress)


def _ending(look: _Look, found: RuleState) -> ClearExplained | None:
    body = look.compiled.rule.body
    if not isinstance(body, Ladder) or body.clear is None:
        return None
    return _clear(look, body.clear, look.compiled.rungs, found.ending)


def _silence(compiled: CompiledRule, track: Track, found: RuleState, at: int) -> Silence | None:
    """What counts of a silence begins with the newest message, or when the key was expected anew."""
    body = compiled.rule.body
    if not isinstance(body, Absence):
        return None
    wanted = nanoseconds(body.hold, track.interval(compiled.stream.interval))
    registered = body.registered and track.registered
    since = max(track.clock, found.observed) if registered or found.refused else track.clock
    silent, stops = at - track.clock, found.stops
    counts = max(0, stops.counted(at) - max(stops.counted(since), stops.reset_at))
    return Silence(Progress(counts, wanted), registered or silent < body.seen_within, silent, track.sampled)


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
