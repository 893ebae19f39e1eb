"""Units as people spell them, and conversion between them.

House rule: the unit library is slow to load and reads `C` as coulomb; it is loaded only to convert, and gets
names from the table below or plain names of its own, never a text to evaluate.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

from iotrules.yamlfile import nearest

SPELLINGS: dict[str, str] = {
    "°C": "degree_Celsius", "degC": "degree_Celsius", "C": "degree_Celsius", "celsius": "degree_Celsius",
    "°F": "degree_Fahrenheit", "degF": "degree_Fahrenheit", "F": "degree_Fahrenheit",
    "fahrenheit": "degree_Fahrenheit", "K": "kelvin",
    "%": "percent", "%RH": "percent", "ppm": "ppm", "pH": "dimensionless",
    "bar": "bar", "mbar": "millibar", "Pa": "pascal", "hPa": "hectopascal", "kPa": "kilopascal",
    "MPa": "megapascal", "psi": "psi", "atm": "atmosphere", "mmHg": "mmHg",
    "nm": "nanometer", "um": "micrometer", "µm": "micrometer", "μm": "micrometer", "mm": "millimeter",
    "cm": "centimeter", "m": "meter", "km": "kilometer", "in": "inch", "ft": "foot", "mi": "mile",
    "ms": "millisecond", "s": "second",
    "sec": "second", "min": "minute", "h": "hour", "hr": "hour", "d": "day",
    "mg": "milligram", "g": "gram", "kg": "kilogram", "t": "metric_ton",
    "lb": "pound", "gn": "standard_gravity",
    "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter", "gal": "gallon",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "rpm": "revolutions_per_minute", "1/min": "1/minute",
    "deg": "degree", "°": "degree", "rad": "radian", "rev": "revolution",
    "N": "newton", "kN": "kilonewton", "Nm": "newton*meter",
    "mV": "millivolt", "V": "volt", "kV": "kilovolt", "uA": "microampere", "µA": "microampere",
    "mA": "milliampere", "A": "ampere", "Ah": "ampere_hour", "mAh": "milliampere_hour",
    "Ω": "ohm", "ohm": "ohm", "kohm": "kiloohm", "kΩ": "kiloohm",
    "mW": "milliwatt", "W": "watt", "kW": "kilowatt", "MW": "megawatt",
    "VA": "volt_ampere", "kVA": "kilovolt_ampere",
    "J": "joule", "kJ": "kilojoule", "MJ": "megajoule", "Wh": "watt_hour", "kWh": "kilowatt_hour",
    "MWh": "megawatt_hour", "lx": "lux", "lux": "lux", "lm": "lumen",
    "B": "byte", "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte",
    "km/h": "kilometer/hour", "kph": "kilometer/hour", "mph": "mile/hour",
}  # fmt: skip

_NAMED = (
    ("temperature", "kelvin"), ("pressure", "pascal"), ("length", "meter"), ("speed", "meter/second"),
    ("acceleration", "meter/second/second"), ("time", "second"), ("mass", "kilogram"),
    ("volume", "meter*meter*meter"),
    ("flow", "meter*meter*meter/second"), ("frequency", "hertz"), ("power", "watt"), ("energy", "joule"),
    ("voltage", "volt"), ("current", "ampere"),
    ("resistance", "ohm"), ("force", "newton"), ("ratio", "percent"),
)  # fmt: skip
_ROTATION = frozenset({"revolutions_per_minute", "revolution", "radian", "degree"})
_OFFSET = frozenset({"degree_Celsius", "degree_Fahrenheit"})
_FACTOR = re.compile(r"(?P<name>[A-Za-z°µμΩ%_]+)\^?(?P<power>[1-4²³])?")
_POWERS = {"²": 2, "³": 3}
_MAX_LENGTH = 40


class UnitError(ValueError):
    """A unit nobody knows, or two that don't fit together."""


def check(unit: str) -> None:
    """UnitError unless an author may write this unit."""
    if len(unit) > _MAX_LENGTH:
        raise UnitError(f"the unit {unit[:_MAX_LENGTH]}… is too long")
    factors(unit)


