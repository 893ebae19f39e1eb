"""What checking a condition works with: names in scope, typed nodes, noted problems, units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from iotrules.language import units
from iotrules.language.parameters import Arguments
from iotrules.language.quantities import Measure, fit
from iotrules.language.syntax import ExpressionError
from iotrules.model.expression import AttributeRef, Expression, Flag, Number
from iotrules.model.registry import Registry
from iotrules.model.rules import Field, FieldType
from iotrules.model.zones import Zone

A = {FieldType.NUMBER: "a number", FieldType.TEXT: "text", FieldType.FLAG: "true or false"}
"""Types in words."""


RuleLabels: TypeAlias = Mapping[str, tuple[str, ...] | None]
"""Every rule with the labels that it is kept by; None: a template, or one that can't be told because it is wrong."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may name: the fields of its stream and the labels that its rule is kept by."""

    stream: str
    fields: dict[str, Field]
    labels: tuple[str, ...]
    other_labels: tuple[str, ...] = ()
    """Captures of the topic that the rule's `by` leaves out."""
    zones: Mapping[str, Zone | None] = field(default_factory=dict)
    """A zone is None if it is declared but has problems of its own."""
    arguments: Arguments = field(default_factory=dict)
    """What stands for the parameters of a template."""
    rules: RuleLabels | None = None
    """The rules whose alerts it may ask for; None where it may not."""
    templates: frozenset[str] = frozenset()
    """Those of them that are templates."""
    registry: Registry | None = None
    registry_given: bool = False
    """A registry that is given and is None has problems of its own, which are told there."""
    group: tuple[str, ...] = ()
    """The labels that a key shares with those that outlier() compares it with, where it names none."""
    fresh: int | None = None
    """For how many ns the stream's values count, if that is known."""
    joined: tuple[str, ...] = ()
    """Second and further streams of the rule: their fields stand behind their name and a dot."""
    voting: Voting | None = None
    """Of a rule with across, which by itself has no fields."""
    steps: Steps | None = None
    """Of a step of a sequence: what it may read of others. Their fields and captures stand behind NAME and a dot."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The named steps that have come when a step is looked at, and those that have not."""

    come: tuple[str, ...]
    later: tuple[str, ...]
    nothing_because: str = ""
    """Why none of them can be read here."""


@dataclass(frozen=True, slots=True)
class Voting:
    """How a rule with across looks over the members of its key: how old a value may be, and how many there must be."""

    across: str
    fresh: int
    least: int
    member: Scope
    """What a member works out by itself may name."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked node: its type (None: wrong, and noted), what it measures, and whether it reads anything."""

    node: Expression
    type: FieldType | None
    measure: Measure
    start: int
    reads: bool = False
    names: tuple[str, ...] = ()
    """For a text field with `one_of`: the values it can have."""


@dataclass(slots=True)
class Checker:
    scope: Scope
    problems: list[ExpressionError] = field(default_factory=list)
    in_window: bool = False

    def wrong(self, start: int, message: str, hint: str = "") -> Typed:
        self.problems.append(ExpressionError(start, message, hint))
        return Typed(Flag(False), None, Measure(), start, reads=True)


def need(checker: Checker, typed: Typed, wanted: FieldType, why: str) -> bool:
    if typed.type is None or typed.type is wanted:
        return typed.type is not None
    checker.wrong(typed.start, f"{why}, not {A[typed.type]}")
    return False


def settled(checker: Checker, typed: Typed, target: Measure | None = None) -> Typed:
    """A quantity becomes a number: in the unit of `target`, or in its own."""
    pending = typed.measure.pending
    if pending is None:
        return typed
    try:
        value, measure = fit(pending, target)
    except units.UnitError as error:
        return checker.wrong(typed.start, str(error))
    return Typed(Number(value, pending.text), FieldType.NUMBER, measure, typed.start)


def fit_pair(checker: Checker, left: Typed, right: Typed, *, interval: bool = False) -> tuple[Typed, Typed]:
    """Both in one unit; refused if they don't fit."""
    target = next((t.measure for t in (left, right) if t.measure.pending is None), None)
    if target is not None and interval:
        target = target.as_interval()
    left, right = settled(checker, left, target), settled(checker, right, target)
    if left.type is None or right.type is None:
        return left, right
    one, other = left.measure.unit, right.measure.unit
    if one and other and not units.same(one, other):
        message = f"one side is in {one}, the other in {other}"
        attribute = next((t for t in (right, left) if isinstance(t.node, AttributeRef)), None)
        hint = "have the device report both in one unit"
        if attribute is not None:
            wanted = one if attribute is right else other
            hint = f"give the registry's column in {wanted}: have {wanted} behind its name, and convert its values"
        return left, checker.wrong(right.start, message, hint)
    return left, right
