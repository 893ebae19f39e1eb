"""What an unquoted scalar means: the YAML 1.2 core schema, and nothing of YAML 1.1."""

from __future__ import annotations

import math
import re

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_LARGEST = 2**63 - 1


class ScalarError(ValueError):
    """An unquoted scalar that we refuse to guess about; `hint` says how to write it."""

    def __init__(self, message: str, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar. `no`, `12:30` and `1_000` are text; ScalarError for `012`, `.inf`."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] in "+-.0123456789" and not text[-1].isspace():
        return _number(text)
    return text


def _number(text: str) -> str | int | float:
    if _NOT_FINITE.fullmatch(text):
        raise ScalarError(f"{text} is not a number that can be used", "leave the key out, or write a number")
    if _LEADING_ZERO.fullmatch(text):
        raise ScalarError(
            f"{text[:40]} has a leading zero: is it decimal, octal or text?",
            f'write it without the zero, as 0o… if it is octal, or in quotes ("{text[:40]}") if it is text',
        )
    if _INTEGER.fullmatch(text):
        return _in_range(text, 10)
    if _OTHER_BASE.fullmatch(text):
        return _in_range(text[2:], 8 if text[1] == "o" else 16)
    return _finite(text) if _FLOAT.fullmatch(text) else text


def _in_range(digits: str, base: int) -> int:
    if len(digits) <= 65 and abs(value := int(digits, base)) <= _LARGEST:
        return value
    raise ScalarError("a whole number beyond 64 bit", "write it in quotes if it is text")


def _finite(text: str) -> float:
    value = float(text)
    if math.isfinite(value):
        return value
    raise ScalarError(f"{text[:40]} is too large for a number", "numbers go up to 1.8e308")
