"""Who is next: topics in turns where more waits than is taken, everything in its order where there is room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iotrules.model.inputs import Arrival
from iotrules.runtime.fairness import Portion, Turns


def _pairs(topics: str) -> list[tuple[Arrival, object]]:
    return [(Arrival(topic, b"", place), place) for place, topic in enumerate(topics)]


def _taken(turns: Turns, most: int) -> str:
    return "".join(arrival.topic for arrival, _ in turns.take(most))


def test_with_room_for_all_everything_keeps_its_order() -> None:
    turns = Turns()
    turns.put(_pairs("abacab"))
    assert _taken(turns, 6) == "abacab"
    assert len(turns) == 0


def test_one_topic_in_a_flood_does_not_hold_up_the_others() -> None:
    turns = Turns()
    turns.put(_pairs("f" * 1000 + "abc"))
    assert _taken(turns, 8) == "fffff" + "abc"
    turns.put(_pairs("a"))
    assert sorted(_taken(turns, 3)) == ["a", "f", "f"]


@given(st.lists(st.text("abc", max_size=30), max_size=10), st.integers(1, 7))
def test_nothing_is_lost_and_each_topic_keeps_its_order(batches: list[str], most: int) -> None:
    turns = Turns()
    put, got = 0, []
    for batch in batches:
        turns.put([(Arrival(topic, b"", put + place), None) for place, topic in enumerate(batch)])
        put += len(batch)
        got += [arrival for arrival, _ in turns.take(most)]
        assert len(turns) == put - len(got)
    while len(turns):
        got += [arrival for arrival, _ in turns.take(most)]
    assert sorted(arrival.received for arrival in got) == list(range(put))
    for topic in "abc":
        places = [arrival.received for arrival in got if arrival.topic == topic]
        assert places == sorted(places)


def test_what_takes_long_is_taken_in_smaller_portions() -> None:
    portion = Portion(0.03, 50, 2000)
    assert portion.size == 2000
    portion.learn(2000, 0.4)
    assert portion.size == 150
    for _ in range(20):
        portion.learn(100, 1.0)
    assert portion.size == 50
    for _ in range(40):
        portion.learn(50, 0.0001)
    assert portion.size == 2000
