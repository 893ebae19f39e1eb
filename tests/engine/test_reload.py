"""Editing rules is a contract: words keep state, meaning resets it and says so."""

from __future__ import annotations

import pytest

from iotrules.model.errors import RuleError
from iotrules.model.inputs import Reload
from tests.engine.world import OVERHEAT, STREAM, World


def _firing() -> World:
    world = World(OVERHEAT + "    do:\n      - {at: resolved, command: restart}\n")
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    return world


def _reload(world: World, rules: str) -> list[tuple[str, str]]:
    decision = world.put(Reload({"rules.yaml": STREAM + rules}))
    return [(change.after.value, change.reason) for change in decision.transitions]


def test_changing_words_keeps_the_alert() -> None:
    world = _firing()
    edited = OVERHEAT.replace("critical", "major").replace("is at", "runs at")
    assert _reload(world, edited) == []
    world.send(40, temp=60)
    world.send(50, temp=60)
    assert world.send(60, temp=60).transitions[0].severity.word == "major"


def test_changing_the_condition_resolves_with_that_reason_and_acts_not() -> None:
    world = _firing()
    assert _reload(world, OVERHEAT.replace("> 85", "> 88")) == [("resolved", "the rule's condition was changed")]
    assert world.effects() == []
    for at in range(40, 80, 10):
        world.send(at, temp=90)
    assert world.history()[-1] == "70 overheat firing"
    numbers = [change.number for d in world.decisions for change in d.transitions]
    assert numbers == sorted(set(numbers))


def test_removing_a_rule_resolves_what_it_had_open() -> None:
    world = _firing()
    assert _reload(world, OVERHEAT.replace("overheat", "other")) == [("resolved", "the rule was removed")]
    assert not any(d.transitions for d in [world.send(40, temp=60)])


def test_a_bad_file_changes_nothing() -> None:
    world = _firing()
    with pytest.raises(RuleError):
        world.engine.process(Reload({"rules.yaml": "rules: ["}), world.now, world.sequence + 1)
    for at in range(40, 70, 10):
        world.send(at, temp=60)
    assert world.history()[-1] == "60 overheat resolved"


def test_windows_that_stay_keep_their_samples() -> None:
    warm = "  warm:\n    from: env\n    when: avg(temp, 1m, min_samples=3) > 80\n"
    world = World(warm)
    world.send(0, temp=90)
    world.send(10, temp=90)
    _reload(world, warm + OVERHEAT)
    world.send(20, temp=90)
    assert "20 warm firing" in world.history()


def _with_another_field(text: str) -> Reload:
    return Reload(
        {"rules.yaml": (STREAM + text).replace("pressure: {unit: bar}", "pressure: {unit: bar}\n      rpm: {}")}
    )


def test_a_new_field_of_the_stream_disarms_nothing() -> None:
    silent = "  silent:\n    absent: env\n    for: 1m\n"
    world = World(silent + OVERHEAT.replace("for: 30s", "for: 5m"))
    world.send(0, temp=90)
    world.put(_with_another_field(silent + OVERHEAT.replace("for: 30s", "for: 5m")))
    world.pass_time(90)
    assert "60 silent firing" in world.history()
    assert world.history().count("30 overheat inactive") == 1  # the gap broke the hold, as without the edit
    world.put(Reload({"rules.yaml": STREAM + OVERHEAT}))
    assert world.history()[-1].endswith("silent resolved")
