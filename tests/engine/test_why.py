"""`explain` on timelines: what fires, what does not and why not, how far a hold is, what is unknown and why."""

from __future__ import annotations

import pytest

from iotrules.model.decisions import AlertState, Key
from iotrules.model.evidence import Progress
from iotrules.model.explanation import Explanation
from iotrules.model.times import SECOND
from tests.engine.world import OVERHEAT, STREAM, World

B1 = Key((("site", "A"), ("device", "b1")))


def _why(world: World, rule: str = "overheat", key: Key = B1, **faults: str) -> Explanation:
    return world.engine.explain(rule, key, world.now, faults)


def _rule(when: str, *more: str) -> str:
    lines = "".join(f"    {line}\n" for line in more)
    return f"  r:\n    from: env\n    when: {when}\n{lines}"


def test_a_rule_that_does_not_fire_says_what_is_lacking_by_how_much() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=84.2)
    told = _why(world)
    assert (told.state, told.known, told.stale) == (AlertState.INACTIVE, True, False)
    assert told.verdict == "not met: temp 84.2 needs > 85: 0.8 short"
    assert told.levels[0].hold == Progress(0, 30 * SECOND)


def test_a_pending_alert_says_how_long_it_was_held_and_when_it_fires() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.send(10, temp=91)
    world.pass_time(14)
    told = _why(world)
    assert told.levels[0].hold == Progress(14 * SECOND, 30 * SECOND)
    assert told.verdict == "pending: held 14s of 30s, fires in 16s if it stays so"


def test_a_hold_survives_a_restart_in_the_middle_and_why_says_so() -> None:
    world = World(OVERHEAT, restart_every=1)
    world.send(0, temp=90)
    world.send(10, temp=91)
    world.restart()
    assert _why(world).levels[0].hold == Progress(10 * SECOND, 30 * SECOND)


def test_a_firing_alert_says_what_is_lacking_for_its_end() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    told = _why(world)
    assert told.state is AlertState.FIRING
    assert told.verdict == "firing at critical; to end: temp 90 needs < 70: 20 too much"
    world.send(40, temp=60)
    world.pass_time(45)
    assert _why(world).verdict == "firing at critical; it ends by itself: 5s of 20s"


def test_a_firing_alert_without_a_clear_has_to_become_false() -> None:
    world = World(_rule("temp > 85"))
    world.send(0, temp=90)
    assert _why(world, "r").verdict == "firing at minor; to end: temp 90 needs <= 85: 5 too much"


def test_a_missing_field_is_unknown_and_never_reads_as_false() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.send(10, fan="running")
    told = _why(world)
    assert told.state is AlertState.PENDING
    assert told.levels[0].tree.value is None
    assert told.levels[0].hold == Progress(10 * SECOND, 30 * SECOND, frozen=True)
    assert told.verdict == (
        "pending: held 10s of 30s; the time stands still, since it is unknown: "
        "temp is unknown: missing in the newest message"
    )


def test_a_bad_value_is_named_where_the_message_is_known() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=300)
    assert _why(world, temp="out of range").verdict == (
        "unknown: temp is unknown: bad value in the newest message: out of range"
    )


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("avg(temp, 10m, min_samples=5) > 80", "has 2 of 5 samples"),
        ("lag(temp, 3) > 80", "has 2 of 4 samples"),
        ("stddev(pressure, 1m) > 1", "has 0 of 2 samples"),
        ("stuck(temp, 10m)", "can't be told from its 2 samples"),
        ("delta(pressure) > 1", "has 0 of 2 samples"),
    ],
)
def test_a_window_that_can_not_judge_says_how_many_samples_it_has(when: str, reason: str) -> None:
    world = World(_rule(when))
    world.send(0, temp=90)
    world.send(10, temp=90)
    assert reason in _why(world, "r").verdict


def test_a_window_shows_its_newest_samples() -> None:
    world = World(_rule("avg(temp, 10m) > 95"))
    for at in range(0, 100, 10):
        world.send(at, temp=80 + at / 10)
    (kept,) = [one for one in _why(world, "r").samples if one.count > 1]
    assert (kept.name, kept.count, [value for _, value in kept.newest]) == ("temp, 10m", 10, [85, 86, 87, 88, 89])


def test_a_key_that_fell_silent_is_stale_and_says_since_when() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.pass_time(200)
    told = _why(world)
    assert told.stale
    assert (told.gap, told.newest) == (30 * SECOND, world.now - 200 * SECOND)
    assert "temp is unknown: 90 is stale, it came 3m20s before" in told.verdict


