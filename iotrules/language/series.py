"""Calls of functions over a key's samples and its clock (`avg`, `prev`, `share`, `hour` …), to the checked node."""

from __future__ import annotations

from iotrules.language.quantities import Measure, scaled
from iotrules.language.syntax import Call, Literal, Syntax
from iotrules.language.time_zones import ZONE_HINT, refuse_zone
from iotrules.language.typed import Checker, Typed, need
from iotrules.language.words import NEWEST
from iotrules.model.expression import (
    Aggregate,
    Clock,
    Flag,
    Lag,
    Rank,
    Statistic,
    Text,
    Window,
    WindowKind,
    fields,
    least_samples,
)
from iotrules.model.rules import FieldType
from iotrules.yamlfile import nearest, quoted

MAX_MIN_SAMPLES = 1_000_000
MAX_LAG = 1000
_NUMBER, _TEXT, _FLAG = FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG
_RANKS = {"median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_OF_CONDITIONS = frozenset({Statistic.SHARE, Statistic.TIMES, Statistic.STREAK})
OF_CONDITIONS = frozenset(kind.value for kind in _OF_CONDITIONS)
"""The names of functions that take a condition."""

_OF_ANYTHING = frozenset({
    WindowKind.COUNT, Statistic.CHANGES, Statistic.STUCK, Statistic.CHANGED, Statistic.AGE
})  # fmt: skip
_FLAGS = frozenset({Statistic.STUCK, Statistic.CHANGED, Statistic.DRIFT})
_COUNTS = frozenset({WindowKind.COUNT, Statistic.CHANGES, Statistic.TIMES, Statistic.STREAK})
_PER_SECOND = frozenset({WindowKind.SLOPE, Statistic.RATE})
_DIFFERENCES = frozenset({Statistic.STDDEV, Statistic.RANGE, Statistic.INCREASE, Statistic.DELTA})
_BARE = frozenset({Statistic.SHARE, Statistic.ZSCORE, Statistic.ROBUST_ZSCORE})


def wrong_arguments(checker: Checker, syntax: Call) -> Typed | None:
    """The number of arguments, checked before any of them is; None if it is right."""
    name = syntax.function
    if name == "lag":
        wanted, what, usage = 2, "a value and how many samples ago", "lag(x, 3)"
    elif name == "streak":
        wanted, what, usage = 1, "a condition", "streak(x > 3)"
    elif name == "outlier":
        wanted, what, usage = 1, "a value", "outlier(x), or outlier(x, by=site)"
    elif name in NEWEST:
        wanted, what, usage = 1, "a value", f"{name}(x)"
    elif name == "quantile":
        wanted, what, usage = 3, "a value, a duration and a share", "quantile(x, 10m, 75%)"
    elif name in ("share", "times"):
        wanted, what, usage = 2, "a condition and a duration", f"{name}(x > 3, 10m)"
    else:
        wanted, what, usage = 2, "a value and a duration", f"{name}(x, 10m), or {name}(x, 10m, min_samples=5)"
    if len(syntax.arguments) == wanted:
        return None
    return checker.wrong(syntax.start, f"{name}() takes {what}", f"write {usage}")


def check_series(checker: Checker, syntax: Call, inner: Typed, before: int) -> Typed:
    """The checked node over the samples of `inner`; `before` is how many problems there were before the call."""
    kind = _kind(checker, syntax)
    name = kind.value
    duration = 0 if name in NEWEST else _duration(checker, syntax)
    least = _options(checker, syntax, kind)
    _need_argument(checker, name, kind, inner)
    if inner.type is not None and not fields(inner.node):
        checker.wrong(inner.start, f"{name}() of something that reads no field", "name a field of the stream")
    if len(checker.problems) > before or inner.type is None:
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    node = Window(kind, inner.node, duration, least)
    of_flag = isinstance(kind, Lag) and inner.type is _FLAG
    type_ = _FLAG if kind in _FLAGS or of_flag else _NUMBER
    return Typed(node, type_, _measure(kind, inner.measure), syntax.start, reads=True)


def check_clock(checker: Checker, syntax: Call) -> Typed:
    """`hour("Europe/Berlin")`: the zone is known when the rule is loaded."""
    name = syntax.function
    given = syntax.arguments[0] if len(syntax.arguments) == 1 and not syntax.options else None
    if not isinstance(given, Literal) or given.kind != "text":
        return checker.wrong(syntax.start, f"{name}() takes a time zone", f'write {name}("Europe/Berlin")')
    zone = str(given.value)
    if refused := refuse_zone(zone):
        return checker.wrong(given.start, refused, ZONE_HINT)
    kind = Clock("hour" if name == "hour" else "weekday", zone)
    return Typed(Window(kind, Text(zone), 0, least_samples(kind)), _NUMBER, Measure(), syntax.start, reads=True)


def _kind(checker: Checker, syntax: Call) -> Aggregate:
    name = syntax.function
    match name:
        case "median" | "p50" | "p90" | "p95" | "p99":
            return Rank(name, _RANKS[name])
        case "quantile":
            return Rank("quantile", _share(checker, syntax.arguments[2]))
        case "prev":
            return Lag("prev", 1)
        case "lag":
            return Lag("lag", _whole(checker, syntax.arguments[1], "lag() goes back", 1, MAX_LAG))
    return WindowKind(name) if name in {kind.value for kind in WindowKind} else Statistic(name)


def _share(checker: Checker, given: Syntax) -> float:
    if isinstance(given, Literal) and given.kind in ("number", "share"):
        share = float(given.value) / (100 if given.kind == "share" else 1)
        if 0 <= share <= 1:
            return share
    checker.wrong(given.start, "quantile() takes a share from 0 to 1", "write 0.75, or 75%")
    return 0.5


def _whole(checker: Checker, given: Syntax, what: str, lowest: int, highest: int) -> int:
    if isinstance(given, Literal) and given.kind == "number":
        number = float(given.value)
        if number.is_integer() and lowest <= number <= highest:
            return int(number)
    checker.wrong(given.start, f"{what} a whole number from {lowest} to {highest}")
    return lowest


def _need_argument(checker: Checker, name: str, kind: Aggregate, inner: Typed) -> None:
    if kind in _OF_ANYTHING:
        return
    if kind in _OF_CONDITIONS:
        need(checker, inner, _FLAG, f"{name}() takes a condition")
    elif isinstance(kind, Lag):
        if inner.type is _TEXT:
            message = f"{name}() takes a number or a condition, not text"
            checker.wrong(inner.start, message, f'write {name}(x == "text"), or changed(x)')
    else:
        need(checker, inner, _NUMBER, f"{name}() takes a number")


def _measure(kind: Aggregate, inner: Measure) -> Measure:
    if kind in _COUNTS:
        return Measure(counted=True)
    if kind in _PER_SECOND:
        return Measure(unit=f"{inner.unit}/s" if inner.unit else "", kind="interval")
    if kind in _DIFFERENCES:
        return inner.as_interval()
    if kind is Statistic.SUM:
        return scaled(inner)
    if kind is Statistic.AGE:
        return Measure(unit="s", kind="interval")
    return Measure() if kind in _BARE or kind in _FLAGS else inner


def _duration(checker: Checker, syntax: Call) -> int:
    given = syntax.arguments[1]
    if isinstance(given, Literal) and given.kind == "duration" and float(given.value) > 0:
        return int(given.value)
    message = f"{syntax.function}() needs a duration here"
    checker.wrong(given.start, message, "write one without a space, as in 10m")
    return 1


def _options(checker: Checker, syntax: Call, kind: Aggregate) -> int:
    """`min_samples=`, which everything takes that looks at a window."""
    name, least = kind.value, least_samples(kind)
    takes = name not in NEWEST and kind is not Statistic.EWMA
    for index, (option, value) in enumerate(syntax.options):
        if option != "min_samples" or not takes:
            known = ["min_samples"] if takes else []
            checker.wrong(value.start, f"{name}() has no argument {quoted(option)}{nearest(option, known)}")
        elif index:
            checker.wrong(value.start, "min_samples is given twice")
        else:
            least = _whole(checker, value, "min_samples is", max(1, least), MAX_MIN_SAMPLES)
    return least
