"""`zones:` of rule files: what is read, and what is refused where."""

from __future__ import annotations

import pytest

from iotrules.language import load_files
from iotrules.model.expression import Function
from iotrules.model.rules import Condition
from iotrules.model.zones import Circle, Polygon, Zone
from tests.language.rule_files import problems

STREAM = """
streams: {gps: {topic: "v/{device}", fields: {lat: {unit: deg}, lon: {unit: deg}}}}
rules: {r: {from: gps, when: 'inside(lat, lon, "yard")'}}
"""


def zone(body: str) -> Zone:
    rule = load_files({"zones.yaml": f"zones: {{yard: {{{body}}}}}", "rules.yaml": STREAM}).rules["r"]
    assert isinstance(rule.body, Condition)
    assert isinstance(rule.body.when, Function)
    assert rule.body.when.zone is not None
    return rule.body.when.zone


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("center: [52.5, 13.4], radius: 200 m", Circle((52.5, 13.4), 200.0)),
        ("center: [-90, 180], radius: 1.5 km", Circle((-90.0, 180.0), 1500.0)),
        ("center: [0, 0], radius: 1 mi", Circle((0.0, 0.0), 1609.344)),
        ("polygon: [[1, 1], [2, 1], [2, 3]]", Polygon(((1.0, 1.0), (2.0, 1.0), (2.0, 3.0)))),
        ("polygon: [[1, 1], [2, 1], [2, 3], [1, 1]]", Polygon(((1.0, 1.0), (2.0, 1.0), (2.0, 3.0)))),
        ("polygon: [[1, 179], [2, -179], [3, 179]]", Polygon(((1.0, 179.0), (2.0, 181.0), (3.0, 179.0)))),
        ("polygon: [[1, -179], [2, 179], [3, -178]]", Polygon(((1.0, -179.0), (2.0, -181.0), (3.0, -178.0)))),
    ],
)
def test_shapes(body: str, shape: Circle | Polygon) -> None:
    assert zone(body) == Zone("yard", shape)


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ("yard: {center: [52.5, 13.4], radius: 200}", (1, 46), "a radius has a unit: write 200 m"),
        ("yard: {center: [52.5, 13.4], radius: 200m}", (1, 46), "a radius is a number, one space and a unit"),
        ("yard: {center: [52.5, 13.4], radius: 0 m}", (1, 46), "more than 0 m"),
        ("yard: {center: [52.5, 13.4], radius: 30000 km}", (1, 46), "at most 20000 km"),
        ("yard: {center: [52.5, 13.4], radius: 2 kg}", (1, 46), "kg (mass) does not fit m (length)"),
        ("yard: {center: [13.4, 152.5, 3], radius: 2 m}", (1, 16), "a place is two numbers"),
        ("yard: {center: [152.5, 13.4], radius: 2 m}", (1, 16), "[152.5, 13.4] is no place on Earth"),
        ("yard: {center: [52.5, 13.4]}", (1, 9), "a zone has center and radius, or polygon"),
        ("yard: {centre: [52.5, 13.4]}", (1, 16), 'unknown key "centre": did you mean "center"?'),
        ("yard: {radius: 2 m, polygon: [[1, 1], [2, 1], [2, 3]]}", (1, 16), "radius belongs to a circle"),
        ("yard: {polygon: [[1, 1], [2, 1], [91, 3]]}", (1, 42), "[91, 3] is no place on Earth"),
        ("yard: {polygon: [[1, 1], [2, 1]]}", (1, 16), "at least three corners"),
        ("yard: {polygon: [[1, 1], [2, 2], [3, 3]]}", (1, 16), "not in a line"),
        ("yard: {polygon: [[1, 0], [2, 180], [3, 3]]}", (1, 34), "half around the Earth"),
        ("yard: {polygon: [[80, 0], [80, 120], [80, -120]]}", (1, 16), "the polygon goes around a pole"),
        ("my yard: {center: [52.5, 13.4], radius: 2 m}", (1, 9), "a zone's name is letters"),
    ],
)
def test_what_is_wrong_is_told_where(body: str, place: tuple[int, int], message: str) -> None:
    problem = problems(f"zones: {{{body}}}")[0]
    assert message in problem.message
    assert (problem.line, problem.column) == place


def test_a_zone_with_problems_is_not_unknown_as_well() -> None:
    found = problems({"zones.yaml": "zones: {yard: {center: [52.5, 13.4], radius: 0 m}}", "rules.yaml": STREAM})
    assert [problem.file for problem in found] == ["zones.yaml"]


def test_a_name_in_two_files_is_refused() -> None:
    one = "zones: {yard: {center: [52.5, 13.4], radius: 2 m}}"
    assert 'the zone "yard" is already in a.yaml:1' in problems({"a.yaml": one, "b.yaml": one})[0].message
