"""What holds a rule back, as timelines: schedules, cooldown, inhibition, flapping."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.model.decisions import AlertState, Transition
from iotrules.model.inputs import Reload
from tests.engine.world import START, STREAM, World

# the world starts on Monday 2026-09-21 at 14:13:20 UTC
OPENS_AFTER_100 = 'only: {between: ["14:15", "14:20"], zone: UTC}'
CLOSED = 'only: {between: ["08:00", "14:00"], zone: UTC}'


def changes(world: World) -> list[Transition]:
    return [change for decision in world.decisions for change in decision.transitions]


def told(world: World) -> list[str]:
    """What fires or is resolved: the second, the rule, the key, and why it is muted."""
    return [
        f"{(change.at - START) / 10**9:g} {change.rule} {change.key.device} {change.after.value}"
        + (f" muted: {change.muted}" if change.muted else "")
        for change in changes(world)
        if change.after in (AlertState.FIRING, AlertState.RESOLVED)
    ]


def hot(world: World, begin: int, end: int, temp: float = 90, **where: Any) -> None:
    """A message every 10 s in [begin, end)."""
    for at in range(begin, end, 10):
        world.send(at, temp=temp, **where)


# Schedules


def test_a_hold_begins_before_the_schedule_opens_and_fires_at_the_very_instant() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, for: 30s, {OPENS_AFTER_100}}}")
    hot(world, 0, 100)
    world.pass_time(101)  # and no message at 100
    assert world.history() == ["0 r pending", "100 r firing"]


def test_schedule_opens_while_true_without_for() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, {OPENS_AFTER_100}}}")
    world.send(95, temp=90)
    world.pass_time(110)
    assert world.history() == ["95 r pending", "100 r firing"]


def test_a_condition_that_ended_before_the_schedule_opens_does_not_fire() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, clear: temp < 70, for: 30s, {OPENS_AFTER_100}}}")
    hot(world, 0, 60)
    hot(world, 60, 200, temp=80)  # it would not have cleared, had it fired
    assert world.history() == ["0 r pending", "60 r inactive"]


def test_an_alert_that_fires_clears_when_the_schedule_is_closed() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, clear: {{when: temp < 70, for: 20s}}, {OPENS_AFTER_100}}}")
    hot(world, 100, 450)  # it closes at 400
    hot(world, 450, 480, temp=60)
    hot(world, 480, 600)
    assert world.history() == ["100 r firing", "470 r resolved", "480 r pending"]


def test_outside_its_schedule_nothing_fires_and_nothing_runs() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, {CLOSED}, do: [{{command: stop}}]}}")
    hot(world, 0, 600)
    assert world.history() == ["0 r pending"]
    assert world.effects() == []


def test_a_level_is_not_reached_while_the_schedule_is_closed() -> None:
    levels = "levels: {major: {when: temp > 85}, critical: {when: temp > 95}}"
    world = World(f"  r: {{from: env, {levels}, clear: temp < 70, {OPENS_AFTER_100}}}")
    hot(world, 390, 400)
    hot(world, 400, 600, temp=99)
    assert [(c.after.value, c.severity.word) for c in changes(world)] == [("firing", "major")]


def test_silence_outside_the_schedule_is_told_when_it_opens() -> None:
    world = World(f"  r: {{absent: env, for: 30s, {OPENS_AFTER_100}}}")
    world.send(0)
    world.pass_time(101)
    assert world.history() == ["100 r firing"]
    world.send(120)
    world.pass_time(300)
    assert world.history() == ["100 r firing", "120 r resolved", "150 r firing"]


def test_silence_that_is_not_expected_any_more_when_the_schedule_opens_is_not_told() -> None:
    world = World(f"  r: {{absent: env, for: 30s, expect: seen_within 1m, {OPENS_AFTER_100}}}")
    world.send(0)
    world.pass_time(300)
    assert world.history() == []


def test_the_schedule_is_of_the_devices_own_time() -> None:
    world = World(f"  r: {{from: env, when: temp > 85, {OPENS_AFTER_100}}}")
    for at in range(0, 100, 10):
        world.send(at, lag=200, temp=90)  # a backlog that comes when the schedule is open by our clock
    assert world.history() == ["0 r pending"]


# Cooldown


def test_cooldown_mutes_notification_never_state() -> None:
    world = World("  r: {from: env, when: temp > 85, cooldown: 5m, do: [{command: stop}, {at: resolved, command: go}]}")
    hot(world, 0, 20)
    hot(world, 20, 40, temp=60)
    hot(world, 40, 60)
    hot(world, 60, 400, temp=60)
    hot(world, 400, 420)
    assert told(world) == [
        "0 r b1 firing",
        "20 r b1 resolved",
        "40 r b1 firing muted: cooldown until 2026-09-21T14:18:40Z",
        "60 r b1 resolved muted: cooldown until 2026-09-21T14:18:40Z",
        "400 r b1 firing",
    ]
    assert len(world.effects()) == 5


def test_what_still_fires_when_the_cooldown_is_over_is_told_once() -> None:
    world = World("  r: {from: env, when: temp > 85, cooldown: 2m, do: [{command: stop}]}")
    hot(world, 0, 10)
    hot(world, 10, 20, temp=60)
    hot(world, 20, 400)
    hot(world, 400, 410, temp=60)
    assert told(world) == [
        "0 r b1 firing",
        "10 r b1 resolved",
        "20 r b1 firing muted: cooldown until 2026-09-21T14:15:30Z",
        "130 r b1 firing",
        "400 r b1 resolved",
    ]
    assert changes(world)[-2].reason == "the cooldown is over"
    assert len(world.effects()) == 2  # telling again runs no step


def test_a_rise_in_a_cooldown_is_told_when_it_is_over_unless_it_went_back() -> None:
    rule = "  r: {from: env, levels: {major: {when: temp > 85}, critical: {when: temp > 95}}, cooldown: 1m}"
    world = World(rule)
    hot(world, 0, 20)
    hot(world, 20, 200, temp=99)
    assert [(c.severity.word, bool(c.muted)) for c in changes(world)] == [
        ("major", False), ("critical", True), ("critical", False)
    ]  # fmt: skip
    world = World(rule)
    hot(world, 0, 20)
    hot(world, 20, 40, temp=99)
    hot(world, 40, 200)
    assert [(c.severity.word, bool(c.muted)) for c in changes(world)] == [
        ("major", False), ("critical", True), ("major", True)
    ]  # fmt: skip


def test_a_cooldown_is_of_one_key() -> None:
    world = World("  r: {from: env, when: temp > 85, cooldown: 5m}")
    world.send(0, temp=90)
    world.send(1, device="b2", temp=90)
    assert told(world) == ["0 r b1 firing", "1 r b2 firing"]


# Inhibition

INHIBIT = """
  cause: {from: env, by: [site], when: pressure > 5, inhibit: {rules: [effect], same: [site]}}
  effect: {from: env, when: temp > 85, do: [{command: stop}]}
