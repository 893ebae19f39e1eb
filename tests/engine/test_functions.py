"""Functions of present values, against their definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotrules.engine.evaluate import Scope, evaluate
from iotrules.engine.explain import because, read_values
from iotrules.engine.places import EARTH_RADIUS
from iotrules.language import check_expression
from iotrules.model.expression import Comparison, Expression, Value
from tests.engine.world import World
from tests.language.rule_files import stream

ENV = stream()
NUMBERS = st.floats(-1e9, 1e9)


def _value(text: str, **fields: Value | None) -> tuple[Value | None, list[str]]:
    """The value of the first operand of `text > 0` (a condition: of the whole), and what went wrong."""
    node = _node(text)
    scope = Scope(fields, {"device": "b1", "site": "A"}, lambda _: None)
    return evaluate(node, scope), scope.faults


def _node(text: str) -> Expression:
    node = check_expression(text, ENV)
    return node.operands[0] if isinstance(node, Comparison) else node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abs(value) > 0", 2.5), ("min(value, load, 7) > 0", -2.5), ("max(value, load, 7) > 0", 7.0),
        ("clamp(value, -1, 1) > 0", -1.0), ("clamp(load, 0, 10) > 0", 4.0), ("round(value) > 0", -3.0),
        ("floor(value) > 0", -3.0), ("ceil(value) > 0", -2.0), ("sqrt(load) > 0", 2.0), ("log(load) > 0", math.log(4)),
        ("exp(value) > 0", math.exp(-2.5)), ("mod(load, 3) > 0", 1.0), ("mod(value, 2) > 0", 1.5),
        ("starts_with(label, 'Ab')", True), ("ends_with(label, 'Ab')", False), ("contains(label, 'bc')", True),
        ("starts_with(lower(label), 'ab')", True), ("lower(label) == 'x'", "abcd"), ("has(value)", True),
        ("has(temp)", False), ("contains(device, '1')", True),
    ],
)  # fmt: skip
def test_functions_of_values(text: str, value: Value) -> None:
    assert _value(text, value=-2.5, load=4.0, label="AbCd".replace("C", "c")) == (value, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sqrt(value) > 0", "square root of a negative number"),
        ("log(value) > 0", "logarithm of a number that is not positive"),
        ("log(value - value) > 0", "logarithm of a number that is not positive"),
        ("exp(load) > 0", "too large"),
        ("mod(value, value - value) > 0", "division by zero"),
        ("clamp(value, load, 0) > 0", "low end above"),
        ("distance(load, 0, 0, 0) > 0", "not on Earth"),
    ],
)
def test_outside_its_domain_a_function_is_unknown_and_says_so(text: str, fault: str) -> None:
    value, faults = _value(text, value=-1.0, load=1e6)
    assert value is None
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    "text",
    [
        "abs(temp)",
        "max(1, temp)",
        "clamp(1, temp, 3)",
        "exp(temp / 1 degC)",
        "mod(7, temp)",
        "distance(temp / 1 degC, 0, 1, 1)",
    ],
)
def test_unknown_in_is_unknown_out(text: str) -> None:
    assert _value(f"{text} > 0", temp=None) == (None, [])
    assert _value("contains(label, 'a')") == (None, [])


@given(NUMBERS, NUMBERS)
def test_max_and_min_are_one_of_the_two_and_order_them(one: float, other: float) -> None:
    least, most = (_value(f"{name}(value, load) > 0", value=one, load=other)[0] for name in ("min", "max"))
    assert [least, most] == sorted([one, other])


@given(NUMBERS)
def test_round_is_nearest_and_halves_go_away_from_zero(value: float) -> None:
    found, _ = _value("round(value) > 0", value=value)
    assert isinstance(found, float)
    assert abs(found - value) <= 0.5
    assert found.is_integer()
    assert abs(value) % 1 != 0.5 or abs(found) > abs(value)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_distance_is_that_of_the_angle_between_two_places(lat: float, lon: float, lat2: float, lon2: float) -> None:
    found, _ = _value(
        "distance(value, load, temp / 1 degC, inlet / 1 degC) > 0", value=lat, load=lon, temp=lat2, inlet=lon2
    )
    assert isinstance(found, float)
    one, other = _vector(lat, lon), _vector(lat2, lon2)
    chord = math.dist(one, other)
    assert found == pytest.approx(2 * EARTH_RADIUS * math.asin(min(1.0, chord / 2)), rel=1e-6, abs=0.5)
    assert 0 <= found <= math.pi * EARTH_RADIUS + 1


def _vector(lat: float, lon: float) -> tuple[float, float, float]:
    a, b = math.radians(lat), math.radians(lon)
    return math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)


def test_from_berlin_to_hamburg() -> None:
    found, _ = _value("distance(value, load, 53.5511, 9.9937) > 200 km", value=52.5200, load=13.4050)
    assert found == pytest.approx(255_300, rel=2e-3)


def test_the_reason_and_the_evidence_show_what_a_function_gave() -> None:
    node = check_expression("abs(temp - inlet) > 9 degF and starts_with(device, 'b')", ENV)
    scope = Scope({"temp": 60.0, "inlet": 70.0}, {"device": "b1"}, lambda _: None)
    assert because(node, scope) == 'abs(temp - inlet) 10 > 9 degF (5) and starts_with(device, "b") is true'
    assert dict(read_values(node, scope)) == {
        "abs(temp - inlet)": 10.0, "temp": 60.0, "inlet": 70.0, 'starts_with(device, "b")': True, "device": "b1"
    }  # fmt: skip


def test_a_fault_is_counted_for_its_rule_and_neither_fires_nor_clears() -> None:
    world = World("  hot:\n    from: env\n    when: sqrt(pressure / 1 bar) > 2\n")
    world.send(0, pressure=9)
    world.send(10, pressure=-1)
    assert world.history() == ["0 hot firing", "10 hot/failed firing"]
    assert world.decisions[-1].counts[("rule_errors", "hot: the square root of a negative number")] == 1


def test_a_fault_inside_a_window_is_counted_for_its_rule() -> None:
    world = World("  hot:\n    from: env\n    when: avg(log(pressure / 1 bar), 1m) > 2\n")
    world.send(0, pressure=0)
    counted = world.decisions[-1].counts
    assert counted[("rule_errors", "hot: the logarithm of a number that is not positive")] == 1
