"""Small changes to a rule, each of which some case should notice, in the order of the rule's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar, assert_never

from iotrules.model.expression import Expression, Members, Window, children, over_members
from iotrules.model.rules import (
    NO_HOLD,
    Absence,
    Clear,
    Condition,
    Guard,
    Hold,
    Ladder,
    PublishStep,
    Rule,
    Rung,
    conditions_of,
)
from iotrules.model.sequences import EventPattern, Forbidden, Sequence
from iotrules.model.times import duration_words
from iotrules.tools.testing.alterations import altered, own_lengths, own_needs, with_child, with_windows

T = TypeVar("T")
Change: TypeAlias = tuple[tuple[str, ...], str, T]
"""Where in the rule file, what was changed, in words, and the result."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change; `path` leads to what was changed, in the rule file."""

    rule: Rule
    path: tuple[str, ...]
    change: str

    @property
    def name(self) -> str:
        """As it is printed, and as `equivalent` names it."""
        return f"{self.rule.name}: {'.'.join(self.path)}: {self.change}"


def mutants_of(rule: Rule) -> Iterator[Mutant]:
    """Every mutant of a rule, in the order of the file."""
    body = rule.body
    changes: (
        Iterator[Change[Absence]] | Iterator[Change[Condition]] | Iterator[Change[Ladder]] | Iterator[Change[Sequence]]
    )
    match body:
        case Absence(hold):
            changes = _of_hold(hold, lambda changed: replace(body, hold=changed))
        case Condition():
            changes = _of_condition(body)
        case Ladder():
            changes = _of_ladder(body)
        case Sequence():
            changes = _of_sequence(body)
        case _:
            assert_never(body)
    for path, said, changed in changes:
        yield Mutant(replace(rule, body=changed), path, said)
    if rule.across:
        yield from _of_members(rule)
    yield from _of_windows(rule)
    yield from _of_steps(rule)
    for said, cooldown in _of_duration(rule.muting.cooldown):
        yield Mutant(replace(rule, muting=replace(rule.muting, cooldown=cooldown)), ("cooldown",), said)
    if rule.only_keys:
        yield Mutant(replace(rule, only_keys=()), ("only_keys",), "dropped: it looks at every key")


