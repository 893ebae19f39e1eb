"""Compact series of values."""

from __future__ import annotations

import pytest

from iotrules.language.syntax import ExpressionError
from iotrules.model.rules import Field, FieldType
from iotrules.tools.testing.series import Step, series

NUMBER = Field("temp", ("temp",), FieldType.NUMBER)
TEXT = Field("fan", ("fan",), FieldType.TEXT)
FLAG = Field("open", ("open",), FieldType.FLAG)


@pytest.mark.parametrize(
    ("text", "field", "steps"),
    [
        ("80", NUMBER, (80.0,)),
        ("80x3  -1.5 1e3", NUMBER, (80.0, 80.0, 80.0, -1.5, 1000.0)),
        ("80 x2 _ _x2", NUMBER, (80.0, 80.0, None, None, None)),
        ("10..8x5", NUMBER, (10.0, 9.5, 9.0, 8.5, 8.0)),
        ("'85' \"x\"x2", NUMBER, ("85", "x", "x")),
        ("running x2 stopped _", TEXT, ("running", "running", "stopped", None)),
        ("'on hold' x2 'x3'", TEXT, ("on hold", "on hold", "x3")),
        ("true x2 falsex2", FLAG, (True, True, False, False)),
    ],
)
def test_a_series_is_its_values(text: str, field: Field, steps: tuple[Step, ...]) -> None:
    assert series(text, field) == steps


@pytest.mark.parametrize(
    ("text", "field", "offset", "message"),
    [
        ("80 hot", NUMBER, 3, '"hot" is not a number'),
        ("80x3 x2", NUMBER, 5, '"x2" is not a number'),
        ("x2", NUMBER, 0, '"x2" is not a number'),
        ("80 81x0", NUMBER, 3, "x0 is not from x1 to x100000"),
        ("1..2", NUMBER, 0, '"1..2" says no number of values'),
        ("80x99999 81x9", NUMBER, 9, "more than 100000 values in one series"),
        ("1e999", NUMBER, 0, '"1e999" is too large for a number'),
        ("true maybe", FLAG, 5, '"maybe" is not true, false or _'),
        ("a 'b", TEXT, 2, "a quote without its other half"),
        ("  ", TEXT, 0, "a series without values"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, field: Field, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        series(text, field)
    assert (caught.value.offset, caught.value.message) == (offset, message)
