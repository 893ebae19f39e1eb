"""A condition's tree says what each part is, and what it lacks by how much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotrules.engine.evaluate import Scope, truth
from iotrules.engine.explain_tree import MAX_NODES, MAX_TEXT, explain_tree, lacking
from iotrules.language.loading import check_expression
from iotrules.model.evidence import Node
from iotrules.model.expression import Value
from tests.language.rule_files import stream

STREAM = stream()
NONE: Value | None = None


def _tree(text: str, values: dict[str, Value | None], wanted: bool = True) -> Node:
    scope = Scope(values, {"site": "A", "device": "b1"}, lambda _: None)
    return explain_tree(check_expression(text, STREAM), scope, lambda _: "missing", wanted)


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("temp > 85", {"temp": 84.2}, "temp 84.2 needs > 85: 0.8 short"),
        ("temp > 85", {"temp": 85.0}, "temp 85 needs > 85: equal is not enough"),
        ("temp >= 85", {"temp": 85.0}, ""),
        ("temp < 70", {"temp": 90.0}, "temp 90 needs < 70: 20 too much"),
        ("85 < temp", {"temp": 80.0}, "temp 80 needs > 85: 5 short"),
        ("temp > 185 degF", {"temp": 80.0}, "temp 80 needs > 185 degF (85): 5 short"),
        ("20 < temp < 30", {"temp": 35.0}, "temp 35 needs < 30: 5 too much"),
        ('fan == "running"', {"fan": "stopped"}, 'fan "stopped" needs == "running"'),
        ("not temp > 85", {"temp": 91.0}, "temp 91 needs <= 85: 6 too much"),
        ("door", {"door": False}, "door is false; needs true"),
        ("not door", {"door": True}, "door is true; needs false"),
        ("temp > 85", {"temp": NONE}, "temp is unknown: missing"),
        ("temp - inlet > 5", {"temp": 20.0, "inlet": 18.0}, "temp - inlet 2 needs > 5: 3 short"),
        (
            'temp > 85 and fan == "running"',
            {"temp": 80.0, "fan": "stopped"},
            'temp 80 needs > 85: 5 short and fan "stopped" needs == "running"',
        ),
        ('temp > 85 and fan == "running"', {"temp": 80.0, "fan": "running"}, "temp 80 needs > 85: 5 short"),
        (
            "temp > 85 or pressure > 3",
            {"temp": 80.0, "pressure": 1.0},
            "temp 80 needs > 85: 5 short or pressure 1 needs > 3: 2 short",
        ),
        (
            "door and (temp > 85 or pressure > 3)",
            {"temp": 80.0, "pressure": 1.0, "door": False},
            "door is false; needs true and (temp 80 needs > 85: 5 short or pressure 1 needs > 3: 2 short)",
        ),
        ('fan in ["running"]', {"fan": "stopped"}, 'fan "stopped" is not in ["running"]; needs true'),
    ],
)
def test_what_is_lacking_and_by_how_much(text: str, values: dict[str, Value | None], words: str) -> None:
    assert lacking(_tree(text, values)) == words


def test_a_condition_that_has_to_become_false_lacks_the_other_way_round() -> None:
    tree = _tree('temp > 85 and fan == "running"', {"temp": 91.0, "fan": "running"}, wanted=False)
    assert lacking(tree, wanted=False) == 'temp 91 needs <= 85: 6 too much or fan "running" needs != "running"'
    assert lacking(_tree("temp > 85", {"temp": 80.0}, wanted=False), wanted=False) == ""


def test_a_test_shows_the_values_that_it_read_each_once() -> None:
    tree = _tree("abs(temp - inlet) > 5 and temp > 2", {"temp": 9.0, "inlet": 2.0})
    first, second = tree.parts
    assert [(part.text, part.value) for part in first.parts] == [
        ("abs(temp - inlet)", 7.0), ("temp", 9.0), ("inlet", 2.0),
    ]  # fmt: skip
    assert [part.text for part in second.parts] == ["temp"]


def test_a_tree_is_bounded_whatever_the_condition_and_the_device_say() -> None:
    tests = " or ".join(f'label == "{"x" * 20}{n}"' for n in range(60))
    tree = _tree(tests, {"label": "y" * 10_000})

    def count(node: Node) -> int:
        assert len(node.text) <= MAX_TEXT
        assert len(node.words) <= MAX_TEXT
        assert not isinstance(node.value, str) or len(node.value) <= MAX_TEXT
        return 1 + sum(count(part) for part in node.parts)

    assert count(tree) <= MAX_NODES


CONDITIONS = (
    "temp > 85", "not (temp > 85 and pressure < 3)", 'temp > 3 or (fan == "running" and not door)',
    "20 < temp < 30 and door", "not (20 < temp < 30)", "has(temp) and temp / pressure > 2",
)  # fmt: skip
NUMBERS = st.none() | st.floats(-100, 100)


@given(st.sampled_from(CONDITIONS), NUMBERS, NUMBERS, st.sampled_from([None, "running", "stopped"]), st.booleans())
def test_the_tree_says_what_the_interpreter_says(
    text: str, temp: float | None, pressure: float | None, fan: str | None, door: bool
) -> None:
    values: dict[str, Value | None] = {"temp": temp, "pressure": pressure, "fan": fan, "door": door}
    node = check_expression(text, STREAM)
    said = truth(node, Scope(values, {}, lambda _: None))
    for wanted in (True, False):
        tree = _tree(text, values, wanted)
        assert tree.value is said
        assert (lacking(tree, wanted) == "") is (said is wanted)
