"""What members answer is counted exactly: whatever the order, and whoever went stale, it is what a plain look gives."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.ballots import MAX_MEMBERS, Ballots, Question
from iotrules.engine.tallies import Tally
from iotrules.model.expression import FieldRef, Value

FRESH = 20
KINDS = frozenset({"avg", "sum", "stddev", "min", "max", "median", "outlier"})
_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 0.1, 1e16, 1.0, -1e16])
_spoken = st.tuples(st.integers(0, 9), st.sampled_from("abcdef"), st.none() | _numbers)


def _votes(spoken: list[tuple[int, str, Value | None]]) -> tuple[dict[str, Value], int]:
    """By plain definition: the fresh values, and when that is."""
    at, last = 0, {}
    for after, member, value in spoken:
        at += after
        last[member] = (at, value)
    return {member: value for member, (spoke, value) in last.items() if at - spoke <= FRESH and value is not None}, at


def _plain(kind: str, values: list[float]) -> float | None:
    exact = [Fraction(value) for value in values]
    try:
        match kind:
            case "sum":
                return float(sum(exact))
            case "avg":
                return float(sum(exact) / len(exact))
            case "stddev":
                mean = sum(exact) / len(exact)
                spread = sum((value - mean) ** 2 for value in exact)
                return math.sqrt(spread / (len(exact) - 1)) if len(exact) > 1 else None
            case "median":
                return float(median(exact))
    except OverflowError:
        return None
    return min(values) if kind == "min" else max(values)


@settings(max_examples=300, deadline=None)
@given(st.lists(_spoken, min_size=1, max_size=40))
def test_an_aggregate_over_members_equals_its_definition(spoken: list[tuple[int, str, Value | None]]) -> None:
    tally, at = Tally(FRESH, KINDS), 0
    for after, member, value in spoken:
        at += after
        tally.put(member, at, value)
        tally.advance(at)
    values = [float(value) for value in _votes(spoken)[0].values()]
    for kind in ("sum", "avg", "stddev", "min", "max"):
        assert tally.value(kind, 1) == (_plain(kind, values) if values else None), kind
    found = tally.value("median", 1)
    assert found == (pytest.approx(_plain("median", values)) if values else None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcdef"), st.none() | st.booleans()), min_size=1))
def test_conditions_of_members_are_counted(spoken: list[tuple[int, str, Value | None]]) -> None:
    tally = Tally(FRESH, {"count"})
    at = 0
    for after, member, value in spoken:
        at += after
        tally.put(member, at, value)
    tally.advance(at)
    votes = list(_votes(spoken)[0].values())
    known, trues = len(votes), votes.count(True)
    wanted = {
        "count": float(trues), "share": trues / known if known else None, "any": any(votes), "all": all(votes)
    }  # fmt: skip
    for kind, value in wanted.items():
        assert tally.value(kind, 1) == (value if known else None), kind
        assert tally.value(kind, known + 1) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(_spoken, min_size=1, max_size=30), st.integers(0, 29), st.integers(-15, 15))
def test_ballots_that_were_stored_and_looked_at_out_of_turn_answer_alike(
    spoken: list[tuple[int, str, Value | None]], torn_at: int, look: int
) -> None:
    question = (Question(FieldRef("temp"), FRESH, KINDS),)
    whole, torn, at = Ballots(question), Ballots(question), 0
    for index, (after, member, value) in enumerate(spoken):
        at += after
        for ballots in (whole, torn):
            ballots.take(member, at, at, [value])
        if index == torn_at:
            state = torn.state()
            torn = Ballots(question)
            torn.restore(state)
        torn.value("avg", 0, max(0, at + look), 1)  # as time passes for one rule after the other
    for kind in KINDS - {"outlier"}:
        assert torn.value(kind, 0, at, 1) == whole.value(kind, 0, at, 1), kind
    assert torn.next_stale(at) == whole.next_stale(at)


def test_a_group_leaves_out_the_member_that_was_silent_for_longest() -> None:
    ballots = Ballots((Question(FieldRef("temp"), 2 * MAX_MEMBERS, frozenset({"max"})),))
    kept = [ballots.take(f"m{at}", at, at, [float(-at)]) for at in range(MAX_MEMBERS + 1)]
    assert kept == [True] * MAX_MEMBERS + [False]
    assert ballots.value("max", 0, MAX_MEMBERS, 1) == -1.0
    assert len(ballots.said) == MAX_MEMBERS


def test_nothing_is_kept_of_members_that_are_long_silent() -> None:
    ballots = Ballots((Question(FieldRef("temp"), FRESH, KINDS),))
    for at in range(0, 1000, FRESH):
        ballots.take(f"m{at}", at, at, [1.0])
    assert len(ballots.said) == 2


def test_an_outlier_is_told_by_the_others_alone() -> None:
    tally = Tally(FRESH, {"outlier"})
    for index, value in enumerate([20.0, 20.5, 21.0, 21.5, 90.0]):
        tally.put(f"m{index}", 0, value)
    far = tally.apart("m4", 90.0)
    assert far is not None
    assert far == pytest.approx(0.6744897501960817 * (90 - 20.75) / 0.5)
    assert tally.apart("new", 90.0) != far  # for one that has not spoken, all five are others
    tally.drop("m0")
    assert tally.apart("m4", 90.0) is None  # three others
