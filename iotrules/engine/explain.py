"""Why a condition is true, false or unknown, in words with the values: `temp 79 is not > 85`."""

from __future__ import annotations

from iotrules.engine.evaluate import Scope, evaluate, truth
from iotrules.language.unparse import unparse
from iotrules.model.expression import (
    And,
    AttributeRef,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Flag,
    Function,
    LabelRef,
    Membership,
    Not,
    Number,
    Or,
    StateRef,
    Text,
    Truth,
    Value,
    Window,
    children,
)


def because(node: Expression, scope: Scope) -> str:
    """The comparisons that decided, joined; for a true `or` those that held, for a false `and` those that failed."""
    match node:
        case And(operands):
            return _decisive(operands, scope, " and ", against=False)
        case Or(operands):
            return _decisive(operands, scope, " or ", against=True)
        case Not(operand):
            return because(operand, scope)
        case Comparison():
            return _comparison(node, scope)
        case Membership(operand, choices):
            members = ", ".join(unparse(choice) for choice in choices)
            word = _verdict(truth(node, scope), "in", "is not in", "may be in")
            return f"{named(operand, scope)} {word} [{members}]"
        case _:
            word = _verdict(truth(node, scope), "is true", "is false", "is unknown")
            return f"{unparse(node)} {word}"


def read_values(node: Expression, scope: Scope) -> tuple[tuple[str, Value | None], ...]:
    """All that the condition reads, and its windows and functions, each once with its value, in reading order."""
    seen: dict[str, Value | None] = {}

    def visit(inner: Expression) -> None:
        match inner:
            case FieldRef() | LabelRef():
                seen.setdefault(inner.name, evaluate(inner, scope))
            case Window() | AttributeRef() | StateRef() | Firing():
                seen.setdefault(unparse(inner), evaluate(inner, scope))
            case _:
                if isinstance(inner, Function):
                    seen.setdefault(unparse(inner), evaluate(inner, scope))
                for child in children(inner):
                    visit(child)

    visit(node)
    return tuple(seen.items())


def _decisive(operands: tuple[Expression, ...], scope: Scope, joint: str, *, against: bool) -> str:
    """`against` is the truth that decides alone: False for `and`, True for `or`."""
    truths = [(operand, truth(operand, scope)) for operand in operands]
    alone = [operand for operand, value in truths if value is against]
    unknown = [operand for operand, value in truths if value is None]
    chosen = alone or unknown or [operand for operand, _ in truths]
    return joint.join(because(operand, scope) for operand in chosen)


def _comparison(node: Comparison, scope: Scope) -> str:
    words = [named(node.operands[0], scope)]
    denied = truth(node, scope) is False
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        words.append(f"is not {operator}" if denied else operator)
        words.append(named(operand, scope))
        denied = False
    return " ".join(words)


def named(node: Expression, scope: Scope) -> str:
    """`temp 79`, or a constant as its author wrote it."""
    match node:
        case Number(value, text):
            return f"{text} ({shown(value)})" if _converted(value, text) else text
        case Text() | Flag():
            return unparse(node)
        case _:
            return f"{unparse(node)} {shown(evaluate(node, scope))}"


def _converted(value: float, text: str) -> bool:
    """Was a quantity given in another unit than the field's? Then both are shown."""
    number, space, _ = text.partition(" ")
    return bool(space) and float(number) != value


def shown(value: Value | None) -> str:
    """A value for people: up to six significant digits."""
    match value:
        case None:
            return "(unknown)"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case _:
            return f'"{value}"'


def _verdict(value: Truth, yes: str, no: str, unknown: str) -> str:
    return unknown if value is None else yes if value else no