"""


def test_while_the_source_fires_its_targets_are_muted_and_told_when_it_ends_exactly_once() -> None:
    world = World(INHIBIT)
    world.send(0, device="x", pressure=6)
    hot(world, 10, 50)
    world.send(20, device="b2", site="B", temp=90)  # not the same site
    world.send(50, device="x", pressure=1)
    hot(world, 60, 90)
    world.send(90, temp=60)
    assert told(world) == [
        "0 cause A firing",
        "10 effect b1 firing muted: inhibited by cause site=A",
        "20 effect b2 firing",
        "50 cause A resolved",
        "40 effect b1 firing",
        "90 effect b1 resolved",
    ]
    assert changes(world)[4].reason == "no longer inhibited by cause site=A"
    assert len(world.effects()) == 2  # the commands of the two, once each


def test_a_resolve_of_what_was_muted_is_muted() -> None:
    world = World(INHIBIT)
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    world.send(20, temp=60)
    world.send(30, device="x", pressure=1)
    assert told(world) == [
        "0 cause A firing",
        "10 effect b1 firing muted: inhibited by cause site=A",
        "20 effect b1 resolved muted: inhibited by cause site=A",
        "30 cause A resolved",
    ]


def test_resolves_of_notified_episodes_are_always_delivered() -> None:
    world = World(INHIBIT)
    world.send(0, temp=90)
    world.send(10, device="x", pressure=6)
    world.send(20, temp=60)
    assert told(world) == ["0 effect b1 firing", "10 cause A firing", "20 effect b1 resolved"]


def test_the_source_comes_first_at_the_same_instant_whatever_the_order_of_the_rules() -> None:
    for lines in (INHIBIT.splitlines(), INHIBIT.splitlines()[::-1]):
        world = World("\n".join(lines))
        world.send(0, pressure=6, temp=90)
        assert told(world) == ["0 cause A firing", "0 effect b1 firing muted: inhibited by cause site=A"]


def test_the_source_comes_first_also_behind_another_rule_of_the_targets_key() -> None:
    world = World("  other: {from: env, when: temp > 85}" + INHIBIT)
    world.send(0, pressure=6, temp=90)
    assert told(world)[1:] == ["0 cause A firing", "0 effect b1 firing muted: inhibited by cause site=A"]


def test_the_source_comes_first_when_both_are_due_at_the_same_instant() -> None:
    world = World("""
  z-cause: {from: env, by: [site], when: pressure > 5, for: 30s, inhibit: {rules: [effect], same: [site]}}
  effect: {from: env, when: temp > 85, for: 30s}
