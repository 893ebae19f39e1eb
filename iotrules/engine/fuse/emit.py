"""A checked condition as statements over local variables: three truth values, each sub-expression once.

House rule: it does what `evaluate` does, and raises DomainError where that notes a fault.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple, assert_never

from iotrules.engine.functions import DomainError, apply
from iotrules.engine.fuse.writing import Writer
from iotrules.engine.registry import read_state
from iotrules.engine.tracks import Track
from iotrules.model.expression import (
    And,
    Arithmetic,
    AttributeRef,
    Comparison,
    Expression,
    FieldRef,
    Firing,
    Flag,
    Function,
    LabelRef,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    StateRef,
    Text,
    Value,
    Window,
)

_SAFE = frozenset({"abs", "min", "max"})
"""Python's own do what `apply` does: of finite numbers they make a finite number, without a fault."""

_LARGEST = repr(sys.float_info.max)


class Operand(NamedTuple):
    """A local variable or a constant, and whether it may be None at run time."""

    text: str
    unknown: bool


class Emitter:
    """Emits what conditions over one track need: `track` is its name in the code, `windows` what was read of them.

    `firing` are the counts of what fires, for what is asked of other rules.
    """

    def __init__(
        self,
        writer: Writer,
        track: str,
        fields: dict[str, str],
        windows: Mapping[Window, Operand],
        firing: Mapping[Firing, object],
    ) -> None:
        self._writer = writer
        self._track = track
        self._firing = firing
        self._fields = fields
        self._windows = windows
        self._known: dict[Expression, Operand] = {}

    def value(self, node: Expression) -> Operand:
        """The operand that holds the node's value, computed by now."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._emit(node)
        return found

    def _emit(self, node: Expression) -> Operand:
        match node:
            case Number(value):
                return Operand(repr(value) if value >= 0 else f"({value!r})", unknown=False)
            case Text(value):
                return Operand(self._writer.bind(value), unknown=False)
            case Flag(value):
                return Operand(repr(value), unknown=False)
            case FieldRef(name):
                return Operand(self._fields[name], unknown=True)
            case LabelRef(name):
                return self._assign(f"labels[{self._writer.bind(name)}]", unknown=False)
            case AttributeRef(name):
                return self._assign(f"{self._track}.attributes.get({self._writer.bind(name)})", unknown=True)
            case StateRef():
                read = self._writer.bind(_state)
                return self._assign(f"{read}({self._writer.bind(node)}, {self._track})", unknown=True)
            case Window():
                return self._windows[node]
            case Firing(same=same):
                labels = "".join(f"labels[{self._writer.bind(name)}], " for name in same)
                return self._assign(f"({labels}) in {self._writer.bind(self._firing[node])}", unknown=False)
            case Function():
                return self._function(node)
            case Negate(operand):
                inner = self.value(operand)
                return self._unless((inner,), f"-{inner.text}")
            case Arithmetic():
                return self._arithmetic(node)
            case Comparison():
                return self._comparison(node)
            case Membership(operand, choices):
                inner = self.value(operand)
                listed = "".join(f"{self.value(choice).text}, " for choice in choices)
                return self._unless((inner,), f"{inner.text} in ({listed})")
            case Not(operand):
                inner = self.value(operand)
                return self._unless((inner,), f"not {inner.text}")
            case And(operands):
                return self._joined([self.value(operand) for operand in operands], decisive=False)
            case Or(operands):
                return self._joined([self.value(operand) for operand in operands], decisive=True)
            case _:
                assert_never(node)

    def _assign(self, text: str, *, unknown: bool) -> Operand:
        name = self._writer.name("x")
        self._writer.line(f"{name} = {text}")
        return Operand(name, unknown)

    def _unless(self, operands: Iterable[Operand], text: str) -> Operand:
        """`text`, but unknown where one of the operands is."""
        missing = _any_is("None", operands)
        return self._assign(f"None if {missing} else {text}" if missing else text, unknown=bool(missing))

    def _arithmetic(self, node: Arithmetic) -> Operand:
        left, right = self.value(node.left), self.value(node.right)
        name, missing = self._writer.name("x"), _any_is("None", (left, right))
        if missing:
            with self._writer.block(f"if {missing}:"):
                self._writer.line(f"{name} = None")
            with self._writer.block("else:"):
                self._checked(name, node.operator, left, right)
        else:
            self._checked(name, node.operator, left, right)
        return Operand(name, bool(missing))

    def _checked(self, name: str, operator: str, left: Operand, right: Operand) -> None:
        fault = self._writer.bind(DomainError)
        if operator == "/":
            with self._writer.block(f"if {right.text} == 0:"):
                self._writer.line(f"raise {fault}")
        self._writer.line(f"{name} = {left.text} {operator} {right.text}")
        with self._writer.block(f"if not -{_LARGEST} <= {name} <= {_LARGEST}:"):
            self._writer.line(f"raise {fault}")

    def _function(self, node: Function) -> Operand:
        arguments = [self.value(argument) for argument in node.arguments]
        if node.name == "has":
            return self._assign(f"{arguments[0].text} is not None", unknown=False)
        given = ", ".join(argument.text for argument in arguments)
        if node.name in _SAFE:
            return self._unless(arguments, f"{node.name}({given})")
        text = f"{self._writer.bind(apply)}({self._writer.bind(node)}, [{given}])"
        return self._unless(arguments, text)

    def _comparison(self, node: Comparison) -> Operand:
        operands = [self.value(operand) for operand in node.operands]
        pairs = zip(operands, node.operators, operands[1:], strict=False)
        links = [self._unless((left, right), f"{left.text} {word} {right.text}") for left, word, right in pairs]
        return links[0] if len(links) == 1 else self._joined(links, decisive=False)

    def _joined(self, operands: list[Operand], *, decisive: bool) -> Operand:
        """Kleene's `and` (decided by one False) and `or` (by one True)."""
        word = "or" if decisive else "and"
        unknown = _any_is("None", operands)
        if not unknown:
            return self._assign(f" {word} ".join(operand.text for operand in operands), unknown=False)
        decided = _any_is(repr(decisive), operands, certain=True)
        return self._assign(f"{decisive} if {decided} else None if {unknown} else {not decisive}", unknown=True)


def _state(node: StateRef, track: Track) -> Value | None:
    """What functions persisted for the key; DomainError where it is of another type."""
    faults: list[str] = []
    value = read_state(node, track.remembered, faults)
    if faults:
        raise DomainError(faults[0])
    return value


def _any_is(what: str, operands: Iterable[Operand], *, certain: bool = False) -> str:
    """The test for one of the operands being `what`; of those that may be unknown, or of all."""
    texts = dict.fromkeys(operand.text for operand in operands if certain or operand.unknown)
    return " or ".join(f"{text} is {what}" for text in texts)