def _of_windows(rule: Rule) -> Iterator[Mutant]:
    """Half and double of how far windows look back, and of the samples that they need.

    Windows of one length change together, and so do those that need as many samples: `when` and `clear` look alike.
    """
    nodes = () if isinstance(rule.body, Sequence) else conditions_of(rule)
    for length in own_lengths(nodes):
        for said, duration in _of_duration(length):
            yield Mutant(_with_windows(rule, partial(_longer, length, duration)), ("windows",), said)
    for asked in own_needs(nodes):
        for needed in (asked // 2, asked * 2):
            said = f"min_samples {asked} → {needed}"
            yield Mutant(_with_windows(rule, partial(_needier, asked, needed)), ("windows",), said)


def _longer(length: int, duration: int, window: Window) -> Window:
    return replace(window, duration=duration) if window.duration == length else window


def _needier(asked: int, needed: int, window: Window) -> Window:
    return replace(window, min_samples=needed) if window.min_samples == asked else window


def _with_windows(rule: Rule, change: Callable[[Window], Window]) -> Rule:
    return replace(rule, body=_with_conditions(rule.body, lambda node: with_windows(node, change)))


def _of_steps(rule: Rule) -> Iterator[Mutant]:
    """How many devices the guard of a step lets through, and within how long: half and double of each."""
    for index, step in enumerate(rule.steps):
        if isinstance(step, PublishStep) or step.guard is None:
            continue
        for path, said, guard in _of_guard(step.guard):
            steps = (*rule.steps[:index], replace(step, guard=guard), *rule.steps[index + 1 :])
            yield Mutant(replace(rule, steps=steps), ("do", str(index), "guard", *path), said)


def _of_guard(guard: Guard) -> Iterator[Change[Guard]]:
    for share in (guard.max_share / 2, min(1.0, guard.max_share * 2)):
        if share != guard.max_share:
            said = f"{100 * guard.max_share:g}% → {100 * share:g}%"
            yield ("max_share",), said, replace(guard, max_share=share)
    for said, per in _of_duration(guard.per):
        yield ("per",), said, replace(guard, per=per)


def _of_members(rule: Rule) -> Iterator[Mutant]:
    """How old a member's value may be, halved and doubled; and one more or less of those that must be there."""
    asked = [window for node in _conditions(rule.body) for window in over_members(node)]
    if not asked:
        return
    fresh, least = asked[0].duration, asked[0].min_samples
    for changed in (fresh // 2, fresh * 2):
        said = f"fresh: {duration_words(fresh)} → {duration_words(changed)}"
        yield Mutant(_asking(rule, changed, least), ("fresh",), said)
    for number in (least - 1, least + 1) if least > 1 else ():
        yield Mutant(_asking(rule, fresh, number), ("min_members",), f"min_members: {least} → {number}")


def _asking(rule: Rule, fresh: int, least: int) -> Rule:
    def ask(node: Expression) -> Expression:
        if isinstance(node, Window) and isinstance(node.kind, Members):
            return replace(node, duration=fresh, min_samples=least)
        for index, child in enumerate(children(node)):
            node = with_child(node, index, ask(child))
        return node

    return replace(rule, body=_with_conditions(rule.body, ask))


def _with_conditions(body: T, ask: Callable[[Expression], Expression]) -> T:
    """A body (or a level, or a clear) with every condition of it exchanged."""
    match body:
        case Condition(when=when, clear=clear):
            return replace(body, when=ask(when), clear=_with_conditions(clear, ask))
        case Clear(when=when):
            return body if when is None else replace(body, when=ask(when))
        case Rung(condition=condition):
            return replace(body, condition=_with_conditions(condition, ask))
        case Ladder(rungs=rungs, clear=clear):
            levels = tuple(_with_conditions(rung, ask) for rung in rungs)
            return replace(body, rungs=levels, clear=None if clear is None else _with_conditions(clear, ask))
    return body


def _conditions(body: Condition | Ladder | Absence | Sequence) -> list[Expression]:
    match body:
        case Condition(when=when):
            return [when]
        case Ladder(rungs=rungs):
            return [rung.condition.when for rung in rungs]
    return []


def _of_ladder(ladder: Ladder) -> Iterator[Change[Ladder]]:
    for index, rung in enumerate(ladder.rungs):
        for path, said, condition in _of_condition(rung.condition):
            rungs = (*ladder.rungs[:index], replace(rung, condition=condition), *ladder.rungs[index + 1 :])
            yield ("levels", rung.severity.word, *path), said, replace(ladder, rungs=rungs)
    if ladder.clear is not None:
        yield ("clear",), "dropped: it ends with its last level", replace(ladder, clear=None)
        for path, said, clear in _of_clear(ladder.clear):
            yield path, said, replace(ladder, clear=clear)


def _of_condition(condition: Condition) -> Iterator[Change[Condition]]:
    for said, when in altered(condition.when):
        yield ("when",), said, replace(condition, when=when)
    yield from _of_hold(condition.hold, lambda hold: replace(condition, hold=hold))
    if condition.clear.when is not None:
        said = "dropped: it clears when its condition is false"
        yield ("clear",), said, replace(condition, clear=replace(condition.clear, when=None))
    for path, said, clear in _of_clear(condition.clear):
        yield path, said, replace(condition, clear=clear)


def _of_sequence(sequence: Sequence) -> Iterator[Change[Sequence]]:
    for place, step in enumerate(sequence.steps):
        for said, pattern in _of_pattern(step.pattern):
            steps = (*sequence.steps[:place], replace(step, pattern=pattern), *sequence.steps[place + 1 :])
            yield ("sequence", str(step.index)), said, replace(sequence, steps=steps)
    for place, one in enumerate(sequence.without):
        before, after = sequence.without[:place], sequence.without[place + 1 :]
        if len(sequence.steps) + len(sequence.without) > 2:
            yield ("sequence", str(one.index)), "dropped: it may come", replace(sequence, without=before + after)
        for said, changed in _of_forbidden(one):
            yield ("sequence", str(one.index)), said, replace(sequence, without=(*before, changed, *after))
    for said, within in _of_duration(sequence.within):
        yield ("within",), said, replace(sequence, within=within)
    for said, ending in _of_pattern(sequence.clear) if sequence.clear else ():
        yield ("clear",), said, replace(sequence, clear=ending)


def _of_forbidden(one: Forbidden) -> Iterator[tuple[str, Forbidden]]:
    for said, pattern in _of_pattern(one.pattern):
        yield said, replace(one, pattern=pattern)
    for said, before in _of_duration(one.before or 0):
        yield f"before: {said}", replace(one, before=before)


def _of_pattern(pattern: EventPattern) -> Iterator[tuple[str, EventPattern]]:
    for said, when in altered(pattern.when) if pattern.when is not None else ():
        yield said, replace(pattern, when=when)


def _of_duration(nanoseconds: int) -> Iterator[tuple[str, int]]:
    """Half and double of it, if there is one."""
    for changed in (nanoseconds // 2, nanoseconds * 2) if nanoseconds else ():
        yield f"{duration_words(nanoseconds)} → {duration_words(changed)}", changed


def _of_clear(clear: Clear) -> Iterator[Change[Clear]]:
    for said, when in altered(clear.when) if clear.when is not None else ():
        yield ("clear", "when"), said, replace(clear, when=when)
    for path, said, changed in _of_hold(clear.hold, lambda hold: replace(clear, hold=hold)):
        yield ("clear", *path), said, changed


def _of_hold(hold: Hold, build: Callable[[Hold], T]) -> Iterator[Change[T]]:
    """Half and double of a hold, if there is one."""
    for factor in (0.5, 2.0) if hold != NO_HOLD else ():
        if hold.nanoseconds is not None:
            changed = Hold(nanoseconds=round(hold.nanoseconds * factor))
        else:
            changed = Hold(intervals=(hold.intervals or 0.0) * factor)
        yield ("for",), f"{_hold_words(hold)} → {_hold_words(changed)}", build(changed)


def _hold_words(hold: Hold) -> str:
    return f"{hold.intervals:g} * interval" if hold.nanoseconds is None else duration_words(hold.nanoseconds)