""")
    world.send(0, pressure=6, temp=90)
    world.send(10, pressure=6, temp=90)
    world.send(20, pressure=6, temp=90)
    world.pass_time(31)
    assert told(world) == ["30 z-cause A firing", "30 effect b1 firing muted: inhibited by z-cause site=A"]


def test_what_ends_with_its_cause_is_not_told_again() -> None:
    world = World(INHIBIT)
    world.send(0, pressure=6, temp=90)
    world.send(10, pressure=1, temp=60)
    assert [line for line in told(world) if "effect" in line and "muted" not in line] == []


def test_two_sources_and_two_keys_of_a_source_all_have_to_end() -> None:
    world = World("""
  one: {from: env, when: pressure > 5, inhibit: {rules: [effect], same: [site]}}
  two: {from: env, when: pressure > 8, inhibit: {rules: [effect]}}
  effect: {from: env, when: temp > 85}
""")
    world.send(0, device="x", pressure=9)
    world.send(1, device="y", pressure=6)
    world.send(2, temp=90)
    world.send(10, device="x", pressure=1)
    assert "effect" not in told(world)[-1]
    world.send(20, device="y", pressure=1)
    assert told(world)[-1] == "2 effect b1 firing"


def test_a_dry_run_inhibits_nobody() -> None:
    world = World(INHIBIT.replace("inhibit:", "dry_run: true, inhibit:"))
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    assert told(world)[-1] == "10 effect b1 firing"


@pytest.mark.parametrize(
    "after",
    [
        INHIBIT.split("\n")[2],
        INHIBIT.replace(", same: [site]", "").replace("[effect]", "[effect2]")
        + "\n  effect2: {from: env, when: temp > 85}",
    ],
)
def test_a_source_that_is_removed_or_names_others_frees_its_targets(after: str) -> None:
    world = World(INHIBIT)
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    world.put(Reload({"rules.yaml": STREAM + after}))
    assert told(world)[-1].endswith("effect b1 firing")
    assert changes(world)[-1].reason == "no longer inhibited by cause site=A"


def test_a_source_and_its_target_that_are_removed_together_leave_nothing() -> None:
    world = World(INHIBIT)
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    world.put(Reload({"rules.yaml": STREAM + "  other: {from: env, when: temp > 85}"}))
    assert told(world)[2:] == [
        "10 cause A resolved",
        "10 effect b1 resolved muted: inhibited by cause site=A",
    ]
    world.send(20, device="x", pressure=1)


def test_a_restart_changes_nothing_for_those_who_wait_for_a_source() -> None:
    world = World(INHIBIT, restart_every=1)
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    world.pass_time(60)
    world.send(60, device="x", pressure=1)
    assert told(world)[-1] == "10 effect b1 firing"


# Flapping


def flap(world: World, begin: int, times: int, step: int = 5) -> int:
    """So many changes, the first to firing; the second after the last."""
    for n in range(times):
        world.send(begin + n * step, temp=60 if n % 2 else 90)
    return begin + times * step


def test_flapping_is_one_notice_and_ends_by_itself() -> None:
    world = World("  r: {from: env, when: temp > 85, flapping: {changes: 4, within: 1m}}")
    flap(world, 0, 9)
    assert [(c.after.value, c.muted) for c in changes(world)] == [
        ("firing", ""), ("resolved", ""), ("firing", ""), ("resolved", ""),
        ("firing", "flapping"), ("resolved", "flapping"), ("firing", "flapping"), ("resolved", "flapping"),
        ("firing", "flapping"),
    ]  # fmt: skip
    notices = [c.reason for c in changes(world) if "flapping:" in c.reason]
    assert notices == ["temp 60 is not > 85; flapping: 4 changes in 1m"]
    hot(world, 50, 120)
    assert told(world)[-1] == "100 r b1 firing"  # a minute after the last change, at 40
    assert changes(world)[-1].reason == "no longer flapping: quiet for 1m"
    hot(world, 120, 400)
    world.send(400, temp=60)
    assert told(world)[10:] == ["400 r b1 resolved"]


def test_flapping_that_ends_quietly_tells_nothing() -> None:
    world = World("  r: {from: env, when: temp > 85, flapping: {changes: 4, within: 1m}}")
    end = flap(world, 0, 6)
    hot(world, end, 300, temp=60)
    assert len(told(world)) == 6
    world.send(300, temp=90)
    assert told(world)[-1] == "300 r b1 firing"


def test_by_default_six_changes_in_ten_minutes_flap_and_it_can_be_switched_off() -> None:
    for rule, muted in (("", 4), (", flapping: false", 0)):
        world = World(f"  r: {{from: env, when: temp > 85{rule}}}")
        flap(world, 0, 10)
        assert sum(bool(change.muted) for change in changes(world)) == muted


def test_slow_changes_do_not_flap() -> None:
    world = World("  r: {from: env, when: temp > 85, flapping: {changes: 4, within: 1m}}")
    flap(world, 0, 12, step=25)
    assert not any(change.muted for change in changes(world))


def test_that_it_flaps_is_told_in_a_cooldown_too() -> None:
    world = World("  r: {from: env, when: temp > 85, cooldown: 1h, flapping: {changes: 4, within: 1m}}")
    flap(world, 0, 7)
    assert [(c.after.value, c.muted[:8]) for c in changes(world)] == [
        ("firing", ""), ("resolved", ""), ("firing", "cooldown"), ("resolved", "cooldown"),
        ("firing", ""), ("resolved", ""), ("firing", "flapping"),
    ]  # fmt: skip
    assert changes(world)[4].reason == "temp 90 > 85; flapping: 4 changes in 1m"


def test_a_reload_that_switches_flapping_off_tells_of_what_fires() -> None:
    rule = "  r: {{from: env, when: temp > 85, flapping: {}}}"
    world = World(rule.format("{changes: 2, within: 10m}"))
    flap(world, 0, 5)
    assert changes(world)[-1].muted == "flapping"
    world.put(Reload({"rules.yaml": STREAM + rule.format("false")}))
    world.pass_time(30)
    assert told(world)[-1] == "20 r b1 firing"


def test_rules_without_alerts_are_never_muted_and_have_no_notices() -> None:
    world = World("  r: {from: env, when: temp > 85, alert: false, do: [{command: stop}]}")
    flap(world, 0, 20)
    assert len(world.effects()) == 10


# Laws

RULES = """
  cause: {from: env, by: [site], when: pressure > 5, for: 10s, inhibit: {rules: [hot, warm], same: [site]}}
  hot:
    from: env
    levels: {major: {when: temp > 80}, critical: {when: temp > 90, for: 15s}}
    cooldown: 1m
    flapping: {changes: 5, within: 90s}
  warm: {from: env, when: temp > 70, only: {between: ["14:14", "14:16"], zone: UTC}, cooldown: 30s}
  silent:
    absent: env
    for: 40s
    only: [{between: ["14:14", "14:15"], zone: UTC}, {between: ["14:17", "15:00"], zone: UTC}]
