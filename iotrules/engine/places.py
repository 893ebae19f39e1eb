"""Distances between places, and whether one lies in a zone."""

from __future__ import annotations

import math

from iotrules.model.zones import Circle, Point, Polygon

EARTH_RADIUS = 6_371_008.8
"""Metres: the mean radius R1 of the IUGG."""

_ON_THE_LINE = 1e-12
"""Relative: what rounding alone may do to a point of a border."""


def on_earth(lat: float, lon: float) -> bool:
    return abs(lat) <= 90 and abs(lon) <= 180


def distance(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Great-circle distance in metres of two places in degrees (haversine on a sphere: within 0.6 %)."""
    one, other = math.radians(lat), math.radians(other_lat)
    across = math.sin(math.radians(other_lon - lon) / 2) ** 2
    chord = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * across
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, chord)))


def inside(shape: Circle | Polygon, lat: float, lon: float) -> bool:
    """Is the place in the shape? On the border is inside."""
    match shape:
        case Circle(centre, radius):
            return distance(lat, lon, *centre) <= radius
        case Polygon(corners):
            return any(_enclosed(corners, lat, lon + turn) for turn in (0.0, 360.0, -360.0))


def _enclosed(corners: tuple[Point, ...], lat: float, lon: float) -> bool:
    """By how often a line to the east crosses the border (Shimrat 1962), corners counted once."""
    odd = False
    south, west = corners[-1]
    for north, east in corners:
        a, b = (lat - south) * (east - west), (lon - west) * (north - south)
        within = min(south, north) <= lat <= max(south, north) and min(west, east) <= lon <= max(west, east)
        if within and abs(a - b) <= _ON_THE_LINE * (abs(a) + abs(b)):
            return True
        if (south > lat) != (north > lat):
            odd ^= (a > b) == (north > south)
        south, west = north, east
    return odd
