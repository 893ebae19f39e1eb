"""Severity can be told apart by everybody: contrast on both papers, and colours under colour blindness."""

from __future__ import annotations

from itertools import combinations

import pytest

from iotrules.dashboard.severity import DARK_PAPER, LIGHT_PAPER, LOOKS, QUIET, Look

Triple = tuple[float, float, float]

# Machado, Oliveira, Fernandes 2009: simulation of dichromacy on linear RGB.
VISIONS: dict[str, tuple[Triple, Triple, Triple]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)


def linear(colour: str) -> Triple:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return red, green, blue


def times(matrix: tuple[Triple, Triple, Triple], vector: Triple) -> Triple:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def contrast(one: str, other: str) -> float:
    high, low = sorted((times(TO_XYZ, linear(colour))[1] for colour in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Triple) -> Triple:
    clipped = tuple(min(1.0, max(0.0, c)) for c in rgb)
    x, y, z = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in (v / w for v, w in zip(times(TO_XYZ, (clipped[0], clipped[1], clipped[2])), WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, vision: str) -> float:
    a, b = (lab(times(VISIONS[vision], linear(colour))) for colour in (one, other))
    return float(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5)


@pytest.mark.parametrize("look", [*LOOKS, QUIET], ids=lambda look: look.word)
def test_shapes_stand_out_from_the_paper(look: Look) -> None:
    assert contrast(look.light, LIGHT_PAPER) >= 3
    assert contrast(look.dark, DARK_PAPER) >= 3


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_severities_differ_in_every_kind_of_vision(vision: str, mode: str) -> None:
    colours = [look.light if mode == "light" else look.dark for look in LOOKS]
    assert min(difference(a, b, vision) for a, b in combinations(colours, 2)) > 20


def test_every_severity_has_a_shape_of_its_own() -> None:
    assert len({look.glyph for look in (*LOOKS, QUIET)}) == 5
