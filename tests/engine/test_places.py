"""Zones: circles and polygons on Earth, their borders, the date line; and a vehicle that leaves its yard."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotrules.engine.places import distance, inside
from iotrules.model.inputs import Reload
from iotrules.model.zones import Circle, Point, Polygon
from tests.engine.world import World

SQUARE = Polygon(((10.0, 20.0), (10.0, 21.0), (11.0, 21.0), (11.0, 20.0)))
ARROW = Polygon(((0.0, 0.0), (4.0, 2.0), (0.0, 4.0), (1.0, 2.0)))
PACIFIC = Polygon(((-10.0, 170.0), (-10.0, 190.0), (10.0, 190.0), (10.0, 170.0)))


@pytest.mark.parametrize(
    ("shape", "place", "expected"),
    [
        (SQUARE, (10.5, 20.5), True), (SQUARE, (10.5, 21.5), False), (SQUARE, (11.5, 20.5), False),
        (SQUARE, (10.0, 20.0), True), (SQUARE, (10.0, 20.5), True), (SQUARE, (10.5, 21.0), True),
        (SQUARE, (11.0, 21.0), True), (SQUARE, (10.0, 19.999999), False), (SQUARE, (9.999999, 20.5), False),
        (ARROW, (1.0, 2.0), True), (ARROW, (0.5, 2.0), False), (ARROW, (2.0, 2.0), True), (ARROW, (0.4, 0.4), True),
        (ARROW, (2.0, 1.0), True), (ARROW, (0.0, 2.0), False), (ARROW, (4.0, 2.0), True), (ARROW, (4.0, 1.0), False),
        (PACIFIC, (0.0, 179.0), True), (PACIFIC, (0.0, -179.0), True), (PACIFIC, (0.0, 180.0), True),
        (PACIFIC, (0.0, -180.0), True), (PACIFIC, (0.0, -170.0), True), (PACIFIC, (0.0, -169.9), False),
        (PACIFIC, (0.0, 0.0), False), (Circle((0.0, 180.0), 1000.0), (0.0, -180.0), True),
        (Circle((90.0, 0.0), 2000.0), (89.99, 77.0), True), (Circle((52.5, 13.4), 0.001), (52.5, 13.4), True),
    ],
)  # fmt: skip
def test_borders_belong_to_a_zone(shape: Circle | Polygon, place: Point, expected: bool) -> None:
    assert inside(shape, *place) is expected


LATS, LONS = st.floats(-80, 80), st.floats(-180, 180)


@given(LATS, LONS, st.floats(1, 1e6), st.floats(0, 2))
def test_a_circle_is_what_is_near(lat: float, lon: float, radius: float, part: float) -> None:
    north = min(90.0, lat + math.degrees(part * radius / 6_371_008.8))
    assert inside(Circle((lat, lon), radius), north, lon) == (distance(lat, lon, north, lon) <= radius)


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-60, 60)), min_size=3, max_size=8, unique=True), LATS, LONS)
def test_corners_and_middles_of_edges_are_inside_whatever_the_order_of_the_corners(
    corners: list[tuple[int, int]], lat: float, lon: float
) -> None:
    shape = Polygon(tuple((float(a), float(b)) for a, b in corners))
    turned = Polygon((*reversed(shape.corners[1:]), shape.corners[0]))
    assert inside(shape, lat, lon) == inside(turned, lat, lon)
    for (a, b), (c, d) in zip(shape.corners, (*shape.corners[1:], shape.corners[0]), strict=True):
        assert inside(shape, a, b)
        assert inside(shape, (a + c) / 2, (b + d) / 2)


@given(st.integers(-170, 170), st.integers(-80, 80), st.floats(-9, 9), st.floats(-9, 9))
def test_a_zone_over_the_date_line_is_one_like_any_other(east: int, north: int, up: float, right: float) -> None:
    here, moved = (
        Polygon(((-5.0, east - 5.0), (-5.0, east + 5.0), (5.0, east + 5.0), (5.0, east - 5.0))) for east in (0, 180)
    )
    lon = 180 + right
    assert inside(here, up, right) == inside(moved, up, lon - 360 if lon > 180 else lon)


YARD = """
streams:
  gps: {topic: "v/{device}/gps", fields: {lat: {unit: deg}, lon: {unit: deg}}}
zones:
  yard: {center: [52.5, 13.4], radius: %s}
rules:
  strayed: {from: gps, when: 'not inside(lat, lon, "yard")'}
  mostly-away: {from: gps, when: 'times(inside(lat, lon, "yard"), 1h) >= 3'}
"""


def _send(world: World, at: int, lat: float, lon: float) -> None:
    world.pass_time(at)
    world.raw("v/truck/gps", b'{"lat": %f, "lon": %f, "n": %d}' % (lat, lon, at))


def test_a_truck_that_leaves_its_yard() -> None:
    world = World("  x: {from: env, when: temp > 1}\n")
    world.put(Reload({"rules.yaml": YARD % "200 m"}))
    _send(world, 10, 52.5, 13.4)
    _send(world, 20, 52.503, 13.4)
    _send(world, 30, 52.5, 13.4)
    assert world.history() == ["20 strayed firing", "30 strayed resolved"]
    _send(world, 40, 95.0, 13.4)
    assert world.decisions[-1].counts["rule_errors", "strayed: a zone and a place that is not on Earth"] == 1


def test_a_zone_that_moves_begins_anew_what_was_counted_in_it() -> None:
    world = World("  x: {from: env, when: temp > 1}\n")
    world.put(Reload({"rules.yaml": YARD % "200 m"}))
    for at in (10, 20):
        _send(world, at, 52.5, 13.4)
    world.put(Reload({"rules.yaml": YARD % "100 m"}))
    for at in (30, 40):
        _send(world, at, 52.5, 13.4)
    assert world.history() == []
    _send(world, 50, 52.5, 13.4)
    assert world.history() == ["50 mostly-away firing"]
