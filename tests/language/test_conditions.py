"""Conditions: what they mean, what is refused and where, and that nothing else ever comes out."""

from __future__ import annotations

import json
import math
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.language import check_expression, unparse
from iotrules.language.words import NEWEST, SUPPORTED
from iotrules.model.errors import RuleError
from iotrules.model.expression import (
    Aggregate,
    And,
    Arithmetic,
    Clock,
    Comparison,
    Expression,
    FieldRef,
    Flag,
    Function,
    LabelRef,
    Lag,
    Membership,
    Negate,
    Not,
    Number,
    Or,
    Rank,
    Statistic,
    Text,
    Window,
    WindowKind,
    children,
)
from iotrules.model.times import MILLISECOND, MINUTE
from iotrules.model.zones import Circle, Polygon, Zone
from tests.language.rule_files import stream

ENV = stream()
ZONES = {
    "yard": Zone("yard", Circle((52.5, 13.4), 200.0)),
    "depot": Zone("depot", Polygon(((52.0, 13.0), (53.0, 13.0), (53.0, 14.0)))),
}
SECURITY = Path(__file__).parent.parent / "data" / "security"


def lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (SECURITY / name).read_text(encoding="utf-8").splitlines()]


TOO_BIG = {
    "ternaries": "1 if 1 else " * 2000 + "0",
    "brackets": "[" * 10_000 + "]" * 10_000,
    "signs": "-" * 50_000 + "1",
    "nots": "not " * 20_000 + "1",
    "sums": "1+" * 100_000 + "1",
    "ands": "value>1 and " * 20_000 + "value>1",
    "attributes": "value" + ".a" * 10_000,
    "indexes": "value" + "[0]" * 10_000,
    "text": "'" + "a" * 2_000_000 + "'",
    "name": "x" * 100_000,
}
HOSTILE = [
    *((f"{row['id']}-{row['cls']}", row["expr"]) for row in lines("expression_escapes.jsonl")),
    *TOO_BIG.items(),
    *((f"{name} within the length", text[:4000]) for name, text in TOO_BIG.items()),
]


