"""What a stop of the engine does to holds, by each policy; and the time that counts, by its laws."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.stops import Stops
from iotrules.model.inputs import Arrival, Messages, Started
from iotrules.model.times import SECOND
from tests.engine.world import START, World

HOT = "  r: {{from: env, when: temp > 85, for: 2m{}}}"
STOP = (60, 160)  # s; from, to


class StoppedWorld(World):
    """A world whose engine can be stopped; devices go on, and the broker keeps what they send if it is asked to."""

    def stop(self, begin: float, end: float, *, backlog: bool = False, **values: Any) -> None:
        """Nothing runs from `begin` to `end`; with `backlog`, a message with these values every 10 s comes then."""
        self.pass_time(begin)
        self.restart()
        self.now = START + round(end * SECOND)
        if self.engine.minds_stops:
            self.put(Started(START + round(begin * SECOND)))
        if backlog:
            self.put(Messages(tuple(self._arrivals(begin, end, values))))

    def _arrivals(self, begin: float, end: float, values: dict[str, Any]) -> list[Arrival]:
        found = []
        for at in range(round(begin), round(end), 10):
            self.seq = self.seqs["A", "b1"] = self.seqs.get(("A", "b1"), 0) + 1
            body = {"ts": (START + at * SECOND) // 10**6, "boot": "x", "seq": self.seq} | values
            found.append(Arrival("site/A/dev/b1/env", json.dumps(body).encode(), self.now))
        return found


def hot(world: World, begin: int, end: int, temp: float = 90) -> None:
    for at in range(begin, end, 10):
        world.send(at, temp=temp)


def fired(policy: str, *, backlog: bool, temp: float = 90) -> list[str]:
    """Hot from 0 on; the engine stops for 100 s after the first minute."""
    world = StoppedWorld(HOT.format(policy))
    hot(world, 0, 60)
    world.stop(*STOP, backlog=backlog, temp=temp)
    hot(world, 160, 500)
    return world.history()


def test_the_backlog_of_a_stop_counts_by_event_time_under_continue() -> None:
    assert fired("", backlog=True) == ["0 r pending", "120 r firing"]
    assert fired(", downtime: continue", backlog=True) == ["0 r pending", "120 r firing"]


def test_a_stop_without_a_backlog_is_a_gap_under_continue() -> None:
    assert fired("", backlog=False) == ["0 r pending", "80 r inactive", "160 r pending", "280 r firing"]


@pytest.mark.parametrize("backlog", [False, True])
def test_pause_takes_the_time_of_the_stop_out_of_the_hold(backlog: bool) -> None:
    assert fired(", downtime: pause", backlog=backlog) == ["0 r pending", "220 r firing"]


@pytest.mark.parametrize("backlog", [False, True])
def test_reset_begins_the_hold_anew(backlog: bool) -> None:
    assert fired(", downtime: reset", backlog=backlog) == ["0 r pending", "280 r firing"]


@pytest.mark.parametrize("policy", ["continue", "pause"])
def test_a_stop_longer_than_max_begins_the_hold_anew(policy: str) -> None:
    assert fired(f", downtime: {{policy: {policy}, max: 99s}}", backlog=True) == ["0 r pending", "280 r firing"]
    expected = "120" if policy == "continue" else "220"
    assert fired(f", downtime: {{policy: {policy}, max: 100s}}", backlog=True) == [
        "0 r pending",
        f"{expected} r firing",
    ]


@pytest.mark.parametrize("policy", ["pause", "reset"])
def test_a_false_sample_of_the_backlog_breaks_the_hold_as_ever(policy: str) -> None:
    history = fired(f", downtime: {policy}", backlog=True, temp=60)
    assert history == ["0 r pending", "60 r inactive", "160 r pending", "280 r firing"]


def test_a_hold_that_begins_in_the_backlog_counts_from_the_start() -> None:
    world = StoppedWorld(HOT.format(", downtime: pause"))
    hot(world, 0, 60, temp=60)
    world.stop(*STOP, backlog=True, temp=90)
    hot(world, 160, 500)
    assert world.history() == ["60 r pending", "280 r firing"]


def test_what_fired_before_the_stop_goes_on_firing_and_its_clear_is_held_alike() -> None:
    rule = "  r: {from: env, when: temp > 85, clear: {when: temp < 70, for: 1m}, downtime: pause}"
    world = StoppedWorld(rule)
    world.send(0, temp=90)
    hot(world, 10, 60, temp=60)
    world.stop(*STOP)
    hot(world, 160, 300, temp=60)
    assert world.history() == ["0 r firing", "170 r resolved"]


@pytest.mark.parametrize(("policy", "expected"), [("continue", "90"), ("pause", "190"), ("reset", "250")])
def test_silence_while_nobody_listened(policy: str, expected: str) -> None:
    world = StoppedWorld(f"  r: {{absent: env, for: 90s, downtime: {policy}}}")
    world.send(0)
    world.stop(*STOP)
    world.pass_time(400)
    assert world.history() == [f"{expected} r firing"]


def test_two_stops_in_one_hold_are_both_taken_out() -> None:
    world = StoppedWorld(HOT.format(", downtime: pause"))
    hot(world, 0, 60)
    world.stop(60, 160)
    hot(world, 160, 200)
    world.stop(200, 1000)
    hot(world, 1000, 1200)
    assert world.history() == ["0 r pending", "1020 r firing"]


def test_a_stop_that_is_stored_and_restored_counts_alike() -> None:
    world = StoppedWorld(HOT.format(", downtime: pause"), restart_every=1)
    hot(world, 0, 60)
    world.stop(*STOP, backlog=True, temp=90)
    hot(world, 160, 300)
    assert world.history() == ["0 r pending", "220 r firing"]


def test_a_clock_that_was_set_back_is_no_stop() -> None:
    world = StoppedWorld(HOT.format(", downtime: reset"))
    hot(world, 0, 60)
    world.put(Started(world.now + SECOND))
    hot(world, 60, 200)
    assert world.history() == ["0 r pending", "120 r firing"]


_stops = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 300)), max_size=6)


@settings(max_examples=300)
@given(_stops, st.integers(0, 3000), st.integers(0, 3000))
def test_time_that_counts_never_goes_back_and_stands_still_in_the_newest_stop(
    given_stops: list[tuple[int, int]], first: int, second: int
) -> None:
    stops, end = Stops(), 0
    for gap, length in given_stops:
        begin = end + gap
        end = begin + length
        stops.add(begin, end)
    first, second = sorted((first + stops.begin, second + stops.begin))
    assert stops.counted(first) <= stops.counted(second)
    assert stops.counted(second) - stops.counted(first) <= second - first
    assert stops.counted(stops.begin) == stops.counted(stops.end)
    assert stops.counted(stops.event(stops.counted(second))) == stops.counted(second)
    assert stops.event(stops.counted(second)) <= second


@given(st.integers(0, 10**19))
def test_without_a_stop_all_time_counts(at: int) -> None:
    assert Stops().counted(at) == Stops().event(at) == at
