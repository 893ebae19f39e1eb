"""Conditions that mean the same in other words: the order of operands, the side of a constant, `not` before a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from iotrules.language.unparse import unparse
from iotrules.model.expression import (
    And,
    Arithmetic,
    Comparison,
    Expression,
    FieldRef,
    Flag,
    Function,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    Text,
    Window,
)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def same_text(node: Expression) -> str:
    """A text that two conditions share only if the same values make them true, false and unknown."""
    match node:
        case And() | Comparison():
            return _joined(" and ", _conjuncts(node))
        case Or() | Membership():
            return _joined(" or ", _disjuncts(node))
        case Not(operand=Not(operand=operand)):
            return same_text(operand)
        case Not(operand=Comparison(operands=(left, right), operators=(operator,))):
            return _line(left, _OPPOSITE[operator], right)
        case Not(operand=operand):
            return f"not ({same_text(operand)})"
        case Negate(operand=operand):
            return f"-({same_text(operand)})"
        case Arithmetic(operator=sign, left=left, right=right):
            sides = [same_text(left), same_text(right)]
            return f"({f' {sign} '.join(sorted(sides) if sign in '+*' else sides)})"
        case Window(argument=argument):
            return unparse(replace(node, argument=_named(argument)), canonical=True)
        case Function(arguments=arguments):
            return unparse(replace(node, arguments=tuple(map(_named, arguments))), canonical=True)
    return unparse(node, canonical=True)


def _named(node: Expression) -> Expression:
    """What reads in the text of the node around it as its own text."""
    return FieldRef(same_text(node))


def _joined(word: str, parts: Iterator[str]) -> str:
    found = sorted(set(parts))
    return found[0] if len(found) == 1 else f"({word.join(found)})"


def _conjuncts(node: Expression) -> Iterator[str]:
    """A chain of comparisons is all of its lines."""
    match node:
        case And(operands=operands):
            for operand in operands:
                yield from _conjuncts(operand)
        case Comparison(operands=operands, operators=operators):
            for (left, right), operator in zip(pairwise(operands), operators, strict=True):
                yield _line(left, operator, right)
        case _:
            yield same_text(node)


def _disjuncts(node: Expression) -> Iterator[str]:
    match node:
        case Or(operands=operands):
            for operand in operands:
                yield from _disjuncts(operand)
        case Membership(operand=operand, choices=choices):
            for choice in choices:
                yield _line(operand, "==", choice)
        case _:
            yield same_text(node)


def _line(left: Expression, operator: str, right: Expression) -> str:
    """A comparison with its constant at the right; of two quantities the first of the alphabet at the left."""
    one, other = ((isinstance(side, Number | Text | Flag), same_text(side)) for side in (left, right))
    if one > other:
        one, operator, other = other, _MIRRORED[operator], one
    return f"{one[1]} {operator} {other[1]}"