@pytest.mark.parametrize("text", [text for _, text in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_hostile_conditions_are_refused_at_a_place(text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(RuleError) as caught:
        check_expression(text, ENV, "f.yaml")
    assert time.perf_counter() - begun < 2
    assert all(p.line >= 1 and p.column >= 1 and p.message for p in caught.value.problems)
    assert not Path("/tmp/iotre_canary").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("temp > 85", 85), ("temp > 185 degF", 85), ("temp > 358.15 K", 85), ("temp > 85 C", 85),
        ("temp > -4 °F", -20), ("temp > - 4 degF", -20), ("pressure > 14.503773773 psi", 1),
        ("pressure > 200 kPa", 2), ("temp - inlet > 9 degF", 5), ("temp - 9 degF > inlet", None),
        ("185 degF - temp > 5 degC", 5), ("slope(pressure, 3m) < -0.5 bar/min", -0.5 / 60),
        ("slope(temp, 3m) > 9 degF/min", 5 / 60), ("slope(pressure, 3m) < -0.5", -0.5),
        ("humidity > 50%", 50), ("value > 50%", 0.5), ("humidity > 50 %", 50),
        ("uptime > 90m", 1.5), ("uptime > 2m30s", 2.5 / 60), ("vibration > 1 cm/s", 10),
        ("rpm > 6.28318530718 rad/s", 60), ("avg(temp, 10m) > 185 degF", 85),
        ("power * uptime > 5 kWh", 5), ("energy / uptime > 5000 W", 5), ("temp / inlet > 150%", 1.5),
        ("count(temp, 10m) > 3", 3), ("delta(temp) > 9 degF", 5), ("prev(temp) > 185 degF", 85),
        ("stddev(temp, 5m) > 9 degF", 5), ("range(temp, 5m) > 9 degF", 5), ("p95(temp, 5m) > 185 degF", 85),
        ("rate(energy, 5m) > 1800 kW", 0.5), ("increase(energy, 1h) > 500 Wh", 0.5), ("age(temp) > 5m", 300),
        ("share(temp > 3, 1h) > 50%", 0.5), ("abs(temp - inlet) > 9 degF", 5), ("round(temp) > 185 degF", 85),
        ("max(20, temp, inlet) > 185 degF", 85), ("clamp(pressure, 0, 5) > 200 kPa", 2), ("mod(uptime, 24) > 90m", 1.5),
        ("ewma(temp, 5m) > 185 degF", 85), ("zscore(temp, 1h) > 3", 3), ("log(pressure / 1 bar) > 2", 2),
        ("distance(value, load, 52.5, 13.4) > 2 km", 2000), ("sum(pressure, 5m) > 200 kPa", 2),
    ],
)  # fmt: skip
def test_quantities_are_converted_to_the_unit_they_are_compared_in(text: str, value: float | None) -> None:
    node = check_expression(text, ENV)
    assert isinstance(node, Comparison)
    if value is not None:
        assert isinstance(node.operands[-1], Number)
        assert math.isclose(node.operands[-1].value, value, rel_tol=1e-9)
        assert node.operands[-1].text == text.split("> ")[-1].split("< ")[-1].replace("- ", "-")


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("pressure + 2 h * slope(pressure, 30m) > 100 bar", 7200), ("temp + slope(temp, 30m) * 2 h > 185 degF", 7200),
        ("temp + 2h * slope(temp, 30m) > 85 degC", 7200), ("2 h * slope(temp, 30m) > 9 degF", 7200),
        ("2 h * slope(temp, 30m) > 5", 7200), ("pressure + 0.5 bar/min * age(pressure) > 9 bar", 0.5 / 60),
        ("2 h / age(temp) > 3", 7200), ("age(temp) / 2 h > 3", 7200), ("2 d * rate(energy, 1h) > energy", 172800),
        ("1500 ms * slope(pressure, 3m) > pressure", 1.5), ("0.5 bar/h * 30 min > pressure", 0.5 / 60),
    ],
)  # fmt: skip
def test_a_time_and_a_rate_cancel_whatever_their_units(text: str, factor: float) -> None:
    node = check_expression(text, ENV)
    product = _products(node)[0]
    numbers = [one.value for one in (product.left, product.right) if isinstance(one, Number)]
    assert any(math.isclose(number, factor, rel_tol=1e-11) for number in numbers), numbers


def _products(node: Expression) -> list[Arithmetic]:
    here = [node] if isinstance(node, Arithmetic) and node.operator in "*/" else []
    return here + [one for child in children(node) for one in _products(child)]


