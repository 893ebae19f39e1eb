"""Laws of the analysis behind L001, L006 and L007: it says what trying all values says."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from iotrules.engine.evaluate import Scope, truth
from iotrules.language import check_expression, load_files
from iotrules.language.linting.cases import TooManyCases, View, cases, together
from iotrules.model.expression import Expression, Value

ENV = load_files(
    {
        "r.yaml": """
streams:
  env:
    topic: site/{device}
    fields: {temp: {range: [0, 6]}, value: {range: [1, 4]}, fan: {one_of: [on, off, slow]}, door: {type: flag}}
"""
    }
).streams["env"]
VIEW = View({field.name: field for field in ENV.fields})

_number = st.integers(-1, 7).map(str)
_operator = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_speed = st.sampled_from(['"on"', '"off"', '"slow"'])


def _line(quantity: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    line = st.tuples(quantity, _operator, _number).map(" ".join)
    mirrored = st.tuples(_number, _operator, quantity).map(" ".join)
    chain = st.tuples(_number, _operator, quantity, _operator, _number).map(" ".join)
    return st.one_of(
        line, mirrored, chain, st.tuples(quantity, _number, _number).map(lambda p: f"{p[0]} in [{p[1]}, {p[2]}]")
    )


_leaf = st.one_of(
    _line(st.sampled_from(["temp", "value"])),
    st.tuples(st.sampled_from(["fan == ", "fan != "]), _speed).map("".join),
    st.just("door"),
)
_alone = _line(st.just("temp"))


def _joined(leaf: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda parts: f"({''.join(parts)})"),
            inner.map(lambda part: f"not ({part})"),
        ),
        max_leaves=5,
    )


NUMBERS = [number / 2 for number in range(13)]
ALL: list[dict[str, Value]] = [
    {"temp": temp, "value": value, "fan": fan, "door": door}
    for temp, value, fan, door in product(NUMBERS, NUMBERS[2:9], ("on", "off", "slow"), (True, False))
]


def _is(node: Expression, values: dict[str, Value]) -> bool | None:
    return truth(node, Scope(values, {}, lambda window: None))


@given(_joined(_leaf))
def test_never_and_always_are_what_all_values_say(text: str) -> None:
    node = check_expression(text, ENV)
    try:
        possible = bool(cases(node, VIEW)), bool(cases(node, VIEW, truth=False))
    except TooManyCases:
        return
    seen = {_is(node, values) for values in ALL}
    assert possible == (True in seen, False in seen)


@given(_joined(_alone), _joined(_alone))
def test_an_overlap_is_a_value_at_which_both_are_true(when: str, clear: str) -> None:
    one, other = check_expression(when, ENV), check_expression(clear, ENV)
    found = any(together(a, b) is not None for a, b in product(cases(one, VIEW), cases(other, VIEW)))
    assert found is any(_is(one, values) and _is(other, values) for values in ALL)
