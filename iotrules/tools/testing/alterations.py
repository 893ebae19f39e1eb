"""Small changes to a condition: comparisons, thresholds, logic, windows.

House rule: changed is the checked tree, never the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

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
    Outlier,
    Statistic,
    Window,
    WindowKind,
    children,
    least_samples,
    windows,
)

NUDGE = 0.05
"""Share of a threshold; a threshold of 0 moves by 1, one of whole numbers at least by 1."""

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
_FLIPPED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "=="}

_COUNTS = frozenset({WindowKind.COUNT, Statistic.CHANGES, Statistic.TIMES, Statistic.STREAK})
_ROUNDED = frozenset({"round", "floor", "ceil"})

_PLACES = ("argument", "operand", "left", "right", "operands", "choices", "arguments")
"""The names under which nodes hold their children, in reading order."""


def altered(node: Expression) -> Iterator[tuple[str, Expression]]:
    """The tree with one change somewhere in it, for every such change."""
    yield from _changed_here(node)
    whole = isinstance(node, Comparison) and any(_is_whole(operand) for operand in node.operands)
    for index, child in enumerate(children(node)):
        for said, changed in _nudged(child, whole) if isinstance(child, Number) else altered(child):
            yield said, with_child(node, index, changed)


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


def own_lengths(nodes: Iterable[Expression]) -> list[int]:
    """The lengths (ns) of the windows over a key's own samples, each once."""
    return list(dict.fromkeys(one.duration for node in nodes for one in _own_windows(node) if one.duration))


def own_needs(nodes: Iterable[Expression]) -> list[int]:
    """What such windows say as `min_samples`, each once."""
    asked = (one for node in nodes for one in _own_windows(node) if one.min_samples != least_samples(one.kind))
    return list(dict.fromkeys(one.min_samples for one in asked))


def _own_windows(node: Expression) -> list[Window]:
    return [one for one in windows(node) if not isinstance(one.kind, Clock | Members | Outlier)]


def with_windows(node: Expression, change: Callable[[Window], Window]) -> Expression:
    """The tree with each window over a key's own samples changed."""
    if isinstance(node, Window) and not isinstance(node.kind, Clock | Members | Outlier):
        return change(node)
    for index, child in enumerate(children(node)):
        node = with_child(node, index, with_windows(child, change))
    return node


def with_child(node: Expression, index: int, changed: Expression) -> Expression:
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
