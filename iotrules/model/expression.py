"""The checked tree of a condition: what the language hands to the engine, and what the engine walks.

Every node is built by `language` from checked text only. Quantities are converted when the rule is loaded, so numbers
here are in the unit of the field they are compared with, and durations are integer nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

from iotrules.model.zones import Zone

Value: TypeAlias = float | str | bool
"""What a field can hold. A missing value is None, and a condition over it is unknown (None too), never false."""

Truth: TypeAlias = bool | None
"""True, False, or None for unknown (Kleene)."""


class WindowKind(Enum):
    """Aggregates over the samples of the last `duration`."""

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    SLOPE = "slope"


class Statistic(Enum):
    """What else is worked out from a key's samples: over the last `duration`, or from the newest ones."""

    SUM = "sum"
    STDDEV = "stddev"
    FIRST = "first"
    LAST = "last"
    RANGE = "range"
    CHANGES = "changes"
    RATE = "rate"
    INCREASE = "increase"
    SHARE = "share"
    TIMES = "times"
    ZSCORE = "zscore"
    ROBUST_ZSCORE = "robust_zscore"
    EWMA = "ewma"
    STUCK = "stuck"
    DELTA = "delta"
    CHANGED = "changed"
    AGE = "age"
    STREAK = "streak"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Rank:
    """A quantile, `share` of the way up the sorted samples (0..1); `value` is what the author called it."""

    value: Literal["median", "p50", "p90", "p95", "p99", "quantile"]
    share: float


@dataclass(frozen=True, slots=True)
class Lag:
    """The value `steps` samples ago; `prev` is one."""

    value: Literal["prev", "lag"]
    steps: int


@dataclass(frozen=True, slots=True)
class Clock:
    """The key's local hour (0..23) or weekday (Monday 1 .. Sunday 7) in an IANA zone."""

    value: Literal["hour", "weekday"]
    zone: str


@dataclass(frozen=True, slots=True)
class Members:
    """Over the newest fresh values of the members of a group: `count(temp > 30)` of a rule with `across`."""

    value: Literal["count", "share", "any", "all", "avg", "min", "max", "sum", "stddev", "median"]


@dataclass(frozen=True, slots=True)
class Outlier:
    """How far a key's value lies from those of the other members of its group, in robust deviations.

    `by` are the labels that the members share; `said` is what the author wrote behind the value.
    """

    value: Literal["outlier"]
    by: tuple[str, ...]
    said: str


Aggregate: TypeAlias = WindowKind | Statistic | Rank | Lag | Clock | Members | Outlier
"""What a window node asks for; `value` is the function's name in a rule."""

_LEAST = {
    "count": 0, "times": 0, "slope": 2, "stddev": 2, "rate": 2, "increase": 2, "zscore": 2, "robust_zscore": 2,
    "stuck": 2,
}  # fmt: skip


def least_samples(kind: Aggregate) -> int:
    """With fewer samples it is unknown, unless the rule says another `min_samples`."""
    return _LEAST.get(kind.value, 1)


@dataclass(frozen=True, slots=True)
class Number:
    """A constant, in the unit of what it is compared with; `text` is what the author wrote (`185 degF`)."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Flag:
    value: bool


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value of a field of the rule's stream."""

    name: str


@dataclass(frozen=True, slots=True)
class LabelRef:
    """A capture of the topic (`device`, `site`), always text."""

    name: str


@dataclass(frozen=True, slots=True)
class Firing:
    """Has the rule a firing alert for some key with the labels `same` like this key's? Always known: true or false.

    `said`: the author wrote `same=`.
    """

    rule: str
    same: tuple[str, ...]
    said: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """`attr.max_temp`: what the registry says of the key's device; missing if it says nothing."""

    name: str


@dataclass(frozen=True, slots=True)
class StateRef:
    """`state.trips`: what functions persisted for the key, a number, text or flag by what it is compared with.

    None: whatever it is (`has`). What has another type is missing, and a fault of the rule.
    """

    name: str
    type: Literal["number", "text", "flag"] | None