"""
_sample = st.tuples(
    st.integers(0, 25),
    st.sampled_from(["b1", "b2"]),
    st.one_of(st.none(), st.integers(60, 100)),
    st.one_of(st.none(), st.integers(0, 8)),
)


def _run(feed: list[tuple[int, str, Any, Any]], rules: str = RULES, **options: Any) -> World:
    world, at = World(rules, **options), 0
    for gap, device, temp, pressure in feed:
        at += gap
        world.send(at, device=device, temp=temp, pressure=pressure)
    world.pass_time(at + 200)
    return world


@settings(max_examples=60, deadline=None)
@given(st.lists(_sample, max_size=30), st.integers(1, 7))
def test_a_run_that_is_stored_and_restored_mutes_alike(feed: Any, every: int) -> None:
    torn, whole = _run(feed, restart_every=every), _run(feed)
    assert changes(torn) == changes(whole)
    assert torn.sequence == whole.sequence  # a restart makes no input worth a row of the journal, nor the reverse


@settings(max_examples=150, deadline=None)
@given(st.lists(_sample, max_size=40))
def test_a_resolve_reaches_exactly_those_who_heard_of_the_episode(feed: Any) -> None:
    heard: dict[Any, bool] = {}
    for change in changes(_run(feed)):
        name = (change.rule, change.key, change.episode)
        if change.after is AlertState.FIRING:
            heard[name] = heard.get(name, False) or not change.muted
        elif change.after is AlertState.RESOLVED:
            assert heard.pop(name) == (not change.muted)


@settings(max_examples=100, deadline=None)
@given(st.lists(_sample, max_size=40))
def test_muting_changes_nothing_but_who_is_told(feed: Any) -> None:
    plain = RULES.replace("cooldown: 1m", "labels: {}").replace(", cooldown: 30s", "")
    plain = plain.replace("flapping: {changes: 5, within: 90s}", "flapping: false")
    plain = plain.replace(", inhibit: {rules: [hot, warm], same: [site]}", "")

    def moves(world: World) -> list[Any]:
        found = changes(world)
        again = ("the cooldown is over", "no longer")
        return [(c.rule, c.key, c.before, c.after, c.severity, c.at) for c in found if not c.reason.startswith(again)]

    assert sorted(moves(_run(feed)), key=str) == sorted(moves(_run(feed, plain)), key=str)


@settings(max_examples=100, deadline=None)
@given(st.lists(_sample, max_size=40))
def test_nothing_fires_while_its_schedule_is_closed(feed: Any) -> None:
    for change in changes(_run(feed)):
        if change.rule == "warm" and change.after is AlertState.FIRING and change.before is not AlertState.FIRING:
            assert 40 <= (change.at - START) / 10**9 < 160