def test_where_no_constant_is_there_to_convert_the_factor_is_shown() -> None:
    node = check_expression("pressure + uptime * slope(pressure, 30m) > 20 bar", ENV)
    assert unparse(node) == "pressure + uptime * slope(pressure, 30m) * 3600 > 20 bar"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pressure + 2 h * slope(temp, 30m) > 3", "2 h * slope"), ("pressure + 2 kg * slope(pressure, 3m) > 3", "2 kg"),
        ("2 h * slope(pressure, 30m) > 3 degC", "3 degC"), ("2 h / slope(pressure, 30m) > 3 bar", "3 bar"),
        ("2 h * age(temp) > 3 h", "3 h"), ("2 h * slope(pressure, 30m) > temp", "temp"),
    ],
)  # fmt: skip
def test_what_does_not_cancel_is_refused_where_it_stands(text: str, found: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_expression(text, ENV)
    (problem,) = caught.value.problems
    assert text[problem.column - 1 :].startswith(found)
    assert "does not fit" in problem.message or "one side is in" in problem.message


def test_a_difference_inside_a_sum_converts_as_a_difference() -> None:
    node = check_expression("temp - 9 degF > inlet", ENV)
    assert node == Comparison((Arithmetic("-", FieldRef("temp"), Number(5.0, "9 degF")), FieldRef("inlet")), (">",))


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("temp > 5 bar", 8, "bar (pressure) does not fit degC (temperature)"),
        ("rpm > 5 Hz", 7, "Hz (frequency) does not fit rpm (rotation)"),
        ("temp > pressure", 8, "one side is in degC, the other in bar"),
        ("temp + pressure > 3", 8, "one side is in degC, the other in bar"),
        ("value > 5 bar", 9, "5 bar has a unit, but what it is compared with has no unit"),
        ("count(temp, 10m) > 50%", 20, "is a count"),
        ("temp * 2 > 185 degF", 12, "is it a temperature or a difference?"),
        ("temp > 5 dgeC", 8, 'unknown unit "dgeC": did you mean "degC"?'),
        ("temp > 5 " + "m" * 50, 8, "too long"),
        ("tmp > 5", 1, 'unknown name "tmp": did you mean "temp"?'),
        ("temp > 5 and prssure < 3", 14, 'unknown name "prssure": did you mean "pressure"?'),
        ("avrg(temp, 5m) > 5", 1, 'unknown function "avrg": did you mean "avg"?'),
        ("anomaly(temp) > 0.5", 1, "anomaly() is part of the rule language but not supported by this version"),
        ("avg(avg(temp, 5m), 5m) > 5", 5, "avg() inside another window"),
        ("avg(temp) > 5", 1, "avg() takes a value and a duration"),
        ("avg(temp, 5) > 5", 11, "needs a duration"),
        ("avg(temp, 0s) > 5", 11, "needs a duration"),
        ("avg(temp, 5m, min_samples=0) > 5", 27, "min_samples is a whole number from 1"),
        ("slope(temp, 5m, min_samples=1) > 5", 29, "min_samples is a whole number from 2"),
        ("avg(temp, 5m, minsamples=3) > 5", 26, 'did you mean "min_samples"?'),
        ("abs() > 5", 1, "abs() takes one value"),
        ("min(temp) > 5", 1, "min() takes at least two values"),
        ("clamp(temp, 5) > 5", 1, "clamp() takes three values"),
        ("clamp(temp, 50, 20) > 5", 17, "its low end above its high end"),
        ("abs(fan) > 5", 5, "abs() takes numbers, not text"),
        ("abs(temp, min_samples=3) > 5", 23, "takes no named arguments"),
        ("min(temp, inlet, min_samples=3) > 5", 11, "min() needs a duration here"),
        ("max(temp, pressure) > 5", 11, "one side is in degC, the other in bar"),
        ("max(temp, 5 bar) > 5", 11, "bar (pressure) does not fit degC"),
        ("sqrt(pressure) > 5", 6, "sqrt() takes a number without a unit"),
        ("mod(value, 0) > 5", 12, "division by zero"),
        ("lower(temp) == 'a'", 7, "lower() takes text, not a number"),
        ("starts_with(label, 5)", 20, "starts_with() takes text, not a number"),
        ("contains(label)", 1, "contains() takes two values"),
        ("has(temp > 3)", 5, "has() takes a field"),
        ("has(tmp)", 5, 'did you mean "temp"?'),
        ("distance(value, load, 95, 13) > 5", 23, "95 is no place on Earth"),
        ("distance(temp, load, 5, 13) > 5", 10, "distance() takes degrees"),
        ("distance(value, load, 5, 13) > 5 bar", 32, "does not fit m"),
        ("matches(label)", 1, "matches() takes two values"),
        ("matches(temp, 'a')", 9, "matches() takes text, not a number"),
        ("matches(label, label)", 16, "matches() takes its pattern as a text in quotes"),
        ("matches(label, 'a[')", 16, "no pattern: missing ]"),
        ("matches(label, '(?=a)')", 16, "no pattern: invalid perl operator"),
        ("matches(label, '(a)\\1')", 16, "no pattern: invalid escape sequence"),
        ("matches(label, 'a{2000}')", 16, "no pattern: invalid repetition size"),
        ("matches(label, '" + "a" * 1001 + "')", 16, "a pattern has at most 1000 characters, not 1001"),
        ("matches(label, '(.{99}a){10}')", 16, "no pattern: pattern too large"),
        ("label == '\\d'", 11, "unknown escape"),
        ("inside(value, load)", 1, "inside() takes three values"),
        ("inside(value, load, label)", 21, "inside() takes a zone as a text in quotes"),
        ("inside(value, load, 'yrad')", 21, 'unknown zone "yrad": did you mean "yard"?'),
        ("inside(fan, load, 'yard')", 8, "inside() takes numbers, not text"),
        ("inside(temp, load, 'yard')", 8, "inside() takes degrees, this is in degC"),
        ("inside(value, 181, 'yard')", 15, "181 is no place on Earth"),
        ("inside(52, 13, 'yard')", 1, "always the same"),
        ("sqrt(2) > 1", 1, "a comparison of constants is always the same"),
        ("quantile(temp, 5m) > 5", 1, "quantile() takes a value, a duration and a share"),
        ("quantile(temp, 5m, 2) > 5", 20, "quantile() takes a share from 0 to 1"),
        ("stddev(temp, 5m, min_samples=1) > 5", 30, "min_samples is a whole number from 2"),
        ("changes(temp, 5m) > 5 degC", 21, "is a count"),
        ("lag(temp) > 5", 1, "lag() takes a value and how many samples ago"),
        ("lag(temp, 0) > 5", 11, "lag() goes back a whole number from 1 to 1000"),
        ("lag(temp, 1001) > 5", 11, "lag() goes back a whole number from 1 to 1000"),
        ("prev(fan) == 'running'", 6, "prev() takes a number or a condition, not text"),
        ("prev(temp, min_samples=2) > 5", 24, 'prev() has no argument "min_samples"'),
        ("prev(avg(temp, 5m)) > 5", 6, "avg() inside another window"),
        ("delta(device) > 5", 7, "delta() takes a number, not text"),
        ("changed(device)", 9, "reads no field"),
        ("delta(temp) > 5 bar", 15, "does not fit degC"),
        ("share(temp, 1h) > 50%", 7, "share() takes a condition"),
        ("share(temp > 3) > 50%", 1, "share() takes a condition and a duration"),
        ("times(temp > 3, 1h) > 50%", 23, "is a count"),
        ("streak(temp > 3, 1h) > 3", 1, "streak() takes a condition"),
        ("hour() > 3", 1, "hour() takes a time zone"),
        ("hour('Europe/Berln') > 3", 6, 'unknown time zone "Europe/Berln": did you mean "Europe/Berlin"?'),
        ("weekday('../../etc/passwd') > 3", 9, "unknown time zone"),
        ("weekday('Europe') > 3", 9, "unknown time zone"),
        ("stuck(temp, 5m) > 3", 19, "true or false compared with a number"),
        ("rate(temp, 5) > 3", 12, "rate() needs a duration"),
        ("ewma(temp, 5m, min_samples=2) > 3", 28, 'ewma() has no argument "min_samples"'),
        ("abs > 3", 1, "abs is a function"),
        ("avg(fan, 5m) > 5", 5, "avg() takes a number, not text"),
        ("avg(3, 5m) > 5", 5, "reads no field"),
        ("count(device, 5m) > 5", 7, "reads no field"),
        ('temp > "85"', 8, "a number compared with text"),
        ("door == 1", 9, "true or false compared with a number"),
        ("fan > 3", 7, "text compared with a number"),
        ('label > "a"', 9, "> compares numbers, not text"),
        ('fan == "runing"', 8, 'the value is never "runing": did you mean "running"?'),
        ('fan in ["runing"]', 9, "did you mean"),
        ("temp", 1, "expected a condition, got a number"),
        ("fan", 1, "expected a condition, got text"),
        ("temp and door", 1, "and joins conditions, not a number"),
        ("not temp", 5, "not takes a condition"),
        ("1 < 2", 1, "a comparison of constants is always the same"),
        ("true", 1, "always the same"),
        ("temp > 3 or true", 13, "always the same"),
        ("temp / 0 > 3", 8, "division by zero"),
        ("temp > 1e999", 8, "too large"),
        ("temp = 3", 6, "= compares nothing"),
        ("temp > 3 && door", 10, "there is no & operator"),
        ("temp % 3 > 1", 6, "there is no % operator"),
        ("temp > 85degC", 8, "not a number"),
        ("temp > 85  degC", 12, "expected an operator"),
        ("temp > 5s3m", 8, "from large to small"),
        ("temp.x > 5", 1, "names with a dot"),
        ("temp.__class__ > 5", 5, "nothing has attributes"),
        ("temp > 3 in [1]", 10, "side by side"),
        ("temp in [inlet]", 10, "constants only"),
        ("temp in []", 10, "expected a value"),
        ("(temp > 3", 10, "expected ) to close the parenthesis, got the end"),
        ("temp > ", 8, "expected a value, got the end"),
        ('label == "a\\n"', 12, "unknown escape"),
        ('label == "a', 10, "has no end"),
        ("témp > 3", 2, "U+00E9"),
        ("", 1, "the condition is empty"),
        (" or ".join(["temp > 3"] * 100), 802, "at most 200 parts"),
        ("(" * 33 + "door" + ")" * 33, 34, "nested more than 32 levels"),
        ("temp" + " + temp" * 40 + " > 3", 1, "nested more than 32 levels"),
    ],
)
def test_a_wrong_condition_is_refused_where_it_is_wrong(text: str, column: int, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_expression(text, ENV, zones=ZONES)
    problem = caught.value.problems[0]
    assert message in problem.message
    assert problem.column == column


def test_every_independent_problem_of_a_condition_is_told() -> None:
    with pytest.raises(RuleError) as caught:
        check_expression("tmp > 3 and fan == 5 or foo(temp) > 3 and temp > 5 bar", ENV)
    assert [problem.column for problem in caught.value.problems] == [1, 20, 25, 50]


def test_precedence_is_as_in_python() -> None:
    node = check_expression("not door or temp + 2 * 3 > 4 and 1 < value <= 2", ENV)
    temp, value = FieldRef("temp"), FieldRef("value")
    product = Arithmetic("*", Number(2, "2"), Number(3, "3"))
    above = Comparison((Arithmetic("+", temp, product), Number(4, "4")), (">",))
    between = Comparison((Number(1, "1"), value, Number(2, "2")), ("<", "<="))
    assert node == Or((Not(FieldRef("door")), And((above, between))))


def test_not_in_and_labels_and_windows() -> None:
    assert check_expression("device not in [\"a\", 'b']", ENV) == Not(
        Membership(LabelRef("device"), (Text("a"), Text("b")))
    )
    assert check_expression("count(fan, 10m) < 3", ENV) == Comparison(
        (Window(WindowKind.COUNT, FieldRef("fan"), 10 * MINUTE, 0), Number(3, "3")), ("<",)
    )
    assert check_expression("avg(temp, 10m, min_samples=6) < 3", ENV) == Comparison(
        (Window(WindowKind.AVG, FieldRef("temp"), 10 * MINUTE, 6), Number(3, "3")), ("<",)
    )


WORDS = [
    "temp", "fan", "door", "device", "(", ")", "[", "]", ",", "and", "or", "not", "in", "==", "<", ">", "-", "+", "*",
    "/", "5", "85", "degF", "5m", "50%", "avg(", "slope(", "count(", "min_samples=", "true", "'x'", '"', ".", "%",
    "1e5", "bar/min", "prev(", "lag(", "share(", "abs(", "max(", "lower(", "hour(", "quantile(", "distance(", "has(",
    "matches(", "inside(", "drift(", "\\d", "'yard'",
]  # fmt: skip


@settings(max_examples=500)
@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(WORDS),
        max_size=25,
    ).map(" ".join)
)
def test_whatever_the_text_only_rule_errors_come_out(text: str) -> None:
    with suppress(RuleError):
        check_expression(text, ENV)


