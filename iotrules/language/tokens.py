"""The text of a condition, cut into tokens. Durations, shares and quantities are one token each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal as OneOf

from iotrules.language.durations import DURATION, duration
from iotrules.language.syntax import ExpressionError, Literal
from iotrules.language.words import KEYWORDS

MAX_LENGTH = 4096

_SPACE = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![0-9A-Za-z_.])", re.ASCII)
_SHARE = re.compile(r"[0-9]+(?:\.[0-9]+)?%(?![0-9A-Za-z_(])", re.ASCII)
_UNIT = re.compile(r" (?P<unit>[A-Za-z°µμΩ%][A-Za-z0-9°µμΩ%²³/·*^]*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SYMBOL = re.compile(r"==|!=|<=|>=|[<>+\-*/()\[\],=.]")
_STRING = re.compile(r"""(["'])(?P<body>(?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
"""In a text, a backslash stands before a quote or a backslash; in a pattern, before what the pattern needs."""

_WRONG_SYMBOLS = {
    "%": ("there is no % operator", "a share is written without a space, as in 50%"),
    "&": ("there is no & operator", "write and"),
    "|": ("there is no | operator", "write or"),
    "!": ("there is no ! operator", "write not, or !="),
    "{": ("there are no { } in a condition", ""),
    "#": ("there are no comments in a condition", ""),
    ";": ("a condition is one expression", ""),
    "≥": ("there is no ≥ operator", "write >="),
    "≤": ("there is no ≤ operator", "write <="),
    "≠": ("there is no ≠ operator", "write !="),
    "×": ("there is no × operator", "write *"),
    "÷": ("there is no ÷ operator", "write /"),
    "−": ("this is a typographer's minus", "write -"),
    "–": ("this is a dash", "write - for minus"),
    "℃": ("the unit ℃ is not known", "write degC, as in 85 degC"),
    "℉": ("the unit ℉ is not known", "write degF, as in 185 degF"),
    **dict.fromkeys("“”„‟«»‘’‚", ("this is a typographer's quotation mark", 'write straight ones: "running"')),
}
_REMAINDER = "a remainder is mod(x, n), as in mod(temp, 2)"


@dataclass(frozen=True, slots=True)
class Token:
    """A name, a word of the language, a symbol, a constant, or the end."""

    kind: OneOf["name", "word", "symbol", "literal", "end"]
    text: str
    start: int
    literal: Literal | None = None


def tokenize(text: str) -> list[Token]:
    """All tokens and an end. ExpressionError for what is no token, and for over 4096 characters."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(0, f"a condition has at most {MAX_LENGTH} characters, not {len(text)}")
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token = _token(text, at)
        tokens.append(token)
        at += len(token.text)
    tokens.append(Token("end", "", len(text)))
    return tokens


def _token(text: str, at: int) -> Token:
    character = text[at]
    if character.isascii() and (character.isdigit() or (character == "." and text[at + 1 : at + 2].isdigit())):
        return _numeric(text, at)
    if character in "\"'":
        return _string(text, at)
    if name := _NAME.match(text, at):
        return _word(name[0], at)
    if text.startswith("<>", at):
        raise ExpressionError(at, "there is no <> operator", "write !=")
    if symbol := _SYMBOL.match(text, at):
        return Token("symbol", symbol[0], at)
    if character == "%" and not text[:at].rstrip()[-1:].isdigit():
        raise ExpressionError(at, "there is no % operator", _REMAINDER)
    if character in _WRONG_SYMBOLS:
        raise ExpressionError(at, *_WRONG_SYMBOLS[character])
    shown = f"{character} (U+{ord(character):04X})" if character.isprintable() else f"U+{ord(character):04X}"
    raise ExpressionError(at, f"the character {shown} has no meaning in a condition")


def _word(name: str, at: int) -> Token:
    if name in ("true", "false"):
        return Token("literal", name, at, Literal("flag", name == "true", "", name, at))
    return Token("word" if name in KEYWORDS else "name", name, at)


def _numeric(text: str, at: int) -> Token:
    if found := DURATION.match(text, at):
        return _duration(found[0], at)
    if found := _SHARE.match(text, at):
        value = _finite(found[0][:-1], at)
        return Token("literal", found[0], at, Literal("share", value, "%", found[0], at))
    found = _NUMBER.match(text, at)
    if not found:
        raise ExpressionError(at, "not a number", "write 1000, 2.5 or 1e3; a unit stands behind one space (85 degC)")
    value = _finite(found[0], at)
    unit = _UNIT.match(text, found.end())
    if unit and unit["unit"] not in KEYWORDS:
        whole = text[at : unit.end()]
        return Token("literal", whole, at, Literal("quantity", value, unit["unit"], whole, at))
    return Token("literal", found[0], at, Literal("number", value, "", found[0], at))


def _duration(text: str, at: int) -> Token:
    try:
        return Token("literal", text, at, Literal("duration", float(duration(text)), "s", text, at))
    except ValueError as error:
        raise ExpressionError(at, str(error)) from None


def _finite(digits: str, at: int) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ExpressionError(at, "the number is too large", "numbers go up to 1.8e308")
    return value


def _string(text: str, at: int) -> Token:
    found = _STRING.match(text, at)
    if not found:
        raise ExpressionError(at, f"the text that begins with {text[at]} has no end", f"close it with {text[at]}")
    body = found["body"]
    for offset, character in enumerate(body):
        if not character.isprintable():
            raise ExpressionError(at + 1 + offset, f"the character U+{ord(character):04X} is not allowed in a text")
    value = ESCAPE.sub(lambda escape: escape[1] if escape[1] in "\\\"'" else escape[0], body)
    return Token("literal", found[0], at, Literal("text", value, "", found[0], at))
