"""Products and quotients of units: `h` times `cm/s` is `cm`, and 3600 of them.

House rule: units have no parentheses, so each factor below the line is divided by.
"""

from __future__ import annotations

from iotrules.language import units

_SECONDS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_SPELLED = {"millisecond": "ms", "second": "s", "minute": "min", "hour": "h", "day": "d"}


def joined(left: str, right: str, operator: str) -> tuple[str, float]:
    """The unit of `left operator right`, and by what its number is to be multiplied.

    A time that stands above and below the line cancels, in whatever unit either is. "" where no unit is left.
    """
    text = left or "1"
    for sign, part in _parts(right):
        text += _flip(sign, operator) + part
    text, factor = _without_times(text)
    return ("" if not units.factors(text) else _reduced(text)), factor


def _without_times(text: str) -> tuple[str, float]:
    factor = 1.0
    while True:
        times = [(name, power) for name, power in units.factors(text) if name in _SECONDS]
        above = next((name for name, power in times if power > 0), None)
        below = next((name for name, power in times if power < 0), None)
        if above is None or below is None:
            return text, factor
        text += f"/{_SPELLED[above]}*{_SPELLED[below]}"
        factor *= _SECONDS[above] / _SECONDS[below]


def _reduced(text: str) -> str:
    """The same unit without what stands both above and below the line."""
    above: list[str] = []
    below: list[str] = []
    for sign, part in _parts(text):
        here, there = (above, below) if sign == "*" else (below, above)
        if part in there:
            there.remove(part)
        elif part != "1":
            here.append(part)
    return "*".join(above or ["1"]) + "".join(f"/{part}" for part in below)


def _parts(unit: str) -> list[tuple[str, str]]:
    parts, current = [], "*"
    for piece in unit.replace("·", "*").replace("*", "\0*\0").replace("/", "\0/\0").split("\0"):
        if piece in ("*", "/"):
            current = piece
        else:
            parts.append((current, piece))
            current = "*"
    return parts


def _flip(own: str, sign: str) -> str:
    return own if sign == "*" else ("*" if own == "/" else "/")
