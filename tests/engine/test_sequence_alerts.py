"""The alert of a sequence: how it ends, what handlers are given, edits of the rule, restarts."""

from __future__ import annotations

import pytest

from iotrules.model.decisions import Invoke
from iotrules.model.inputs import Arrival, Messages, Reload, Tick
from iotrules.model.sequences import Sequence
from iotrules.model.times import SECOND
from tests.engine.building import ENTRY, PAIR, STREAMS, Building


def test_it_resolves_within_after_it_fired_and_a_match_meanwhile_is_counted() -> None:
    world = Building(PAIR)
    for at in (0, 10, 20):
        world.door(at)
        world.motion(at + 1)
    assert world.total("sequence_repeated") == 2
    world.pass_time(60)
    assert world.history() == ["1 pair firing", "31 pair resolved"]
    assert world.transitions()[-1].reason == "30s after it fired"
    world.door(70)
    world.motion(71)
    assert world.history()[-1] == "71 pair firing"
    assert len({change.episode for change in world.transitions()}) == 2


def test_clear_ends_it_instead() -> None:
    world = Building(PAIR + '    clear: door where state == "closed"\n')
    world.door(0)
    world.motion(1)
    world.pass_time(500)
    world.door(600, state="closed")
    assert world.history() == ["1 pair firing", "600 pair resolved"]
    assert world.transitions()[-1].reason == 'door: state "closed" == "closed"'


def test_clear_without_a_stream_is_about_the_last_step() -> None:
    world = Building(PAIR + "    clear: not seen\n")
    world.door(0)
    world.motion(1)
    world.motion(2, seen=False)
    assert world.history() == ["1 pair firing", "2 pair resolved"]


def test_a_message_that_completes_another_match_does_not_clear() -> None:
    world = Building(PAIR + "    clear: seen\n")
    for at in (0, 10):
        world.door(at)
        world.motion(at + 1)
    assert (world.history(), world.total("sequence_repeated")) == (["1 pair firing"], 1)
    world.motion(20)
    assert world.history()[-1] == "20 pair resolved"


def test_handlers_are_given_the_last_step_and_where_the_others_came_from() -> None:
    world = Building(ENTRY + "    do:\n      - invoke: call_guard\n      - {at: resolved, invoke: call_guard}\n")
    world.door(0, device="north")
    world.motion(5)
    world.pass_time(300)
    first, second = (effect for decision in world.decisions for effect in decision.effects)
    assert isinstance(first, Invoke)
    assert isinstance(second, Invoke)
    assert (first.event["reading"]["seen"], first.event["reading"]["door.device"]) == (True, "north")
    assert second.event["reason"]["transition"] == "resolved"


def test_a_rule_that_only_acts_shows_no_alert_and_a_dry_run_does_not_act() -> None:
    steps = "    do: [{invoke: call_guard}]\n"
    for words, alerts, effects in (("alert: false", 0, 1), ("dry_run: true", 1, 0)):
        world = Building(PAIR + f"    {words}\n" + steps)
        world.door(0)
        world.motion(5)
        assert (len(world.transitions()), len(world.effects())) == (alerts, effects)


def _reload(world: Building, rules: str) -> list[str]:
    decision = world.put(Reload({"rules.yaml": STREAMS + rules}))
    return [f"{change.after.value}: {change.reason}" for change in decision.transitions]


def test_changing_words_keeps_the_runs_and_the_alert() -> None:
    world = Building(ENTRY)
    world.door(0)
    world.motion(5)
    assert _reload(world, ENTRY.replace("opened on", "was opened on").replace("major", "critical")) == []
    world.pass_time(100)
    assert [change.summary for change in world.transitions()] == ["d1 was opened on A, seen by d1"]
    assert _reload(world, ENTRY) == []
    world.pass_time(200)
    assert world.history() == ["90 entry firing", "180 entry resolved"]


@pytest.mark.parametrize(
    ("edited", "reason"),
    [
        (ENTRY.replace("90s", "80s"), "the rule's sequence was changed"),
        (ENTRY.replace("where seen", "where not seen"), "the rule's sequence was changed"),
        (ENTRY + "    matching: every\n", "the rule's sequence was changed"),
        (ENTRY.replace("entry", "other"), "the rule was removed"),
    ],
)
def test_changing_the_meaning_resolves_with_that_reason(edited: str, reason: str) -> None:
    world = Building(ENTRY + "    do:\n      - {at: resolved, invoke: call_guard}\n")
    world.door(0)
    world.motion(5)
    world.pass_time(100)
    world.door(101)
    assert _reload(world, edited) == [f"resolved: {reason}"]
    assert world.effects() == []
    world.motion(105)
    world.pass_time(300)
    assert len(world.history()) == 2  # the run that was open has ended too


def test_a_restart_keeps_runs_timers_and_the_alert() -> None:
    whole, torn = Building(ENTRY), Building(ENTRY, restart_every=1)
    for world in (whole, torn):
        world.badge(0)
        world.door(61)
        world.motion(70)
        world.pass_time(400)
        world.door(401)
        world.motion(402)
        world.badge(403)
        world.pass_time(600)
    assert torn.history() == whole.history() == ["151 entry firing", "241 entry resolved"]


def test_a_clock_that_goes_back_fires_nothing() -> None:
    world = Building(ENTRY)
    world.door(0)
    world.motion(5)
    world.now -= 3600 * SECOND
    assert world.put(Tick()).transitions == []
    world.put(Messages((Arrival("site/A/motion/m", b'{"ts": 1790000006000, "seen": true}', world.now),)))
    assert [line.split()[1] for line in world.history()] == ["motion/clock"]  # its clock is ahead of ours now


def test_why_says_which_step_of_a_sequence_is_lacking_and_until_when() -> None:
    world = Building(PAIR)
    rule = world.engine.rules.rules["pair"]
    (first,) = [step.pattern for step in rule.body.steps[:1]] if isinstance(rule.body, Sequence) else []
    world.door(0)
    (key,) = world.engine.keys("pair")
    assert dict(key.labels) == {"site": "A"}
    told = world.engine.explain("pair", key, world.now)
    assert told.known
    assert "1 of 2 steps have come: motion" in told.verdict
    assert told.place.text
    world.pass_time(10_000)
    assert f"waits for {first.text}" in world.engine.explain("pair", key, world.now).verdict
    assert "no first step has come" in world.engine.explain("pair", key, world.now).verdict