@dataclass(frozen=True, slots=True)
class Window:
    """An aggregate of `argument` over the samples with time in (t - duration, t].

    Unknown with fewer than `min_samples` samples. `slope` is the least-squares slope per second. `duration` is 0 for
    what looks at the newest samples, however old (`prev`, `age`, `streak`), and at the clock.

    For `Members` and `Outlier`, `duration` is how old a member's value may be, `min_samples` how many must be there.
    """

    kind: Aggregate
    argument: Expression
    duration: int
    min_samples: int


@dataclass(frozen=True, slots=True)
class Function:
    """A function of its arguments' present values alone: `abs(temp - inlet)`, `starts_with(device, "b")`.

    `zone` is where `inside` looks; it stands behind the arguments.
    """

    name: str
    arguments: tuple[Expression, ...]
    zone: Zone | None = None


@dataclass(frozen=True, slots=True)
class Negate:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Comparison:
    """A chain: `20 < temp < 30` has three operands and two operators."""

    operands: tuple[Expression, ...]
    operators: tuple[Literal["==", "!=", "<", "<=", ">", ">="], ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """`fan in ["running", "stopped"]`."""

    operand: Expression
    choices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]


Expression: TypeAlias = (
    Number
    | Text
    | Flag
    | FieldRef
    | LabelRef
    | Firing
    | AttributeRef
    | StateRef
    | Window
    | Function
    | Negate
    | Arithmetic
    | Comparison
    | Membership
    | Not
    | And
    | Or
)


def children(node: Expression) -> tuple[Expression, ...]:
    """The direct operands of a node, in reading order."""
    match node:
        case Number() | Text() | Flag() | FieldRef() | LabelRef() | AttributeRef() | StateRef() | Firing():
            return ()
        case Window(argument=inner) | Negate(operand=inner) | Not(operand=inner):
            return (inner,)
        case Arithmetic(left=left, right=right):
            return (left, right)
        case Membership(operand=operand, choices=choices):
            return (operand, *choices)
        case Function(arguments=operands):
            return operands
        case Comparison(operands=operands) | And(operands=operands) | Or(operands=operands):
            return operands


def windows(node: Expression) -> tuple[Window, ...]:
    """Every window in the tree, outermost first."""
    here = (node,) if isinstance(node, Window) else ()
    return here + tuple(window for child in children(node) for window in windows(child))


def own_windows(node: Expression) -> tuple[Window, ...]:
    """The windows over the key's own samples: no aggregates over members, nor what each member works out for them."""
    if isinstance(node, Window) and isinstance(node.kind, Members):
        return ()
    here = (node,) if isinstance(node, Window) else ()
    return here + tuple(window for child in children(node) for window in own_windows(child))


def over_members(node: Expression) -> tuple[Window, ...]:
    """The aggregates over members, in reading order."""
    return tuple(window for window in windows(node) if isinstance(window.kind, Members))


def fields(node: Expression) -> frozenset[str]:
    """The names of all fields that the tree reads."""
    here = frozenset({node.name}) if isinstance(node, FieldRef) else frozenset()
    return here.union(*(fields(child) for child in children(node)))


def names(node: Expression) -> frozenset[str]:
    """The names of all fields and labels that the tree reads."""
    here = frozenset({node.name}) if isinstance(node, FieldRef | LabelRef) else frozenset()
    return here.union(*(names(child) for child in children(node)))


def firings(node: Expression) -> frozenset[Firing]:
    """What the tree asks of other rules' alerts."""
    here = frozenset({node}) if isinstance(node, Firing) else frozenset()
    return here.union(*(firings(child) for child in children(node)))


def attributes(node: Expression) -> frozenset[str]:
    """The names of all attributes of the registry that the tree reads."""
    here = frozenset({node.name}) if isinstance(node, AttributeRef) else frozenset()
    return here.union(*(attributes(child) for child in children(node)))


def states(node: Expression) -> frozenset[str]:
    """The names of all that the tree reads of what functions persisted."""
    here = frozenset({node.name}) if isinstance(node, StateRef) else frozenset()
    return here.union(*(states(child) for child in children(node)))
