"""A condition as a tree of what each part was at one instant, and what it lacks: `temp 84.2 needs > 85: 0.8 short`.

House rule: only what the plain interpreter says; at most `MAX_NODES` parts, and no text longer than `MAX_TEXT`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from iotrules.engine.evaluate import Scope, evaluate, truth
from iotrules.engine.explain import because, named, shown
from iotrules.language.unparse import unparse
from iotrules.model.evidence import Node, NodeKind
from iotrules.model.expression import (
    And,
    Arithmetic,
    Comparison,
    Expression,
    Flag,
    Function,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    Text,
    Truth,
    Value,
    children,
)

MAX_NODES = 64
MAX_TEXT = 200

WhyUnknown = Callable[[Expression], str]
"""Says why a field, window or other value is unknown; empty if there is nothing more to say."""

Operator = Literal["==", "!=", "<", "<=", ">", ">="]

_OPPOSITE: dict[Operator, Operator] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: dict[Operator, Operator] = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_BELOW = ("<", "<=")


def explain_tree(node: Expression, scope: Scope, why_unknown: WhyUnknown, wanted: bool = True) -> Node:
    """The condition's tree; words of a test that is not `wanted` say what it lacks to become so."""
    return _Maker(scope, why_unknown).condition(node, wanted)


def lacking(node: Node, wanted: bool = True) -> str:
    """What keeps the condition from being `wanted`, in words; empty if it is so."""
    if node.value is wanted:
        return ""
    if node.kind == "not" and node.parts:
        return lacking(node.parts[0], not wanted)
    if node.kind not in ("all", "any") or not node.parts:
        return node.words
    every = (node.kind == "all") is wanted
    parts = [(part, words) for part in node.parts if (words := lacking(part, wanted))]
    if len(parts) == 1:
        return parts[0][1]
    return (" and " if every else " or ").join(f"({words})" if _several(part) else words for part, words in parts)


def _several(node: Node) -> bool:
    """Does it join more than one thing?"""
    return _several(node.parts[0]) if node.kind == "not" and node.parts else node.kind in ("all", "any")


class _Maker:
    """Counts the nodes of one tree while it is made."""

    def __init__(self, scope: Scope, why_unknown: WhyUnknown) -> None:
        self._scope = scope
        self._why_unknown = why_unknown
        self._left = MAX_NODES

    def condition(self, node: Expression, wanted: bool) -> Node:
        """One condition, and what it is joined of."""
        self._left -= 1
        value = truth(node, self._scope)
        match node:
            case And(operands):
                return self._joined("all", operands, value, wanted)
            case Or(operands):
                return self._joined("any", operands, value, wanted)
            case Not(operand):
                return self._joined("not", (operand,), value, not wanted)
        values = self._values(node)
        unknown = [f"{part.text} is unknown: {part.words}" for part in values if part.value is None and part.words]
        words = "; ".join(unknown) if value is None and unknown else self._words(node, value, wanted)
        return Node("test", cut(unparse(node)), value, cut(words), values)

    def _joined(self, kind: NodeKind, operands: tuple[Expression, ...], value: Truth, wanted: bool) -> Node:
        parts = tuple(self.condition(operand, wanted) for operand in operands if self._left > 0)
        return Node(kind, {"all": "all of", "any": "any of"}.get(kind, "not"), value, "", parts)

    def _values(self, node: Expression) -> tuple[Node, ...]:
        """What the test read, down to fields, windows and functions, each once; constants are left out."""
        found: dict[str, Node] = {}
        waiting = [node]
        while waiting:
            inner = waiting.pop(0)
            if not isinstance(inner, Number | Text | Flag | Comparison | Membership | Arithmetic | Negate):
                self._note(inner, found)
            if isinstance(inner, Comparison | Membership | Arithmetic | Negate | Function):
                waiting += children(inner)
        return tuple(found.values())

    def _note(self, node: Expression, found: dict[str, Node]) -> None:
        text = unparse(node)
        if text in found or self._left <= 0:
            return
        self._left -= 1
        value = evaluate(node, self._scope)
        why = self._why_unknown(node) if value is None else ""
        found[text] = Node("value", cut(text), _bounded(value), cut(why))

    def _words(self, node: Expression, value: Truth, wanted: bool) -> str:
        if value is None:
            return cut(because(node, self._scope))
        if isinstance(node, Comparison):
            return self._comparison(node, value, wanted)
        words = because(node, self._scope)
        return words if value is wanted else f"{words}; needs {'true' if wanted else 'false'}"

    def _comparison(self, node: Comparison, value: bool, wanted: bool) -> str:
        if len(node.operators) > 1 and not wanted:
            words = because(node, self._scope)
            return f"{words}; needs false" if value else words
        steps = zip(node.operands, node.operators, node.operands[1:], strict=False)
        told = [self._step(left, operator, right, wanted) for left, operator, right in steps]
        lacks = [words for met, words in told if not met]
        return " and ".join(lacks or [words for _, words in told])

    def _step(self, left: Expression, operator: Operator, right: Expression, wanted: bool) -> tuple[bool, str]:
        """Is one comparison of a chain as wanted? And its words."""
        if isinstance(left, Number | Text | Flag):
            left, operator, right = right, _MIRRORED[operator], left
        operator = operator if wanted else _OPPOSITE[operator]
        met = truth(Comparison((left, right), (operator,)), self._scope)
        subject, object_ = named(left, self._scope), named(right, self._scope)
        if met is not False:
            return met is True, f"{subject} {operator} {object_}"
        gap = _gap(evaluate(left, self._scope), operator, evaluate(right, self._scope))
        return False, f"{subject} needs {operator} {object_}{gap}"


def _gap(left: Value | None, operator: str, right: Value | None) -> str:
    """How far a number is from where it needs to be."""
    if operator in ("==", "!=") or not isinstance(left, float) or not isinstance(right, float):
        return ""
    if left == right:
        return ": equal is not enough"
    return f": {shown(abs(left - right))} {'too much' if operator in _BELOW else 'short'}"


def _bounded(value: Value | None) -> Value | None:
    return cut(value) if isinstance(value, str) else value


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """The text, at most `limit` long."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