def test_silence_tells_the_last_message_and_what_it_needs() -> None:
    world = World("  silent: {absent: env, for: 1m}\n")
    world.send(0, temp=20)
    world.pass_time(40)
    assert _why(world, "silent").verdict == "not silent long enough: no message for 40s of 1m"
    world.pass_time(70)
    assert _why(world, "silent").verdict == "firing: no message for 1m10s"
    world.pass_time(8 * 86_400)
    assert "not expected any more" in _why(world, "silent").verdict


def test_an_interval_that_is_not_known_yet_is_said() -> None:
    world = World("  silent: {absent: env, for: 3 * interval}\n")
    world.put(
        world.engine.files.__class__({"rules.yaml": _without_interval("  silent: {absent: env, for: 3 * interval}\n")})
    )
    world.send(0, temp=20)
    told = _why(world, "silent")
    assert "is not known yet" in told.verdict
    assert any("0 of 2 gaps" in note for note in told.notes)


def _without_interval(rules: str) -> str:
    return (STREAM + rules).replace("    interval: 10s\n", "")


def test_a_key_never_seen_is_not_judged() -> None:
    world = World(OVERHEAT)
    told = _why(world)
    assert not told.known
    assert (told.state, told.newest, told.levels) == (AlertState.INACTIVE, None, ())


def test_an_unknown_rule_is_no_answer() -> None:
    with pytest.raises(KeyError):
        World(OVERHEAT).engine.explain("nobody", B1, 0)


def test_what_else_decides_is_noted() -> None:
    world = World(_rule("temp > 85", "alert: false", "dry_run: true", "missing: 'false'", "by: [device]"), dry_run=True)
    world.send(0, temp=90)
    notes = "\n".join(_why(world, "r", Key((("device", "b1"),))).notes)
    for words in ("alert: false", "dry_run:", "--dry-run", "missing: false", "same device are one key"):
        assert words in notes


LADDER = """
  ladder:
    from: env
    levels:
      major: {when: temp > 75, for: 20s}
      critical: {when: temp > 85, for: 1m}
    clear: {when: temp < 60, for: 30s}
"""


def test_a_ladder_tells_each_level_and_the_end_of_all() -> None:
    world = World(LADDER)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    told = _why(world, "ladder")
    major, critical = told.levels
    assert (major.latched, critical.latched) == (True, False)
    assert critical.hold == Progress(30 * SECOND, 60 * SECOND)
    assert told.ending is not None
    assert told.verdict == "firing at major; to end: temp 90 needs < 60: 30 too much"
    world.send(40, temp=50)
    world.send(50, temp=50)
    assert _why(world, "ladder").verdict == "firing at major; it ends by itself: 10s of 30s"


def test_asking_changes_nothing() -> None:
    asked, not_asked = World(LADDER + OVERHEAT), World(LADDER + OVERHEAT)
    for at in range(0, 200, 10):
        for world in (asked, not_asked):
            world.send(at, temp=60 + at % 70)
        for rule in ("ladder", "overheat"):
            _why(asked, rule)
    assert asked.engine.take_snapshot() == not_asked.engine.take_snapshot()
    assert asked.decisions == not_asked.decisions


def test_a_restored_engine_gives_the_same_answer() -> None:
    kept, restarted = World(LADDER), World(LADDER, restart_every=1)
    for at in range(0, 120, 10):
        for world in (kept, restarted):
            world.send(at, temp=60 + at % 70)
        assert _why(kept, "ladder") == _why(restarted, "ladder")


def test_the_rules_own_lines_are_shown_and_no_others() -> None:
    world = World(OVERHEAT + LADDER + "\n# the end\n")
    world.send(0, temp=60)
    place = _why(world, "ladder").place
    assert place.file == "rules.yaml"
    assert place.text[0] == "ladder:"
    assert place.text[-1] == "  clear: {when: temp < 60, for: 30s}"
    assert _why(world).place.text[-1] == '  summary: "{device} is at {temp:.1f}"'


def test_a_kept_value_says_since_when_it_is_not_fresh_and_late_that_all_is_behind() -> None:
    stream = STREAM.replace("interval: 10s", "interval: 10s\n    partial: true\n    max_gap: 5m")
    world = World(OVERHEAT, streams=stream.replace("ahead: 10s", "ahead: 10s, late: 5s"))
    world.send(0, temp=90)
    for at in (20, 40):
        world.send(at, pressure=3)
    world.pass_time(50)
    told = _why(world)
    assert "90 is not fresh any more, it came 45s before" in told.verdict
    assert (told.gap, told.at) == (300 * SECOND, world.now - 5 * SECOND)
    assert "late: samples wait for older ones, so all is seen 5s behind" in told.notes
