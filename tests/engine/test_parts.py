"""An edit of one part of a rule begins that part anew, and no other."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from iotrules.model.inputs import Reload
from tests.engine.world import STREAM, World

LADDER = """
  hot:
    from: env
    by: [device]
    levels:
      minor: {when: temp > 80, clear: temp < 70}
      critical: {when: temp > 95, for: 2m}
"""
LEAVING = """
  hot:
    from: env
    when: temp > 80
    clear: {when: temp < 70, for: 1m}
"""
HELD = """
  hot: {from: env, when: temp > 80, for: 1m, clear: temp < 70}
"""
ALL_OVER = LADDER + "    clear: temp < 60\n"


Kind: TypeAlias = dict[str, Any]


@pytest.fixture(params=[{}, {"restart_every": 1}, {"fused": False}], ids=["plain", "restarted", "interpreted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """What the same must come of."""
    found: Kind = request.param
    return found


def stay(world: World, begin: int, end: int, temp: float) -> None:
    """A sample every ten seconds."""
    for at in range(begin, end + 1, 10):
        world.send(at, temp=temp)


def standing(world: World) -> list[str]:
    return [f"{one.state.value} {one.severity.word}" for one in world.engine.active_alerts()]


def edited(world: World, rules: str) -> list[tuple[str, str, str]]:
    """(state, severity, reason) of what other rules do to the alerts at once."""
    found = world.put(Reload({"rules.yaml": STREAM + rules})).transitions
    return [(one.after.value, one.severity.word, one.reason) for one in found]


def test_a_level_that_was_changed_leaves_the_alert_of_another_level_firing(kind: Kind) -> None:
    world = World(LADDER, **kind)
    world.send(0, temp=85)
    assert edited(world, LADDER.replace("> 95", "> 91")) == []
    assert standing(world) == ["firing minor"]
    world.send(10, temp=65)
    assert standing(world) == []


def test_the_hold_of_a_level_that_was_changed_begins_anew(kind: Kind) -> None:
    world = World(LADDER, **kind)
    stay(world, 0, 60, temp=97)
    assert edited(world, LADDER.replace("2m", "90s")) == []
    stay(world, 70, 150, temp=97)
    assert standing(world) == ["firing minor"]
    world.send(160, temp=97)
    assert standing(world) == ["firing critical"]


def test_the_hold_of_a_level_that_was_not_changed_goes_on(kind: Kind) -> None:
    world = World(LADDER, **kind)
    stay(world, 0, 60, temp=97)
    assert edited(world, LADDER.replace("temp < 70", "temp < 71")) == []
    stay(world, 70, 120, temp=97)
    assert standing(world) == ["firing critical"]


def test_an_alert_whose_level_was_changed_moves_to_the_highest_that_is_left(kind: Kind) -> None:
    world = World(LADDER, **kind)
    stay(world, 0, 130, temp=97)
    assert standing(world) == ["firing critical"]
    assert edited(world, LADDER.replace("> 95", "> 96")) == [
        ("firing", "minor", "the rule's level critical was changed")
    ]
    world.send(140, temp=65)
    assert standing(world) == []


def test_an_alert_of_which_no_level_is_left_ends_and_says_why(kind: Kind) -> None:
    world = World(LADDER, **kind)
    world.send(0, temp=85)
    assert edited(world, LADDER.replace("> 80", "> 82")) == [
        ("resolved", "minor", "the rule's level minor was changed")
    ]


def test_a_level_that_was_removed_takes_its_severity_with_it(kind: Kind) -> None:
    world = World(LADDER, **kind)
    stay(world, 0, 130, temp=97)
    without = LADDER.replace("      critical: {when: temp > 95, for: 2m}\n", "      major: {when: temp > 99}\n")
    assert edited(world, without) == [("firing", "minor", "the rule's level critical was changed")]


def test_another_clear_leaves_an_alert_firing_and_begins_its_own_hold_anew(kind: Kind) -> None:
    world = World(LEAVING, **kind)
    world.send(0, temp=85)
    stay(world, 10, 60, temp=65)
    assert edited(world, LEAVING.replace("< 70", "< 71")) == []
    stay(world, 70, 120, temp=65)
    assert standing(world) == ["firing minor"]
    world.send(130, temp=65)
    assert standing(world) == []


def test_another_clear_leaves_a_hold_that_runs(kind: Kind) -> None:
    world = World(HELD, **kind)
    stay(world, 0, 30, temp=85)
    assert edited(world, HELD.replace("< 70", "< 71")) == []
    stay(world, 40, 60, temp=85)
    assert standing(world) == ["firing minor"]


def test_another_clear_of_all_levels_leaves_an_alert_that_waits_for_it(kind: Kind) -> None:
    world = World(ALL_OVER, **kind)
    world.send(0, temp=85)
    world.send(10, temp=65)
    assert standing(world) == ["firing minor"]
    assert edited(world, ALL_OVER.replace("temp < 60", "temp < 61")) == []
    world.send(20, temp=60.5)
    assert standing(world) == []


def test_a_condition_that_was_changed_ends_its_alert(kind: Kind) -> None:
    world = World(LEAVING, **kind)
    world.send(0, temp=85)
    assert edited(world, LEAVING.replace("> 80", "> 82")) == [("resolved", "minor", "the rule's condition was changed")]


@pytest.mark.parametrize(
    "edit", [("by: [device]", "by: [site, device]"), ("from: env", "from: env\n    missing: false")]
)
def test_what_all_parts_have_in_common_begins_them_all_anew(kind: Kind, edit: tuple[str, str]) -> None:
    world = World(LADDER, **kind)
    world.send(0, temp=85)
    assert [(state, reason) for state, _, reason in edited(world, LADDER.replace(*edit))] == [
        ("resolved", "the rule's condition was changed")
    ]
