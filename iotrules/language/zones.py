"""`zones:` of rule files: a circle or a polygon on Earth, by name.

House rule: an edge goes the shorter way around the Earth, so a polygon may cross the date line but not enclose a pole.
"""

from __future__ import annotations

import re
from itertools import pairwise

from iotrules.language import units
from iotrules.language.documents import ZoneDocument
from iotrules.language.parts import Part
from iotrules.model.zones import Circle, Point, Polygon, Zone

MAX_CORNERS = 1_000
MAX_RADIUS = 20_000_000.0
"""Metres: about half the Earth's circumference."""

ZONE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_RADIUS = re.compile(r"([0-9]+(?:\.[0-9]+)?) (\S+)", re.ASCII)


def build_zone(part: Part) -> Zone | None:
    """The zone, or None with its problems noted."""
    before = len(part.problems)
    if not re.fullmatch(ZONE_NAME, part.name, re.ASCII):
        part.wrong("a zone's name is letters, digits, _ . - and begins with a letter or digit, at most 100 long")
    document = part.document(ZoneDocument)
    shape = _shape(part, document) if document and len(part.problems) == before else None
    return Zone(part.name, shape) if shape and len(part.problems) == before else None


def _shape(part: Part, document: ZoneDocument) -> Circle | Polygon | None:
    round_keys = [key for key in ("center", "radius") if part.gives(key)]
    if document.polygon is not None:
        for key in round_keys:
            part.wrong_key(f"{key} belongs to a circle, not to a polygon", key)
        return _polygon(part, document.polygon)
    if document.center is None or document.radius is None:
        missing = "a zone has center and radius, or polygon"
        part.wrong(missing, hint="write {center: [52.5, 13.4], radius: 200 m}, or {polygon: [[LAT, LON], …]}")
        return None
    centre = _point(part, document.center, "center")
    radius = _radius(part, document.radius)
    return Circle(centre, radius) if centre and radius else None


def _point(part: Part, given: list[float], *path: str | int) -> Point | None:
    if len(given) != 2:
        part.wrong("a place is two numbers, latitude and longitude", *path, hint="write [52.5, 13.4]")
        return None
    lat, lon = given
    if abs(lat) > 90 or abs(lon) > 180:
        hint = "latitude comes first, -90 to 90, then longitude, -180 to 180"
        part.wrong(f"[{lat:g}, {lon:g}] is no place on Earth", *path, hint=hint)
        return None
    return float(lat), float(lon)


def _radius(part: Part, given: str | float) -> float | None:
    if not isinstance(given, str):
        part.wrong(f"a radius has a unit: write {given:g} m", "radius")
        return None
    parsed = _RADIUS.fullmatch(given)
    if parsed is None:
        part.wrong("a radius is a number, one space and a unit", "radius", hint="write 200 m, or 1.5 km")
        return None
    try:
        units.check(parsed[2])
        metres = units.convert(float(parsed[1]), parsed[2], "m", interval=True)
    except units.UnitError as error:
        part.wrong(str(error), "radius")
        return None
    if not 0 < metres <= MAX_RADIUS:
        part.wrong(f"a radius is more than 0 m and at most {MAX_RADIUS / 1000:g} km", "radius")
        return None
    return metres


def _polygon(part: Part, given: list[list[float]]) -> Polygon | None:
    points = [_point(part, point, "polygon", index) for index, point in enumerate(given[:MAX_CORNERS])]
    if len(given) > MAX_CORNERS:
        part.wrong(f"a polygon has at most {MAX_CORNERS} corners, not {len(given)}", "polygon")
    known = [point for point in points if point is not None]
    if len(known) < len(given):
        return None
    if len(known) > 1 and known[0] == known[-1]:
        known.pop()  # closed by hand
    corners = _unrolled(part, known)
    if corners is None:
        return None
    if len(set(known)) < 3 or _in_a_line(corners):
        part.wrong("a polygon has at least three corners that are not in a line", "polygon")
        return None
    return Polygon(tuple(corners))


def _unrolled(part: Part, points: list[Point]) -> list[Point] | None:
    """The corners with longitudes that run on over the date line, each edge the shorter way."""
    corners: list[Point] = []
    for index, (lat, lon) in enumerate(points):
        before = corners[-1][1] if corners else lon
        if abs(lon - before) % 360 == 180:
            message = "this edge goes half around the Earth: either way would be the shorter one"
            part.wrong(message, "polygon", index, hint="add a corner between")
            return None
        corners.append((lat, lon + 360 * round((before - lon) / 360)))
    if corners and abs(corners[-1][1] - corners[0][1]) >= 180:
        part.wrong("the polygon goes around a pole", "polygon", hint="use a circle with center: [90, 0], or two zones")
        return None
    return corners


def _in_a_line(corners: list[Point]) -> bool:
    """Do they enclose nothing, but for rounding?"""
    lat, lon = corners[0]
    moved = [(north - lat, east - lon) for north, east in corners]
    products = [(a * d, b * c) for (a, b), (c, d) in pairwise(moved)]
    return abs(sum(one - other for one, other in products)) <= 1e-12 * sum(map(abs, sum(products, ())))
