"""Small changes to a rule, each of which some case should notice: comparisons, thresholds, holds, logic.

Changed is the checked tree, never the text. What people read (`because`, `summary`) is not compared: a change must be
noticed by what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar, assert_never

from iotrules.language import unparse
from iotrules.model.expression import (
    And,
    Clock,
    Comparison,
    Expression,
    Function,
    Members,
    Number,
    Or,
    Statistic,
    Window,
    WindowKind,
    children,
    over_members,
)
from iotrules.model.rules import NO_HOLD, Absence, Clear, Condition, Hold, Ladder, Rule, Rung
from iotrules.model.sequences import EventPattern, Forbidden, Sequence
from iotrules.model.times import duration_words
from iotrules.tools.testing.cases import Case, Equivalent, Suite
from iotrules.tools.testing.functions import LocalHandlers
from iotrules.tools.testing.judging import judge
from iotrules.tools.testing.world import play
from iotrules.yamlfile import Node, entry, node_at, parse

T = TypeVar("T")
Change: TypeAlias = tuple[tuple[str, ...], str, T]
"""Where in the rule file, what was changed, in words, and the result."""

NUDGE = 0.05
"""Share of a threshold; a threshold of 0 moves by 1, one of whole numbers at least by 1."""

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_FLIPPED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "=="}

_COUNTS = frozenset({WindowKind.COUNT, Statistic.CHANGES, Statistic.TIMES, Statistic.STREAK})
_ROUNDED = frozenset({"round", "floor", "ceil"})

_PLACES = ("argument", "operand", "left", "right", "operands", "choices", "arguments")
"""The names under which nodes hold their children, in reading order."""


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


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no case noticed, with the line of what was changed."""

    file: str
    line: int
    change: str


@dataclass(frozen=True, slots=True)
class MutationReport:
    """`excused` of `made` changes are declared equivalent; `wrong` are declarations that are not so."""

    made: int
    excused: int
    survivors: tuple[Survivor, ...]
    wrong: tuple[tuple[Equivalent, str], ...]


def mutate(suite: Suite, handlers: LocalHandlers) -> MutationReport:
    """Play the suite's cases on every mutant of its own rules."""
    own = [suite.rules.rules[name] for name in suite.own_rules]
    mutants = [(mutant, cases) for rule in own for cases in [_cases_for(rule, suite)] for mutant in mutants_of(rule)]
    made = [mutant for mutant, _ in mutants]
    unnoticed = [mutant for mutant, cases in mutants if not _is_noticed(mutant, cases, suite, handlers)]
    declared = {one.change: one for one in suite.equivalent}
    root = parse(suite.texts[suite.rule_file], suite.rule_file)
    survivors = tuple(
        Survivor(suite.rule_file, _line(root, mutant), mutant.name)
        for mutant in unnoticed
        if mutant.name not in declared
    )
    wrong = tuple(_wrong(suite.equivalent, {one.name for one in made}, {one.name for one in unnoticed}))
    return MutationReport(len(made), len(unnoticed) - len(survivors), survivors, wrong)


def _wrong(declared: AnySequence[Equivalent], made: set[str], unnoticed: set[str]) -> Iterator[tuple[Equivalent, str]]:
    for one in declared:
        if one.change not in made:
            yield one, "no such change is made: copy the line that --mutate prints"
        elif one.change not in unnoticed:
            yield one, "this change is noticed by a case: it is not equivalent, remove the entry"


def _cases_for(rule: Rule, suite: Suite) -> list[Case]:
    """The cases in which something comes for the rule to judge; those that expect something of it by name first."""
    streams = {one.stream for one in rule.body.patterns} if isinstance(rule.body, Sequence) else {rule.stream}
    topics = [suite.rules.streams[name].topic for name in streams]

    def is_named(case: Case) -> bool:
        return any(getattr(one, "rule", None) == rule.name for one in case.expected)

    def reaches(case: Case) -> bool:
        return any(topic.match(sent.topic) is not None for sent in case.sent for topic in topics)

    return sorted((case for case in suite.cases if is_named(case) or reaches(case)), key=is_named, reverse=True)


