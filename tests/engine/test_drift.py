"""`drift`: what it finds and how soon, how often it is wrong, and what must make no difference."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.drift import WARM_UP, Drift
from iotrules.engine.samples import WindowState
from iotrules.model.expression import Statistic
from iotrules.model.inputs import Reload
from tests.engine.world import STREAM, World


def flags(values: list[float]) -> list[bool | None]:
    drift, found = Drift(), []
    for at, value in enumerate(values):
        drift.add(at, value)
        found.append(drift.value(Statistic.DRIFT, at, 1))
    return found


def onsets(found: list[bool | None]) -> list[int]:
    return [index for index in range(1, len(found)) if found[index] and not found[index - 1]]


def noise(seed: int, count: int, alike: float = 0.0) -> list[float]:
    """Of deviation 1; `alike` is the correlation of neighbours."""
    source, value, values = random.Random(seed), 0.0, []
    for _ in range(count):
        value = alike * value + source.gauss(0, math.sqrt(1 - alike * alike))
        values.append(value)
    return values


def _moved(values: list[float], by: Callable[[int], float], at: int = 500) -> list[float]:
    return [value + (by(index - at) if index >= at else 0) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("by", "within"),
    [
        (lambda _: 2.0, 80), (lambda _: -3.0, 25), (lambda _: 8.0, 10),
        (lambda since: 0.003 * since, 900), (lambda since: -0.01 * since, 280), (lambda since: 0.03 * since, 110),
    ],
    ids=["step of 2", "step of -3", "step of 8", "slow ramp", "ramp", "fast ramp"],
)  # fmt: skip
def test_a_level_that_moves_away_is_found_soon(by: Callable[[int], float], within: int) -> None:
    for seed in range(20):
        found = onsets(flags(_moved(noise(seed, 1500), by)))
        assert found
        assert 500 <= found[0] <= 500 + within


def test_a_step_of_correlated_values_is_found() -> None:
    delays = [onsets(flags(_moved(noise(seed, 1500, 0.9), lambda _: 5.0)))[0] - 500 for seed in range(20)]
    assert min(delays) >= 0
    assert sorted(delays)[10] <= 80


def test_false_alarms_are_rare() -> None:
    """Of 100,000 samples each: independent ones, ones like their neighbours, and heavy-tailed ones."""
    heavy = [[math.tan(math.pi * (random.Random(seed * 7919 + n).random() - 0.5)) for n in range(5000)]
             for seed in range(20)]  # fmt: skip
    assert sum(len(onsets(flags(noise(seed, 5000)))) for seed in range(20)) == 0
    assert sum(len(onsets(flags(noise(seed, 5000, 0.9)))) for seed in range(20)) <= 1
    assert sum(len(onsets(flags(noise(seed, 5000, 0.98)))) for seed in range(20)) <= 10
    assert sum(len(onsets(flags(values))) for values in heavy) == 0


def test_a_daily_cycle_is_learnt_in_a_day() -> None:
    day = 288
    for seed in range(5):
        values = [3 * math.sin(2 * math.pi * n / day) + value for n, value in enumerate(noise(seed, 14 * day))]
        assert all(onset < day for onset in onsets(flags(values)))


def test_it_is_true_until_the_new_level_is_known_and_finds_the_next_move() -> None:
    values = _moved(_moved(noise(1, 3000), lambda _: 6.0, 1000), lambda _: -6.0, 2000)
    found = flags(values)
    first, second = onsets(found)
    assert found[: WARM_UP - 1] == [None] * (WARM_UP - 1)
    assert 1000 <= first < 1020
    assert 2000 <= second < 2200
    assert found[first : first + WARM_UP - 1] == [True] * (WARM_UP - 1)
    assert set(found[first + WARM_UP : second]) == {False}


def test_a_few_outliers_are_no_drift_and_a_constant_that_moves_is() -> None:
    spiky = noise(3, 1000)
    for at in range(600, 604):
        spiky[at] = 1e9
    assert onsets(flags(spiky)) == []
    assert onsets(flags([20.0] * 400 + [20.5] * 400)) == [413]
    assert onsets(flags([20.0] * 1000)) == []


KINDS_OF_FEED = st.builds(
    lambda seed, at, by, alike: _moved(noise(seed, 700, alike), lambda _: by, at),
    st.integers(0, 10**6),
    st.integers(100, 600),
    st.sampled_from([0.0, 1.5, -3.0, 6.0]),
    st.sampled_from([0.0, 0.8]),
)


@settings(max_examples=30, deadline=None)
@given(KINDS_OF_FEED, st.sampled_from([1000.0, 0.001, -1.0, -9 / 5]), st.sampled_from([0.0, 32.0, -273.15, 4096.0]))
def test_units_signs_and_zeros_make_no_difference(values: list[float], scale: float, offset: float) -> None:
    assert flags([value * scale + offset for value in values]) == flags(values)


@settings(max_examples=30, deadline=None)
@given(KINDS_OF_FEED, st.integers(1, 40))
def test_a_detector_that_is_stored_and_restored_goes_on_with_the_same_floats(values: list[float], every: int) -> None:
    whole, torn = Drift(), Drift()
    for at, value in enumerate(values):
        whole.add(at, value)
        torn.add(at, value)
        if at % every == 0:
            stored = msgspec.msgpack.decode(msgspec.msgpack.encode(torn.state()), type=WindowState)
            torn = Drift(stored)
        assert torn.state() == whole.state()
        assert torn.value(Statistic.DRIFT, at, 1) == whole.value(Statistic.DRIFT, at, 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=400))
def test_whatever_the_numbers_it_stays_finite(values: list[float]) -> None:
    drift = Drift()
    for at, value in enumerate([*values, *([1e308, -1e308] * 100)]):
        drift.add(at, value)
    assert all(math.isfinite(float(number)) for number in drift.state().values)


RULE = """
  moved: {from: env, when: drift(temp), summary: "{device} has drifted"}
  usual: {from: env, when: "not drift(temp)"}
"""


def _run(**options: Any) -> World:
    world = World(RULE, **options)
    for index, value in enumerate(_moved(noise(4, 420), lambda _: 5.0, 200)):
        world.send(index * 10, temp=round(50 + value, 3))
        if index % 7 == 0:
            world.send(index * 10 + 5, pressure=2)
    return world


def test_a_rule_fires_when_the_level_moves_and_resolves_when_the_new_one_is_known() -> None:
    world = _run()
    first, *rest = world.history()
    assert first == f"{(WARM_UP - 1) * 10} usual firing"
    at = int(rest[0].split()[0])
    known = at + (WARM_UP - 1) * 10
    assert 2000 <= at <= 2150
    assert sorted(rest) == sorted(
        [f"{at} moved firing", f"{at} usual resolved", f"{known} moved resolved", f"{known} usual firing"]
    )


def test_a_run_that_was_stored_and_restored_equals_one_that_was_not() -> None:
    assert _run(restart_every=37).history() == _run().history()


def test_an_edit_of_words_keeps_what_was_learnt_and_an_edit_of_the_field_does_not() -> None:
    for edited, known in ((RULE.replace("has drifted", "moved"), True), (RULE, False)):
        world = World(RULE)
        for index, value in enumerate(noise(4, WARM_UP)):
            world.send(index * 10, temp=round(50 + value, 3))
        stream = STREAM if known else STREAM.replace("range: [-40, 150]", "range: [-40, 160]")
        world.put(Reload({"rules.yaml": stream + edited}))
        assert world.history()[0] == f"{(WARM_UP - 1) * 10} usual firing"
        assert (len(world.history()) == 1) is known
