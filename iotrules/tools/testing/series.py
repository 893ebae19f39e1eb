"""Compact series of values: `80x3 86x9 79`, `_` for a message without the field, `10..8x5` for a straight line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from iotrules.language.syntax import ExpressionError
from iotrules.model.expression import Value
from iotrules.model.rules import Field, FieldType

MAX_STEPS = 100_000

Step = Value | None
"""None: the message lacks the field."""

_TOKEN = re.compile(r"""(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s"']+)|(?P<stray>["'])""")
_TIMES = re.compile(r"x([0-9]{1,6})", re.ASCII)
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[-+]?[0-9]+)?"
_NUMBERS = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER}))?(?:x([0-9]{{1,6}}))?", re.ASCII)
_REPEATED = re.compile(r"(_|true|false)(?:x([0-9]{1,6}))?", re.ASCII)


def series(text: str, field: Field) -> tuple[Step, ...]:
    """The values, one a step. ExpressionError at the part that can't be read."""
    steps: list[Step] = []
    repeatable = False
    for token in _TOKEN.finditer(text):
        times = _TIMES.fullmatch(token[0])
        if times and repeatable:
            steps += [steps[-1]] * (_count(times[1], token.start()) - 1)
            repeatable = False
        else:
            added = _quoted(token) if token["quoted"] else list(_word(token, field))
            repeatable = len(added) == 1
            steps += added
        if len(steps) > MAX_STEPS:
            raise ExpressionError(token.start(), f"more than {MAX_STEPS} values in one series", "send less")
    if not steps:
        raise ExpressionError(0, "a series without values", "write values with spaces between them, as in 80x3 86")
    return tuple(steps)


def _quoted(token: re.Match[str]) -> list[Step]:
    return [token[0][1:-1]]


def _word(token: re.Match[str], field: Field) -> Iterator[Step]:
    word, at = token[0], token.start()
    if token["stray"]:
        raise ExpressionError(at, "a quote without its other half")
    found = _REPEATED.fullmatch(word)
    if found and (found[1] == "_" or field.type is FieldType.FLAG):
        value: Step = None if found[1] == "_" else found[1] == "true"
        yield from [value] * _count(found[2] or "1", at)
    elif field.type is FieldType.NUMBER:
        yield from _numbers(word, at)
    elif field.type is FieldType.TEXT:
        yield word
    else:
        raise ExpressionError(at, f'"{word}" is not true, false or _', "to send a text all the same, put it in quotes")


def _numbers(word: str, at: int) -> Iterator[Step]:
    found = _NUMBERS.fullmatch(word)
    if not found:
        hint = "write 86, 86x9, 10..8x5 or _; to send a text all the same, put it in quotes"
        raise ExpressionError(at, f'"{word}" is not a number', hint)
    first, last, times = float(found[1]), float(found[2] or found[1]), _count(found[3] or "1", at)
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ExpressionError(at, f'"{word}" is too large for a number')
    if found[2] and times < 2:
        raise ExpressionError(at, f'"{word}" says no number of values', "write 10..8x5 for five values from 10 to 8")
    for step in range(times):
        share = step / (times - 1) if times > 1 else 0.0
        yield round(first + (last - first) * share, 9)


def _count(digits: str, at: int) -> int:
    times = int(digits)
    if not 1 <= times <= MAX_STEPS:
        raise ExpressionError(at, f"x{digits} is not from x1 to x{MAX_STEPS}")
    return times