LOOKING_BACK: list[Aggregate] = [Lag("prev", 1), Statistic.DELTA]
OF_CONDITIONS = {Statistic.SHARE, Statistic.TIMES}
OF_FLAGS = OF_CONDITIONS | {Statistic.STUCK}
FINITE = st.floats(0, 1e6, allow_nan=False).map(lambda value: Number(value, repr(value)))
NUMBERS: st.SearchStrategy[Expression] = st.one_of(
    FINITE,
    FINITE.map(lambda n: Number(-n.value, f"-{n.text}")),
    st.sampled_from([FieldRef("value"), FieldRef("load")]),
    st.builds(
        Window,
        st.sampled_from(WindowKind),
        st.sampled_from([FieldRef("value"), Negate(FieldRef("load"))]),
        st.integers(1, 10**7).map(lambda ms: ms * MILLISECOND),
        st.integers(2, 100),
    ),
    st.builds(
        Window,
        st.sampled_from([kind for kind in Statistic if kind.value not in NEWEST and kind not in OF_FLAGS])
        | st.floats(0, 1).map(lambda share: Rank("quantile", share))
        | st.just(Rank("p95", 0.95)),
        st.sampled_from([FieldRef("value"), Function("abs", (FieldRef("load"),))]),
        st.integers(1, 10**7).map(lambda ms: ms * MILLISECOND),
        st.integers(2, 100),
    ).map(lambda window: replace(window, min_samples=1) if window.kind is Statistic.EWMA else window),
    st.builds(
        lambda kind, condition: Window(kind, condition, 10 * MINUTE, 3),
        st.sampled_from([Statistic.SHARE, Statistic.TIMES]),
        st.sampled_from([FieldRef("door"), Function("starts_with", (FieldRef("label"), Text("a")))]),
    ),
    st.integers(1, 1000).map(lambda steps: Window(Lag("lag", steps), FieldRef("value"), 0, 1)),
    st.sampled_from(LOOKING_BACK).map(lambda kind: Window(kind, FieldRef("value"), 0, 1)),
    st.sampled_from(["Europe/Berlin", "UTC"]).map(lambda zone: Window(Clock("hour", zone), Text(zone), 0, 1)),
    st.just(Arithmetic("/", Window(Statistic.AGE, FieldRef("value"), 0, 1), Number(1.0, "1 s"))),
    st.sampled_from([Window(Statistic.STREAK, FieldRef("door"), 0, 1)]),
)
SUMS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.builds(Negate, inner)
        | st.builds(Arithmetic, st.sampled_from(["+", "-", "*"]), inner, inner)
        | st.builds(lambda a, b: Function("max", (a, b)), inner, inner)
        | st.builds(lambda a: Function("round", (a,)), inner)
    ),
    max_leaves=4,
)
READING = SUMS.map(lambda tree: Arithmetic("+", FieldRef("value"), tree))
TEXTS = st.text(st.characters(categories=["L", "N", "P"]), max_size=8).map(Text)
CONDITIONS = st.recursive(
    st.builds(
        lambda left, right, last: Comparison((left, right, last), ("<", ">=")), SUMS.map(lambda t: t), READING, SUMS
    )
    | st.builds(lambda text: Comparison((FieldRef("label"), text), ("!=",)), TEXTS)
    | st.builds(lambda flag: Comparison((FieldRef("door"), Flag(flag)), ("==",)), st.booleans())
    | st.builds(Membership, st.just(LabelRef("device")), st.lists(TEXTS, min_size=1, max_size=3).map(tuple))
    | st.just(FieldRef("door"))
    | st.sampled_from(
        [
            Window(Statistic.CHANGED, FieldRef("label"), 0, 1),
            Window(Statistic.STUCK, FieldRef("label"), MINUTE, 3),
            Window(Lag("prev", 1), FieldRef("door"), 0, 1),
            Function("has", (FieldRef("temp"),)),
            Function("contains", (Function("lower", (FieldRef("label"),)), Text("x"))),
            Function("matches", (FieldRef("label"), Text("^\\d+\\.\"'$"))),
            Function("inside", (FieldRef("value"), FieldRef("load")), ZONES["depot"]),
        ]
    ),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.tuples(inner, inner))
        | st.builds(Or, st.tuples(inner, inner, inner))
        | st.builds(lambda one, two: Comparison((one, two), ("==",)), inner, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(CONDITIONS)
def test_what_is_written_reads_back_to_the_same_tree(tree: Expression) -> None:
    assert check_expression(unparse(tree), ENV, zones=ZONES) == tree


def test_every_function_is_in_an_example_of_the_reference() -> None:
    """The examples load, in test_rule_files."""
    reference = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"```yaml\n(.*?)```", reference, flags=re.DOTALL))
    assert [name for name in sorted(SUPPORTED) if not re.search(rf"\b{name}\(", examples)] == []


def test_a_backslash_of_a_pattern_may_stand_once_or_twice() -> None:
    once, twice = (check_expression(text, ENV) for text in (r"matches(label, '\d\.')", r"matches(label, '\\d\\.')"))
    assert once == twice == Function("matches", (FieldRef("label"), Text(r"\d\.")))


def test_a_zone_is_part_of_what_a_condition_means() -> None:
    text = "inside(value, load, 'yard')"
    one, other = (check_expression(text, ENV, zones={"yard": zone}) for zone in ZONES.values())
    assert one != other
    assert unparse(one, canonical=True) != unparse(other, canonical=True)
