"""Calls of functions of present values (`abs`, `lower`, `distance` …): types and units, to the checked node."""

from __future__ import annotations

from iotrules.language import units
from iotrules.language.patterns import PatternError, compiled
from iotrules.language.quantities import Measure
from iotrules.language.syntax import Call
from iotrules.language.typed import Checker, Typed, fit_pair, need, settled
from iotrules.model.expression import AttributeRef, FieldRef, Flag, Function, Number, StateRef, Text
from iotrules.model.rules import FieldType
from iotrules.model.zones import Circle, Zone
from iotrules.yamlfile import nearest, quoted

_NUMBER, _TEXT, _FLAG = FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG
_MANY = 99
_USAGE: dict[str, tuple[int, int, str]] = {
    "abs": (1, 1, "abs(x)"),
    "min": (2, _MANY, "min(a, b), or over time min(x, 10m)"),
    "max": (2, _MANY, "max(a, b), or over time max(x, 10m)"),
    "clamp": (3, 3, "clamp(x, 0, 100)"),
    "round": (1, 1, "round(x)"),
    "floor": (1, 1, "floor(x)"),
    "ceil": (1, 1, "ceil(x)"),
    "sqrt": (1, 1, "sqrt(x)"),
    "log": (1, 1, "log(x), the natural logarithm"),
    "exp": (1, 1, "exp(x)"),
    "mod": (2, 2, "mod(x, 10)"),
    "starts_with": (2, 2, 'starts_with(x, "text")'),
    "ends_with": (2, 2, 'ends_with(x, "text")'),
    "contains": (2, 2, 'contains(x, "text")'),
    "lower": (1, 1, "lower(x)"),
    "has": (1, 1, "has(x)"),
    "matches": (2, 2, 'matches(x, "^b[0-9]+$")'),
    "distance": (4, 4, "distance(lat, lon, 52.5, 13.4)"),
    "inside": (3, 3, 'inside(lat, lon, "zone")'),
}
TEXTUAL = frozenset({"starts_with", "ends_with", "contains", "lower", "matches"})
_BARE = frozenset({"sqrt", "log", "exp"})


def check_function(checker: Checker, syntax: Call, arguments: list[Typed]) -> Typed:
    """The checked call; what is wrong with it is noted."""
    name, before = syntax.function, len(checker.problems)
    least, most, usage = _USAGE[name]
    if syntax.options:
        checker.wrong(syntax.options[0][1].start, f"{name}() takes no named arguments here", f"write {usage}")
    if not least <= len(arguments) <= most:
        return checker.wrong(syntax.start, f"{name}() takes {_count(least, most)}", f"write {usage}")
    typed = _typed(checker, syntax, arguments)
    wrong = len(checker.problems) > before or any(argument.type is None for argument in arguments)
    return Typed(Flag(False), None, Measure(), syntax.start, reads=True) if wrong else typed


def _count(least: int, most: int) -> str:
    words = ("one value", "two values", "three values", "four values")[least - 1]
    return f"at least {words}" if most > least else words


def _typed(checker: Checker, syntax: Call, arguments: list[Typed]) -> Typed:
    name = syntax.function
    if name == "has":
        return _has(checker, syntax, arguments[0])
    if name == "inside":
        return _inside(checker, syntax, arguments)
    wanted = _TEXT if name in TEXTUAL else _NUMBER
    what = "text" if wanted is _TEXT else "numbers"
    fine = [need(checker, argument, wanted, f"{name}() takes {what}") for argument in arguments]
    if not all(fine):
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    if name == "matches":
        _check_pattern(checker, arguments[1])
    if wanted is _TEXT:
        return _call(syntax, arguments, _TEXT if name == "lower" else _FLAG, Measure())
    if name in _BARE:
        return _without_unit(checker, syntax, arguments[0])
    return _place(checker, syntax, arguments) if name == "distance" else _in_one_unit(checker, syntax, arguments)


def _call(syntax: Call, arguments: list[Typed], type_: FieldType, measure: Measure) -> Typed:
    node = Function(syntax.function, tuple(argument.node for argument in arguments))
    return Typed(node, type_, measure, syntax.start, any(argument.reads for argument in arguments))


def _has(checker: Checker, syntax: Call, argument: Typed) -> Typed:
    if argument.type is not None and not isinstance(argument.node, FieldRef | AttributeRef | StateRef):
        return checker.wrong(argument.start, "has() takes a field", "write has(temp)")
    return _call(syntax, [argument], _FLAG, Measure())


