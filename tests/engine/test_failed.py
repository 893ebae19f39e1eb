"""A rule that fails at run time alerts on itself: once for the rule, not for each key, until it works again."""

from __future__ import annotations

import pytest

from iotrules.engine.attending import QUIET
from iotrules.model.decisions import Transition
from iotrules.model.inputs import Reload
from iotrules.model.rules import Severity
from iotrules.model.times import SECOND
from tests.engine.world import STREAM, World

DIVIDES = "\n  ratio: {from: env, when: temp / pressure > 50}\n  hot: {from: env, when: temp > 80}\n"


def _about(world: World, name: str = "ratio/failed") -> list[Transition]:
    return [change for decision in world.decisions for change in decision.transitions if change.rule == name]


@pytest.mark.parametrize("fused", [True, False])
def test_division_by_zero_raises_one_alert_for_all_keys(fused: bool) -> None:
    world = World(DIVIDES, fused=fused)
    for at, device in ((0, "b1"), (5, "b2"), (10, "b1"), (15, "b2")):
        world.send(at, temp=70, pressure=0, device=device)
    (raised,) = _about(world)
    assert (raised.after.value, raised.severity, raised.reason) == ("firing", Severity.MAJOR, "division by zero")
    assert raised.summary == "ratio fails for site=A device=b1: division by zero"
    assert world.total("rule_errors") == 4
    assert [(one.rule, str(one.key)) for one in world.engine.active_alerts()] == [("ratio/failed", "")]


def test_it_resolves_when_there_was_no_fault_for_ten_minutes() -> None:
    world = World(DIVIDES)
    world.send(0, temp=70, pressure=0)
    world.send(300, temp=70, pressure=0)
    world.send(310, temp=70, pressure=5)
    world.pass_time(300 + QUIET / SECOND)
    assert len(_about(world)) == 1
    world.pass_time(301 + QUIET / SECOND)
    assert [(change.after.value, change.reason) for change in _about(world)][1:] == [
        ("resolved", "no fault for 10m"),
    ]  # fmt: skip
    world.send(1000, temp=70, pressure=0)
    raised = _about(world)
    assert [change.after.value for change in raised] == ["firing", "resolved", "firing"]
    assert len({change.number for change in raised}) == 3
    assert raised[0].episode == raised[1].episode != raised[2].episode


def test_it_never_reads_as_not_matched_and_touches_no_other_rule() -> None:
    world = World(DIVIDES)
    world.send(0, temp=90, pressure=1)
    world.send(10, temp=90, pressure=0)
    assert world.history() == ["0 ratio firing", "0 hot firing", "10 ratio/failed firing"]
    world.send(20, temp=20, pressure=0)
    assert world.history()[3:] == ["20 hot resolved"]


def test_missing_error_is_a_failure_and_says_so() -> None:
    world = World("\n  strict: {from: env, when: temp > 80, missing: error}\n")
    world.send(0, pressure=1)
    assert [change.summary for change in _about(world, "strict/failed")] == [
        "strict fails for site=A device=b1: the condition is unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("fused", [True, False])
def test_a_fault_inside_a_window_is_one_of_every_rule_that_looks_through_it(fused: bool) -> None:
    rules = """
  a: {from: env, when: "avg(temp / pressure, 1m) > 5"}
  b: {from: env, when: "avg(temp / pressure, 1m) > 7"}
  c: {from: env, when: "avg(temp, 1m) > 7"}
"""
    world = World(rules, fused=fused)
    world.send(0, temp=5, pressure=1)
    world.send(10, temp=5, pressure=0)
    failed = [change.rule for change in world.decisions[-1].transitions if change.rule.endswith("/failed")]
    assert failed == ["a/failed", "b/failed"]


def test_a_reload_that_changes_the_rule_ends_it_and_one_that_changes_words_does_not() -> None:
    world = World(DIVIDES)
    world.send(0, temp=70, pressure=0)
    words = DIVIDES.replace("> 50}", "> 50, severity: critical}")
    assert world.put(Reload({"rules.yaml": STREAM + words})).transitions == []
    mended = DIVIDES.replace("temp / pressure > 50", "temp > 50")
    (ended,) = world.put(Reload({"rules.yaml": STREAM + mended})).transitions
    assert (ended.rule, ended.after.value, ended.reason) == ("ratio/failed", "resolved", "the rule was changed")
    assert world.engine.active_alerts() == []


def test_a_rule_that_was_removed_fails_no_more() -> None:
    world = World(DIVIDES)
    world.send(0, temp=70, pressure=0)
    (ended,) = world.put(Reload({"rules.yaml": STREAM + "  hot: {from: env, when: temp > 80}\n"})).transitions
    assert ended.reason == "the rule was removed"


def test_a_sequence_fails_like_any_rule() -> None:
    rules = "\n  q: {sequence: [{first: env where temp / pressure > 5}, {then: env where temp > 90}], within: 1m}\n"
    world = World(rules)
    world.send(0, temp=5, pressure=0)
    assert world.history() == ["0 q/failed firing"]


@pytest.mark.parametrize("every", [1, 2])
def test_a_restart_forgets_no_failure(every: int) -> None:
    def play(restart_every: int | None) -> list[str]:
        world = World(DIVIDES, restart_every=restart_every)
        for at in (0, 10, 400, 450, 2000):
            world.send(at, temp=90, pressure=at % 100)
        world.pass_time(4000)
        return world.history()

    assert play(every) == play(None)
    assert sum("ratio/failed firing" in line for line in play(None)) == 2
