"""Places on Earth that rules name, as values: degrees north and east, and metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""Latitude -90..90 and longitude -180..180."""


@dataclass(frozen=True, slots=True)
class Circle:
    """All that is at most `radius` metres away from the centre."""

    centre: Point
    radius: float


@dataclass(frozen=True, slots=True)
class Polygon:
    """What its corners enclose, border included. Longitudes run on over the date line: 179, 181."""

    corners: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    shape: Circle | Polygon
