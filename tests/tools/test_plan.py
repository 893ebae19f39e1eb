"""`iotrules plan`: what an edit does to state, to live alerts and to the past, said before it is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iotrules.history.views import history_path
from iotrules.model.errors import ConfigError, RuleError
from iotrules.model.inputs import RegistryFile, Reload
from iotrules.model.times import HOUR
from iotrules.tools.plan import Plan, document, lines, make_plan
from tests.engine.world import OVERHEAT, STREAM
from tests.stores.entries import contents
from tests.tools.stored import Stored

WARM = "  warm:\n    from: env\n    when: avg(temp, 1m, min_samples=3) > 88\n    severity: major\n"


@pytest.fixture
def world(tmp_path: Path) -> Stored:
    return Stored(tmp_path / "store.db", OVERHEAT + WARM)


async def _plan(world: Stored, rules: str, head: str = STREAM) -> Plan:
    return await make_plan(world.path, {"rules.yaml": head + rules}, 24 * HOUR, world.now)


def _live(plan: Plan) -> list[str]:
    return [f"{one.what} {one.rule} {one.key.device} {one.severity}" for one in plan.live]


async def test_the_same_rules_differ_in_nothing(world: Stored) -> None:
    world.sends([90] * 10)
    await world.write()
    plan = await _plan(world, "  # only a comment\n" + OVERHEAT + WARM)
    assert (plan.changes, plan.state, plan.live, plan.past.changes, plan.differs) == ((), (), (), (), False)
    assert plan.past.messages == 10
    assert lines(plan)[-1] == "no difference in alerts or state"


async def test_changing_a_condition_in_the_middle_of_for_resets_visibly(world: Stored) -> None:
    world.sends([90, 91])
    await world.write()
    plan = await _plan(world, OVERHEAT.replace("> 85", "> 80") + WARM)
    (effect,) = plan.state
    assert (effect.rule, effect.fate, effect.keys, effect.pending) == ("overheat", "reset", 1, 1)
    assert _live(plan) == ["ends overheat b1 critical", "pends overheat b1 critical"]
    assert plan.differs
    text = "\n".join(lines(plan))
    assert "~ overheat: changed in meaning\n      when: temp > 85 → temp > 80" in text
    assert "overheat: state of 1 key (0 firing, 1 pending) begins anew: what it decides by is changed" in text


async def test_another_clear_ends_nothing(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    plan = await _plan(world, OVERHEAT.replace("temp < 70", "temp < 72") + WARM)
    (effect,) = plan.state
    assert (effect.fate, effect.firing, _live(plan)) == ("reset in part", 1, [])
    text = "\n".join(lines(plan))
    assert "~ overheat: changed in part\n      clear: temp < 70 for 20s → temp < 72 for 20s" in text
    assert "begins anew in part: of what it decides by some is changed, and the rest is kept" in text


async def test_words_keep_state_and_differ_in_nothing(world: Stored) -> None:
    world.sends([90, 91])
    await world.write()
    plan = await _plan(world, OVERHEAT.replace("is at", "runs at") + WARM)
    assert [(change.rule, change.kind) for change in plan.changes] == [("overheat", "words")]
    assert [(one.fate, one.why) for one in plan.state] == [("kept", "only words are changed")]
    assert not plan.differs


async def test_removing_a_rule_ends_its_alerts(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    plan = await _plan(world, WARM)
    assert _live(plan) == ["ends overheat b1 critical"]
    assert plan.live[0].reason == "the rule was removed"
    assert plan.state[0].fate == "dropped"
    assert [(one.before is None, one.after) for one in plan.past.changes] == [(False, None)]


async def test_a_new_rule_opens_on_the_newest_values_and_asks_for_commands(world: Stored) -> None:
    world.sends([80])
    await world.write()
    hot = "  hot:\n    from: env\n    when: temp > 75\n    do: [{command: fan_on}]\n"
    plan = await _plan(world, OVERHEAT + WARM + hot)
    assert _live(plan) == ["fires hot b1 minor"]
    assert [(one.kind, one.target) for one in plan.effects] == [("command", "site/A/dev/b1/cmd")]
    assert "would send to site/A/dev/b1/cmd" in "\n".join(lines(plan))


async def test_a_new_window_has_the_newest_value_in_it_as_the_engine_s_will_have(world: Stored) -> None:
    world.sends([60, 92])
    await world.write()
    new = (
        OVERHEAT
        + WARM
        + "  hot: {from: env, when: 'max(temp, 2m) > 91'}\n  few: {from: env, when: 'delta(temp) > 0'}\n"
    )
    said = [(one.rule, one.key, one.reason) for one in (await _plan(world, new)).live]
    assert [(rule, reason) for rule, _, reason in said] == [("hot", "max(temp, 2m) 92 > 91")]
    assert world.put(Reload({"rules.yaml": STREAM + new})).transitions == []
    world.send(20, temp=92)
    assert [(one.rule, one.key, one.reason) for one in world.decisions[-1].transitions if one.rule == "hot"] == said


async def test_a_window_that_is_kept_is_looked_through_as_it_is(world: Stored) -> None:
    world.sends([95, 95, 95, 60])
    await world.write()
    new = (
        OVERHEAT
        + WARM
        + "  hot: {from: env, when: 'count(temp, 1m) >= 5'}\n  mean: {from: env, when: 'avg(temp, 1m) > 86'}\n"
    )
    assert [(one.rule, one.reason) for one in (await _plan(world, new)).live] == [("mean", "avg(temp, 1m) 86.25 > 86")]


async def test_rules_that_read_the_registry_are_played_with_it(tmp_path: Path) -> None:
    rules = "  a: {from: env, when: temp > attr.lim}\n"
    world = Stored(tmp_path / "store.db", OVERHEAT)
    registry = RegistryFile("registry.csv", "device,lim [degC]\nb1,80\nb2,95\n")
    world.put(Reload({"rules.yaml": STREAM + rules}, registry=registry))
    world.sends([90, 60])
    world.sends([90], start=20, device="b2")
    await world.write()
    same = await _plan(world, rules)
    assert (same.differs, same.past.episodes_before, same.past.episodes_after) == (False, 1, 1)
    higher = RegistryFile("registry.csv", "device,lim [degC]\nb1,95\nb2,85\n")
    other = await make_plan(world.path, {"rules.yaml": STREAM + rules}, 24 * HOUR, world.now, higher)
    told = [(one.key.device, one.before is None, one.after is None) for one in other.past.changes]
    assert told == [("b1", False, True), ("b2", True, False)]


async def test_a_new_rule_that_nothing_meets_is_no_difference(world: Stored) -> None:
    world.sends([20])
    await world.write()
    plan = await _plan(world, OVERHEAT + WARM + "  cold: {from: env, when: temp < -10}\n")
    assert [(change.rule, change.kind) for change in plan.changes] == [("cold", "added")]
    assert not plan.differs


async def test_another_severity_moves_the_alert(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    plan = await _plan(world, OVERHEAT.replace("critical", "major") + WARM)
    assert _live(plan) == ["moves overheat b1 major"]
    assert [one.fate for one in plan.state] == ["kept"]


async def test_stale_values_are_called_so(world: Stored) -> None:
    world.sends([80])
    await world.write()
    world.now += HOUR
    plan = await _plan(world, OVERHEAT + WARM + "  hot: {from: env, when: temp > 75}\n")
    assert plan.live[0].silent_for == HOUR
    assert "(its newest values are 1h old)" in "\n".join(lines(plan))


async def test_a_window_whose_field_means_something_else_begins_anew(world: Stored) -> None:
    world.sends([80] * 5)
    await world.write()
    plan = await _plan(world, OVERHEAT + WARM, STREAM.replace("[-40, 150]", "[-40, 200]"))
    assert {one.rule: one.windows for one in plan.state} == {"overheat": (), "warm": ("temp, 1m",)}
    assert plan.differs


async def test_the_past_shows_which_episodes_come_go_and_change(world: Stored) -> None:
    world.sends([90] * 5 + [60] * 5 + [86] * 5 + [60] * 5 + [82] * 5 + [60] * 5)
    await world.write()
    plan = await _plan(world, OVERHEAT.replace("> 85", "> 80").replace("for: 30s", "for: 20s") + WARM)
    told = [(change.before is None, change.after is None) for change in plan.past.changes]
    assert told == [(False, False), (False, False), (True, False)]
    assert (plan.past.episodes_before, plan.past.episodes_after) == (3, 4)
    stricter = await _plan(world, OVERHEAT.replace("> 85", "> 88") + WARM)
    assert [(change.before is None, change.after is None) for change in stricter.past.changes] == [(False, True)]


async def test_the_past_knows_texts_flags_nested_fields_and_other_formats_of_time(tmp_path: Path) -> None:
    head = STREAM.replace("format: unix_ms", "format: iso8601").replace(
        "fan: {one_of: [running, stopped]}",
        "fan: {one_of: [running, stopped], path: motor.fan}\n      door: {type: flag}",
    )
    world = Stored(tmp_path / "store.db", OVERHEAT)
    rules = '  r:\n    from: env\n    when: temp > 50 and fan == "running" and not door\n'
    world.put(Reload({"rules.yaml": head + rules}))
    for second, (fan, door) in enumerate([("running", True), ("stopped", False), ("running", False)]):
        body = {"ts": f"2026-09-21T13:33:2{second}+00:00", "temp": 60, "motor": {"fan": fan}, "door": door}
        world.raw("site/A/dev/b1/env", json.dumps(body).encode())
    await world.write()
    plan = await _plan(world, rules.replace("temp > 50", "temp > 55"), head)
    assert (plan.past.episodes_before, plan.past.episodes_after, plan.past.changes) == (1, 1, ())


async def test_a_stream_with_other_labels_is_not_played_and_it_is_said(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    plan = await _plan(
        world, OVERHEAT + WARM, STREAM.replace("site/{site}/dev/{device}", "site/{site}/unit/{unit}/dev/{device}")
    )
    assert plan.past.not_played == ("env",)


async def test_without_a_history_the_past_is_left_out(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    world.path.with_name("store.db.history").unlink()
    plan = await _plan(world, OVERHEAT + WARM)
    assert plan.past.begin is None
    assert "no telemetry of that time is kept" in "\n".join(lines(plan))


async def test_a_plan_writes_nothing(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    files = (world.path, history_path(world.path))
    before = [(contents(file), file.read_bytes()) for file in files]
    await _plan(world, WARM)
    assert [(contents(file), file.read_bytes()) for file in files] == before


async def test_what_does_not_load_and_what_is_not_there_is_refused(world: Stored, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store"):
        await make_plan(tmp_path / "none.db", {"rules.yaml": STREAM + OVERHEAT}, HOUR, world.now)
    with pytest.raises(RuleError, match="tmp"):
        await _plan(world, OVERHEAT.replace("temp >", "tmp >"))


async def test_a_program_gets_everything(world: Stored) -> None:
    world.sends([90] * 5)
    await world.write()
    found = json.loads(json.dumps(document(await _plan(world, OVERHEAT.replace("> 85", "> 95") + WARM))))
    assert found["differs"] is True
    assert found["rules"][0]["differences"] == [{"part": "when", "before": "temp > 85", "after": "temp > 95"}]
    assert found["state"][0]["fate"] == "reset"
    assert found["live"][0]["key"] == {"site": "A", "device": "b1"}
    assert found["past"]["changes"][0]["after"] is None


@pytest.mark.parametrize("seconds", [0, 1])
async def test_the_plan_of_what_ends_is_what_the_engine_then_does(world: Stored, seconds: int) -> None:
    """What plan says before is what the reload does."""
    world.sends([90] * 5)
    await world.write()
    world.now += seconds
    new = OVERHEAT.replace("> 85", "> 95") + WARM
    said = [(one.rule, one.key, one.reason) for one in (await _plan(world, new)).live]
    done = [(one.rule, one.key, one.reason) for one in world.put(Reload({"rules.yaml": STREAM + new})).transitions]
    assert said == done