def _is_noticed(mutant: Mutant, cases: AnySequence[Case], suite: Suite, handlers: LocalHandlers) -> bool:
    rules = replace(suite.rules, rules=suite.rules.rules | {mutant.rule.name: mutant.rule})
    return any(judge(case, play(case, rules, suite.texts, handlers), words=False) for case in cases)


def _line(root: Node, mutant: Mutant) -> int:
    """Where the change is in the rule file: the line of the innermost key that stands there."""
    node, line = node_at(root, ["rules", mutant.rule.name]), mutant.rule.location.line
    for step in mutant.path:
        found = entry(node, step)
        item = node_at(node, [int(step)]) if node and step.isdigit() else None
        if item is not None:
            line, node = item.place[0], item
        elif found is not None:
            line, node = found[0].line, found[1]
        else:
            break
    return line


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
    if rule.only_keys:
        yield Mutant(replace(rule, only_keys=()), ("only_keys",), "dropped: it looks at every key")


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
            node = _with_child(node, index, ask(child))
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
    for said, when in _changed(condition.when):
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
    for said, when in _changed(pattern.when) if pattern.when is not None else ():
        yield said, replace(pattern, when=when)


def _of_duration(nanoseconds: int) -> Iterator[tuple[str, int]]:
    """Half and double of it, if there is one."""
    for changed in (nanoseconds // 2, nanoseconds * 2) if nanoseconds else ():
        yield f"{duration_words(nanoseconds)} → {duration_words(changed)}", changed


def _of_clear(clear: Clear) -> Iterator[Change[Clear]]:
    for said, when in _changed(clear.when) if clear.when is not None else ():
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


def _changed(node: Expression) -> Iterator[tuple[str, Expression]]:
    """The tree with one change somewhere in it, for every such change."""
    yield from _changed_here(node)
    whole = isinstance(node, Comparison) and any(_is_whole(operand) for operand in node.operands)
    for index, child in enumerate(children(node)):
        for said, changed in _nudged(child, whole) if isinstance(child, Number) else _changed(child):
            yield said, _with_child(node, index, changed)


def _is_whole(node: Expression) -> bool:
    """Whether its values are whole numbers: hours, counts, what was rounded."""
    if isinstance(node, Window):
        return isinstance(node.kind, Clock) or node.kind in (*_COUNTS, Members("count"))
    return isinstance(node, Function) and node.name in _ROUNDED


def _nudged(number: Number, whole: bool) -> Iterator[tuple[str, Number]]:
    """A little more and a little less; beside whole numbers by a whole one, since less changes nothing there.

    The text changes too: the engine shares a window between conditions that say the same.
    """
    step, words = (abs(number.value) * NUDGE, "5 %") if number.value else (1.0, "1")
    if whole:
        step = max(1.0, float(round(step)))
        words = f"{step:g}"
    for word, value in (("raised", number.value + step), ("lowered", number.value - step)):
        yield f"{number.text} {word} by {words}", Number(value, repr(value))


def _changed_here(node: Expression) -> Iterator[tuple[str, Expression]]:
    match node:
        case Comparison(operands, operators):
            for index, operator in enumerate(operators):
                flipped = (*operators[:index], _FLIPPED[operator], *operators[index + 1 :])
                changed = Comparison(operands, flipped)
                yield f"{unparse(node)} → {unparse(changed)}", changed
        case And(operands):
            yield f"{unparse(node)}: and → or", Or(operands)
        case Or(operands):
            yield f"{unparse(node)}: or → and", And(operands)


def _with_child(node: Expression, index: int, changed: Expression) -> Expression:
    """The node with another child at the index that it has in `children`."""
    for name in _PLACES:
        held = getattr(node, name, None)
        inside = held if isinstance(held, tuple) else () if held is None else (held,)
        if index < len(inside):
            tree: Any = node
            value = (*inside[:index], changed, *inside[index + 1 :]) if isinstance(held, tuple) else changed
            result: Expression = replace(tree, **{name: value})
            return result
        index -= len(inside)
    return node
