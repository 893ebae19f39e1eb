"""Laws of guards and of commands, whatever devices, people, the broker and the clock do."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.commands import LIFE
from iotrules.model.decisions import AlertState, CommandState
from iotrules.model.times import SECOND
from tests.engine.test_blast_radius import COMMANDED, known_devices
from tests.engine.world import World

_story = st.lists(
    st.tuples(
        st.sampled_from(["hot", "cold", "approve", "reject", "wait", "sent", "done"]),
        st.integers(1, 6),
        st.integers(0, 90),
    ),
    max_size=25,
)


def _play(story: list[tuple[str, int, int]], **options: Any) -> World:
    """Heat and cool devices, decide on what was held, let the broker and devices answer; whatever comes."""
    world = known_devices(
        COMMANDED.replace("expires: 5m", "expires: 3m, ack_within: 20s, retry: 1"), devices=6, **options
    )
    at = 10
    for what, number, gap in story:
        at += gap
        world.pass_time(at)
        held = sorted({c.id for d in world.decisions for c in d.commands if c.state is CommandState.HELD})
        if what in ("hot", "cold"):
            world.send(at, f"b{number}", temp=90 if what == "hot" else 20)
        elif what in ("approve", "reject") and held:
            world.operate(what, held[number % len(held)])
        elif what == "sent" and world.sent():
            world.receipt(world.sent()[number % len(world.sent())].id)
        elif what == "done" and world.sent():
            command = world.sent()[number % len(world.sent())]
            world.answer(command, "succeeded", device=command.key.device)
    world.pass_time(at + 400)
    return world


@settings(max_examples=60, deadline=None)
@given(_story, st.integers(1, 7))
def test_a_run_that_was_stored_and_restored_equals_one_that_was_not(story: Any, every: int) -> None:
    whole, torn = _play(story), _play(story, restart_every=every)
    assert [d for d in torn.decisions if d.changed] == [d for d in whole.decisions if d.changed]


@settings(max_examples=100, deadline=None)
@given(_story)
def test_whatever_comes_the_share_is_kept_and_every_command_lives_by_the_table(story: Any) -> None:
    world = _play(story)
    effects = world.effects()
    assert len(effects) == len(set(effects))
    before: dict[str, CommandState] = {}
    open_alerts: set[str] = set()
    for decision in world.decisions:
        for change in decision.commands:
            last = before.get(change.id)
            if change.entered:
                assert last is None or change.state in LIFE[last]
            else:
                assert change.state is last
            before[change.id] = change.state
        for transition in decision.transitions:
            if transition.rule == "hot/held":
                raised = transition.after is AlertState.FIRING
                assert raised != (transition.key.text in open_alerts)
                (open_alerts.add if raised else open_alerts.discard)(transition.key.text)
    assert open_alerts == set()  # all have expired by now
    assert all(state not in LIFE for state in before.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 20)), max_size=40), st.sampled_from([10, 15, 25, 50]))
def test_within_any_time_no_more_devices_are_commanded_than_the_share(feed: Any, percent: int) -> None:
    world = known_devices(COMMANDED.replace("10%", f"{percent}%"), devices=20)
    at = 10
    for gap, number in feed:
        at += gap
        world.send(at, f"b{number}", temp=90)
        world.send(at, f"b{number}", temp=20)
    allowed = max(1, 20 * percent // 100)
    sent = [(command.issued, command.topic) for command in world.sent()]
    for begin, _ in sent:
        inside = {topic for when, topic in sent if begin <= when < begin + 600 * SECOND}
        assert len(inside) <= allowed
