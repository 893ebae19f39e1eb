"""A ladder of severities in one rule: each level latches and releases by itself, the alert moves with the highest."""

from __future__ import annotations

from tests.engine.world import World

LADDER = """
  overheat:
    from: env
    levels:
      critical: {when: temp > 85, for: 20s}
      major:    {when: temp > 75, for: 30s, clear: temp < 73}
    clear: {when: temp < 70, for: 20s}
    summary: "{device}: {severity}"
    do:
      - {at: firing, command: warn}
      - {at: critical, command: shutdown}
      - {at: resolved, command: all_clear}
"""


def _moves(world: World) -> list[tuple[int, str, str]]:
    return [
        (round((change.at - 1_790_000_000 * 10**9) / 10**9), change.after.value, change.severity.word)
        for decision in world.decisions
        for change in decision.transitions
    ]


def _feed(world: World, *temps: float, begin: int = 0) -> None:
    for index, temp in enumerate(temps):
        world.send(begin + 10 * index, temp=temp)


def _commands(world: World) -> list[str]:
    return [change.name for decision in world.decisions for change in decision.commands]


def test_each_level_has_its_own_hold() -> None:
    world = World(LADDER)
    _feed(world, 80, 80, 80, 80, 90, 90, 90)
    assert _moves(world) == [(0, "pending", "major"), (30, "firing", "major"), (60, "firing", "critical")]
    assert _commands(world) == ["warn", "shutdown"]


def test_the_highest_level_may_be_the_first() -> None:
    world = World(LADDER)
    _feed(world, 90, 90, 90)
    assert _moves(world) == [(0, "pending", "critical"), (20, "firing", "critical")]
    assert _commands(world) == ["warn", "shutdown"]


def test_when_the_highest_releases_the_next_takes_over_and_going_up_again_acts_again() -> None:
    world = World(LADDER)
    _feed(world, 90, 90, 90, 90, 80, 90, 90, 90)
    assert _moves(world)[1:] == [(20, "firing", "critical"), (40, "firing", "major"), (70, "firing", "critical")]
    assert _commands(world) == ["warn", "shutdown", "shutdown"]
    assert len(set(world.effects())) == 3


def test_with_no_level_latched_the_lowest_stays_until_the_rules_own_clear() -> None:
    world = World(LADDER)
    _feed(world, 90, 90, 90, 72, 72, 72, 69, 69, 69)
    assert _moves(world)[1:] == [(20, "firing", "critical"), (30, "firing", "major"), (80, "resolved", "major")]
    assert _commands(world)[-1] == "all_clear"


def test_without_a_clear_of_its_own_the_alert_ends_with_its_last_level() -> None:
    world = World(LADDER.replace("    clear: {when: temp < 70, for: 20s}\n", ""))
    _feed(world, 80, 80, 80, 80, 74, 72)
    assert _moves(world) == [(0, "pending", "major"), (30, "firing", "major"), (50, "resolved", "major")]


def test_one_episode_whatever_the_severity_does() -> None:
    world = World(LADDER)
    _feed(world, 90, 90, 90, 80, 90, 90, 90, 60, 60, 60)
    episodes = {c.episode for d in world.decisions for c in d.transitions if c.after.value != "pending"}
    assert len(episodes) == 1


def test_a_ladder_is_stored_and_restored_like_any_other_state() -> None:
    temps = (80, 80, 90, 90, 90, 72, 90, 90, 90, 69, 69, 69, 90, 90, 90)
    whole, torn = World(LADDER), World(LADDER, restart_every=2)
    for world in (whole, torn):
        _feed(world, *temps)
        world.pass_time(400)
    assert _moves(torn) == _moves(whole)
    assert torn.effects() == whole.effects()


def test_the_alert_says_which_level_and_why() -> None:
    world = World(LADDER)
    _feed(world, 80, 80, 80, 80, 90, 90, 90)
    change = world.decisions[-1].transitions[0]
    assert change.reason == "temp 90 > 85 for 20s"
    assert change.summary == "b1: critical"
    assert change.evidence.condition == "temp > 85"