def _without_unit(checker: Checker, syntax: Call, argument: Typed) -> Typed:
    unit = argument.measure.unit or (argument.measure.pending.unit if argument.measure.pending else "")
    if unit or argument.measure.pending:
        message = f"{syntax.function}() takes a number without a unit, this one is in {unit or 's'}"
        return checker.wrong(argument.start, message, f"divide it first, as in {syntax.function}(x / 1 {unit or 's'})")
    return _call(syntax, [argument], _NUMBER, Measure())


def _in_one_unit(checker: Checker, syntax: Call, arguments: list[Typed]) -> Typed:
    """What is compared with one another or cut off: all arguments in the unit of the first that has one."""
    known = [argument for argument in arguments if argument.measure.pending is None]
    lead = next((argument for argument in known if argument.measure.unit), known[0] if known else None)
    lead = settled(checker, arguments[0]) if lead is None else lead
    fitted = [_fit(checker, lead, argument) for argument in arguments]
    numbers = [argument.node.value for argument in fitted[1:] if isinstance(argument.node, Number)]
    if syntax.function == "clamp" and len(numbers) == 2 and numbers[0] > numbers[1]:
        checker.wrong(arguments[2].start, "clamp() has its low end above its high end", "write clamp(x, low, high)")
    if syntax.function == "mod" and numbers == [0]:
        checker.wrong(arguments[1].start, "division by zero")
    return _call(syntax, fitted, _NUMBER, lead.measure)


def _fit(checker: Checker, lead: Typed, argument: Typed) -> Typed:
    return argument if argument is lead else fit_pair(checker, lead, argument)[1]


def _check_pattern(checker: Checker, pattern: Typed) -> None:
    if not isinstance(pattern.node, Text):
        checker.wrong(pattern.start, "matches() takes its pattern as a text in quotes", 'write matches(x, "^b[0-9]+$")')
        return
    try:
        compiled(pattern.node.value)
    except PatternError as error:
        checker.wrong(pattern.start, str(error), error.hint)


def _inside(checker: Checker, syntax: Call, arguments: list[Typed]) -> Typed:
    """The zone is a constant: what it looks like is known when the rule is loaded."""
    fine = [need(checker, argument, _NUMBER, "inside() takes numbers") for argument in arguments[:2]]
    zone = _zone(checker, arguments[2])
    if not all(fine) or zone is None:
        return Typed(Flag(False), None, Measure(), syntax.start, reads=True)
    places = _degrees(checker, syntax, arguments[:2])
    reads = any(place.reads for place in places)
    return Typed(Function("inside", tuple(place.node for place in places), zone), _FLAG, Measure(), syntax.start, reads)


def _zone(checker: Checker, given: Typed) -> Zone | None:
    if not isinstance(given.node, Text):
        checker.wrong(given.start, "inside() takes a zone as a text in quotes", 'write inside(lat, lon, "zone")')
        return None
    name, zones = given.node.value, checker.scope.zones
    if name not in zones:
        hint = f"zones: {', '.join(sorted(zones)) or 'none is declared'}"
        checker.wrong(given.start, f"unknown zone {quoted(name)}{nearest(name, zones)}", hint)
    elif zones[name] is None:
        return Zone(name, Circle((0.0, 0.0), 1.0))  # it has problems of its own: let the rest be checked
    return zones.get(name)


def _place(checker: Checker, syntax: Call, arguments: list[Typed]) -> Typed:
    """Latitudes and longitudes in degrees; the result is in metres."""
    return _call(syntax, _degrees(checker, syntax, arguments), _NUMBER, Measure(unit="m", kind="interval"))


def _degrees(checker: Checker, syntax: Call, arguments: list[Typed]) -> list[Typed]:
    """Latitude and longitude in turn."""
    degrees = Measure(unit="deg", kind="interval")
    places = [settled(checker, argument, degrees) for argument in arguments]
    for index, place in enumerate(places):
        unit, limit = place.measure.unit, 180 if index % 2 else 90
        if unit and not units.same(unit, "deg"):
            checker.wrong(place.start, f"{syntax.function}() takes degrees, this is in {unit}")
        if isinstance(place.node, Number) and abs(place.node.value) > limit:
            checker.wrong(place.start, f"{place.node.text} is no place on Earth", f"{-limit} to {limit} degrees")
    return places
