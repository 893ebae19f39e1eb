"""A checked condition back to text: as its author wrote it, or canonical for comparing meanings."""

from __future__ import annotations

from typing import assert_never

from iotrules.model.expression import (
    And,
    Arithmetic,
    AttributeRef,
    Clock,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Flag,
    Function,
    LabelRef,
    Lag,
    Members,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    Outlier,
    Rank,
    StateRef,
    Text,
    Window,
    least_samples,
)
from iotrules.model.times import duration_words

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _VALUE = range(8)


def unparse(node: Expression, *, canonical: bool = False) -> str:
    """Text that reads back to an equal tree, with the fewest parentheses.

    `canonical` writes constants as plain numbers in the unit they were converted to: what means the same has
    the same text, but it does not read back where a unit was given.
    """
    return _write(node, _OR, canonical)


def _write(node: Expression, around: int, canonical: bool) -> str:
    text, level = _text(node, canonical)
    return f"({text})" if level < around else text


def _text(node: Expression, canonical: bool) -> tuple[str, int]:
    """The node's text and how tight its outermost operator binds."""
    match node:
        case Number(value=value, text=text):
            return (repr(value) if canonical else text), _VALUE
        case Text(value=value):
            return _quoted(value), _VALUE
        case Flag(value=flag):
            return ("true" if flag else "false"), _VALUE
        case FieldRef(name=name) | LabelRef(name=name):
            return name, _VALUE
        case Firing():
            return _firing(node, canonical), _VALUE
        case AttributeRef(name=name):
            return f"attr.{name}", _VALUE
        case StateRef(name=name):
            return f"state.{name}", _VALUE
        case Window():
            return _window(node, canonical), _VALUE
        case Function(name=name, arguments=arguments, zone=zone):
            words = [_write(argument, _OR, canonical) for argument in arguments]
            words += [] if zone is None else [repr(zone.shape) if canonical else _quoted(zone.name)]
            return f"{name}({', '.join(words)})", _VALUE
        case Negate(operand=operand):
            # A sign before a constant would become a part of it.
            inner = _write(operand, _VALUE + isinstance(operand, Number), canonical)
            return f"-{inner}", _SIGN
        case Not(operand=operand):
            return f"not {_write(operand, _NOT, canonical)}", _NOT
        case Arithmetic() | Comparison() | Membership() | And() | Or():
            return _joined(node, canonical)
    assert_never(node)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _firing(node: Firing, canonical: bool) -> str:
    same = f", same=[{', '.join(node.same)}]" if node.said or canonical else ""
    return f"firing({_quoted(node.rule)}{same})"


def _window(node: Window, canonical: bool) -> str:
    words = [_write(node.argument, _OR, canonical)]
    if isinstance(node.kind, Members | Outlier):
        return _over_members(node, node.kind, words[0], canonical)
    if node.duration:
        words.append(duration_words(node.duration))
    match node.kind:
        case Rank("quantile", share):
            words.append(repr(share))
        case Lag("lag", steps):
            words.append(str(steps))
        case Clock(zone=zone):
            words = [_quoted(zone)]
    if node.min_samples != least_samples(node.kind):
        words.append(f"min_samples={node.min_samples}")
    return f"{node.kind.value}({', '.join(words)})"


def _over_members(node: Window, kind: Members | Outlier, argument: str, canonical: bool) -> str:
    """How old a value may be and how many there must be is said by the rule, not by the condition."""
    if not canonical:
        return f"{kind.value}({argument}{kind.said if isinstance(kind, Outlier) else ''})"
    by = f", by={' '.join(kind.by)}" if isinstance(kind, Outlier) else ""
    return f"{kind.value}({argument}, fresh={node.duration}, min_members={node.min_samples}{by})"


def _joined(node: Arithmetic | Comparison | Membership | And | Or, canonical: bool) -> tuple[str, int]:
    match node:
        case Arithmetic(operator=operator, left=left, right=right):
            level = _SUM if operator in "+-" else _PRODUCT
            return f"{_write(left, level, canonical)} {operator} {_write(right, level + 1, canonical)}", level
        case Comparison(operands=operands, operators=operators):
            words = [_write(operand, _SUM, canonical) for operand in operands]
            rest = (f" {operator} {word}" for operator, word in zip(operators, words[1:], strict=True))
            return words[0] + "".join(rest), _COMPARE
        case Membership(operand=operand, choices=choices):
            listed = ", ".join(_write(choice, _SUM, canonical) for choice in choices)
            return f"{_write(operand, _SUM, canonical)} in [{listed}]", _COMPARE
        case And(operands=operands):
            return " and ".join(_write(operand, _NOT, canonical) for operand in operands), _AND
        case Or(operands=operands):
            return " or ".join(_write(operand, _AND, canonical) for operand in operands), _OR
    assert_never(node)