@lru_cache(maxsize=512)
def factors(unit: str) -> tuple[tuple[str, int], ...]:
    """The library's names of a unit's factors, and powers: `m3/h` is meter^3 · hour^-1. UnitError."""
    if unit in SPELLINGS:
        return _split_known(SPELLINGS[unit])
    powers: Counter[str] = Counter()
    sign = 1
    for part in re.split(r"([/*·])", unit):
        if part in ("/", "*", "·"):
            sign = -1 if part == "/" else 1
            continue
        for name, power in _factor(part, unit):
            powers[name] += power * sign
    return tuple(sorted((name, power) for name, power in powers.items() if power))


def _split_known(text: str) -> tuple[tuple[str, int], ...]:
    first, *below = text.split("/")
    above = () if first in ("1", "dimensionless") else tuple((name, 1) for name in first.split("*"))
    powers = Counter(dict(above))
    powers.subtract(below)
    return tuple(sorted(powers.items()))


def _factor(part: str, whole: str) -> tuple[tuple[str, int], ...]:
    if part in SPELLINGS:
        return _split_known(SPELLINGS[part])
    match = _FACTOR.fullmatch(part)
    if not match and part != "1":
        raise _unknown(part, whole)
    if not match:
        return ()
    name, power = match["name"], match["power"] or "1"
    times = _POWERS.get(power) or int(power)
    known = _split_known(SPELLINGS[name]) if name in SPELLINGS else ((_library_name(name, whole), 1),)
    return tuple((factor, count * times) for factor, count in known)


def _library_name(name: str, whole: str) -> str:
    if name.isascii() and name.isidentifier() and len(name) > 1:
        registry = _registry()
        found = registry.parse_unit_name(name, case_sensitive=True)
        if found:
            prefix, unit, _ = found[0]
            return f"{prefix}{unit}"
    raise _unknown(name, whole)


def _unknown(part: str, whole: str) -> UnitError:
    of = "" if part == whole else f' of "{whole}"'
    return UnitError(f'unknown unit "{part}"{of}{nearest(part, SPELLINGS)}')


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def _unit(parts: tuple[tuple[str, int], ...], *, interval: bool) -> Any:
    """The library's unit. In products, powers and intervals a temperature is a difference."""
    registry = _registry()
    alone = len(parts) == 1 and parts[0][1] == 1
    unit = registry.Unit("dimensionless")
    for name, power in parts:
        delta = f"delta_{name}" if name in _OFFSET and (interval or not alone) else name
        unit = unit * registry.Unit(delta) ** power
    return unit


def is_offset(unit: str) -> bool:
    """Whether the unit's zero is arbitrary (degC, degF): values and differences convert differently."""
    return tuple(factors(unit)) in {((name, 1),) for name in _OFFSET} if unit else False


def same(one: str, other: str) -> bool:
    """Whether two units are one, whatever their spelling."""
    if one == other or factors(one) == factors(other):
        return True
    if is_offset(one) or is_offset(other):
        return False
    try:
        return convert(1.0, one, other, interval=True) == 1.0
    except UnitError:
        return False


def convert(value: float, unit: str, to: str, *, interval: bool = False) -> float:
    """`value unit` in `to`, to 12 digits. As an interval, 9 degF are 5 degC. UnitError if they don't fit."""
    source, target = factors(unit), factors(to)
    if source == target:
        return value
    one, other = _unit(source, interval=interval), _unit(target, interval=interval)
    turns = [bool(_ROTATION & {name for name, _ in parts}) for parts in (source, target)]
    if one.dimensionality != other.dimensionality or turns[0] != turns[1]:
        raise UnitError(f"{unit} ({_dimension(one, turns[0])}) does not fit {to} ({_dimension(other, turns[1])})")
    return float(f"{_registry().Quantity(value, one).to(other).magnitude:.12g}")


def _dimension(unit: Any, turns: bool) -> str:
    """A word for what a unit measures."""
    if turns:
        return "rotation"
    for word, reference in _NAMED:
        if unit.dimensionality == _unit(_split_known(reference), interval=True).dimensionality:
            return word
    return str(unit.dimensionality)
