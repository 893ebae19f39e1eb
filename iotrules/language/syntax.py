"""The tree of a condition as it was written, with offsets into its text: grammar only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

Compare: TypeAlias = OneOf["==", "!=", "<", "<=", ">", ">="]
Operator: TypeAlias = OneOf["+", "-", "*", "/"]
LiteralKind: TypeAlias = OneOf["number", "quantity", "duration", "share", "text", "flag"]


class ExpressionError(Exception):
    """Something wrong in a condition, `offset` characters into its text."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        self.offset = offset
        self.message = message
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. Durations are in ns; a share's value is the number before its `%`."""

    kind: LiteralKind
    value: float | str | bool
    unit: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Dotted:
    """`attr.max_temp`: a name of something other than the rule's own stream."""

    namespace: str
    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Syntax, ...]
    options: tuple[tuple[str, Syntax], ...]
    start: int


@dataclass(frozen=True, slots=True)
class Unary:
    operator: OneOf["-", "not"]
    operand: Syntax
    start: int


@dataclass(frozen=True, slots=True)
class Binary:
    operator: Operator
    left: Syntax
    right: Syntax
    start: int


@dataclass(frozen=True, slots=True)
class Chain:
    operands: tuple[Syntax, ...]
    operators: tuple[Compare, ...]
    start: int


@dataclass(frozen=True, slots=True)
class In:
    operand: Syntax
    choices: tuple[Syntax, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Listed:
    """`[site, line]`, behind an argument that takes a list."""

    items: tuple[Syntax, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Logic:
    operator: OneOf["and", "or"]
    operands: tuple[Syntax, ...]
    start: int


Syntax: TypeAlias = Literal | Name | Dotted | Call | Unary | Binary | Chain | In | Listed | Logic


def parts(node: Syntax) -> tuple[Syntax, ...]:
    """The direct operands of a node."""
    match node:
        case Literal() | Name() | Dotted():
            return ()
        case Call(arguments=arguments, options=options):
            return arguments + tuple(value for _, value in options)
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case In(operand=operand, choices=choices):
            return (operand, *choices)
        case Listed(items=items):
            return items
        case Chain(operands=operands) | Logic(operands=operands):
            return operands


def height(node: Syntax) -> int:
    """Levels of the tree; call it only on a tree with a bounded number of nodes."""
    return 1 + max((height(part) for part in parts(node)), default=0)
