"""Tokens to a syntax tree: precedence climbing, bounded in depth and nodes before recursion can hurt.

or  <  and  <  not  <  == != < <= > >= in  <  + -  <  * /  <  - (sign)  <  names, constants, calls, ( )
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from iotrules.language.syntax import (
    Binary,
    Call,
    Chain,
    Compare,
    Dotted,
    ExpressionError,
    In,
    Listed,
    Literal,
    Logic,
    Name,
    Operator,
    Syntax,
    Unary,
    height,
)
from iotrules.language.tokens import Token, tokenize

MAX_DEPTH = 32
MAX_NODES = 200

_PATH_HINT = "for a value inside nested JSON, declare a field with path: a.b in the stream"
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    at: int = 0
    depth: int = 0
    nodes: int = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def at_end(self) -> bool:
        return self.token.kind == "end"

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def sees(self, *texts: str) -> bool:
        return self.token.kind in ("word", "symbol") and self.token.text in texts

    def expect(self, text: str, why: str) -> None:
        if not self.sees(text):
            raise ExpressionError(self.token.start, f"expected {text} {why}, got {_shown(self.token)}")
        self.take()

    def grow(self, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"a condition has at most {MAX_NODES} parts"
            raise ExpressionError(self.token.start, message, "split it into several rules")

    def deepen(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(self.token.start, f"nested more than {MAX_DEPTH} levels deep")


def parse_syntax(text: str) -> Syntax:
    """The tree of a condition's text. ExpressionError at the first place that doesn't fit the grammar."""
    parser = _Parser(tokenize(text))
    if parser.at_end:
        raise ExpressionError(0, "the condition is empty", "write one, such as temp > 85")
    tree = _or(parser)
    if not parser.at_end:
        raise _unexpected(parser)
    if height(tree) > MAX_DEPTH:
        raise ExpressionError(0, f"nested more than {MAX_DEPTH} levels deep", "split it into several rules")
    return tree


def _unexpected(parser: _Parser) -> ExpressionError:
    token = parser.token
    before = parser.tokens[parser.at - 1] if parser.at else token
    if token.text == "=":
        return ExpressionError(token.start, "= compares nothing", "write ==")
    if token.text == ".":
        return ExpressionError(token.start, "nothing has attributes in a condition", _PATH_HINT)
    if token.text == "," and _in_a_number(parser):
        whole, part = before.text, parser.tokens[parser.at + 1].text
        hint = f"a number has a point: write {whole}.{part}"
        return ExpressionError(token.start, "a comma stands between the arguments of a function only", hint)
    if token.text == "(" and before.kind == "name":
        return ExpressionError(before.start, f"{_shown(before)} behind a dot is a name, not a function")
    if before.kind == "literal" and token.kind == "name":
        hint = "a unit stands behind one space and has none inside (85 degC, -0.5 bar/min)"
        return ExpressionError(token.start, f"expected an operator, got {_shown(token)}", hint)
    return ExpressionError(token.start, f"expected an operator or the end, got {_shown(token)}")


def _in_a_number(parser: _Parser) -> bool:
    """Is the comma one of `85,5`?"""
    before, comma, after = parser.tokens[parser.at - 1], parser.token, parser.tokens[parser.at + 1]
    literals = before.kind == after.kind == "literal"
    return literals and before.text.isdigit() and after.text[:1].isdigit() and after.start == comma.start + 1


def _shown(token: Token) -> str:
    return "the end" if token.kind == "end" else token.text[:40]


def _or(parser: _Parser) -> Syntax:
    return _logic(parser, "or")


def _logic(parser: _Parser, word: str) -> Syntax:
    """`a or b or c`; and, one level tighter, `a and b`."""
    below = _not if word == "and" else _and
    operands = [below(parser)]
    while parser.sees(word):
        parser.take()
        operands.append(below(parser))
    if len(operands) == 1:
        return operands[0]
    parser.grow()
    return Logic("and" if word == "and" else "or", tuple(operands), operands[0].start)


def _and(parser: _Parser) -> Syntax:
    return _logic(parser, "and")


def _not(parser: _Parser) -> Syntax:
    if not parser.sees("not"):
        return _comparison(parser)
    start = parser.take().start
    parser.grow()
    parser.deepen()
    operand = _not(parser)
    parser.depth -= 1
    return Unary("not", operand, start)


def _comparison(parser: _Parser) -> Syntax:
    first = _sum(parser)
    if parser.sees("in", "not"):
        return _membership(parser, first)
    operands, operators = [first], []
    while parser.sees(*_COMPARISONS):
        operators.append(cast(Compare, parser.take().text))
        operands.append(_sum(parser))
    if not operators:
        return first
    if parser.sees("in"):
        raise ExpressionError(parser.token.start, "a comparison and `in` side by side", "put one in parentheses")
    parser.grow()
    return Chain(tuple(operands), tuple(operators), first.start)


def _membership(parser: _Parser, operand: Syntax) -> Syntax:
    negated = parser.sees("not")
    if negated:
        parser.take()
    parser.expect("in", "after not")
    parser.expect("[", "after in")
    choices = [_sum(parser)]
    while parser.sees(","):
        parser.take()
        choices.append(_sum(parser))
    parser.expect("]", "after the list")
    parser.grow()
    found = In(operand, tuple(choices), operand.start)
    return Unary("not", found, operand.start) if negated else found


def _sum(parser: _Parser) -> Syntax:
    return _arithmetic(parser, ("+", "-"))


def _product(parser: _Parser) -> Syntax:
    return _arithmetic(parser, ("*", "/"))


def _arithmetic(parser: _Parser, operators: tuple[str, str]) -> Syntax:
    below = _product if operators == ("+", "-") else _sign
    left = below(parser)
    while parser.sees(*operators):
        operator = cast(Operator, parser.take().text)
        right = below(parser)
        parser.grow()
        left = Binary(operator, left, right, left.start)
    return left


def _sign(parser: _Parser) -> Syntax:
    """A sign belongs to the constant behind it: `-20 degC` is one value."""
    if not parser.sees("-"):
        return _primary(parser)
    start = parser.take().start
    literal = parser.token.literal
    if literal is not None and literal.kind not in ("text", "flag"):
        parser.take()
        parser.grow()
        return Literal(literal.kind, -float(literal.value), literal.unit, f"-{literal.text}", start)
    parser.grow()
    parser.deepen()
    operand = _sign(parser)
    parser.depth -= 1
    return Unary("-", operand, start)


def _primary(parser: _Parser) -> Syntax:
    parser.grow()
    token = parser.token
    if token.literal is not None:
        parser.take()
        return token.literal
    if parser.sees("("):
        return _parenthesised(parser)
    if token.kind != "name":
        raise ExpressionError(token.start, f"expected a value, got {_shown(token)}", _value_hint(token))
    parser.take()
    if parser.sees("("):
        return _call(parser, token)
    if parser.sees("."):
        return _dotted(parser, token)
    return Name(token.text, token.start)


def _dotted(parser: _Parser, namespace: Token) -> Dotted:
    """`attr.max_temp`, without spaces. What stands behind the dot may be called like a function."""
    dot = parser.take()
    name = parser.token
    adjacent = dot.start == namespace.start + len(namespace.text) and name.start == dot.start + 1
    if name.kind != "name" or name.text.startswith("_") or not adjacent:
        raise ExpressionError(dot.start, "nothing has attributes in a condition", _PATH_HINT)
    parser.take()
    return Dotted(namespace.text, name.text, namespace.start)


def _value_hint(token: Token) -> str:
    if token.text == "not":
        return "put `not …` in parentheses"
    return "a list stands behind `in` only" if token.text == "[" else ""


def _parenthesised(parser: _Parser) -> Syntax:
    parser.take()
    parser.deepen()
    inner = _or(parser)
    parser.depth -= 1
    parser.expect(")", "to close the parenthesis")
    return inner


def _call(parser: _Parser, name: Token) -> Syntax:
    parser.take()
    parser.deepen()
    arguments: list[Syntax] = []
    options: list[tuple[str, Syntax]] = []
    while not parser.sees(")"):
        if arguments or options:
            parser.expect(",", f"or ) in {name.text[:40]}(…)")
        _argument(parser, arguments, options)
    parser.take()
    parser.depth -= 1
    return Call(name.text, tuple(arguments), tuple(options), name.start)


def _listed(parser: _Parser) -> Listed:
    """`[site, line]`; it may be empty."""
    start = parser.take().start
    parser.grow()
    items: list[Syntax] = []
    while not parser.sees("]"):
        if items:
            parser.expect(",", "or ] in the list")
        items.append(_sum(parser))
    parser.take()
    return Listed(tuple(items), start)


def _argument(parser: _Parser, arguments: list[Syntax], options: list[tuple[str, Syntax]]) -> None:
    token, following = parser.token, parser.tokens[min(parser.at + 1, len(parser.tokens) - 1)]
    if token.kind == "name" and following.text == "=" and following.kind == "symbol":
        parser.at += 2
        options.append((token.text, _listed(parser) if parser.sees("[") else _or(parser)))
    elif options:
        raise ExpressionError(token.start, "a plain argument behind a named one", "write the named ones last")
    else:
        arguments.append(_or(parser))
