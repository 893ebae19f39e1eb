"""`firing("rule")`: rules that ask for other rules' alerts look after them, in the same instant, whatever the way."""

from __future__ import annotations

import pytest

from iotrules.model.inputs import Reload
from tests.engine.world import STREAM, World

TWO_STREAMS = STREAM.replace(
    "commands:",
    """  door:
    topic: site/{site}/door
    fields: {open: {type: flag}}
commands:""",
)


class Doors(World):
    streams = TWO_STREAMS


HOT_WITH_OPEN_DOOR = """
  a-hot-room: {from: env, when: temp > 80 and firing("open-door"), for: 20s}
  open-door: {from: door, when: open}
"""


def _door(world: World, at: float, opened: bool, site: str = "A") -> None:
    world.pass_time(at)
    world.raw(f"site/{site}/door", b'{"open": %s}' % (b"true" if opened else b"false"))


@pytest.mark.parametrize("fused", [True, False])
def test_a_rule_looks_after_those_it_asks_for_whatever_their_names(fused: bool) -> None:
    world = World('\n  a: {from: env, when: firing("b")}\n  b: {from: env, when: temp > 80}\n', fused=fused)
    world.send(0, temp=70)
    world.send(10, temp=90)
    world.send(20, temp=70)
    assert world.history() == [
        "10 b firing", "10 a firing", "20 b resolved", "20 a resolved",
    ]  # fmt: skip


@pytest.mark.parametrize("fused", [True, False])
def test_what_is_not_asked_for_does_not_flicker(fused: bool) -> None:
    """The condition over the site decides later in the same message; a rule that waits for it never sees it open."""
    rules = """
  lone-device: {from: env, when: temp > 80 and not firing("whole-site")}
  whole-site: {from: env, by: [site], when: temp > 80}
"""
    world = World(rules, fused=fused)
    world.send(0, temp=70)
    world.send(10, temp=90)
    world.send(20, temp=91)
    assert world.history() == ["10 whole-site firing"]


@pytest.mark.parametrize("fused", [True, False])
def test_another_stream_opens_and_closes_the_question(fused: bool) -> None:
    world = Doors(HOT_WITH_OPEN_DOOR, fused=fused)
    world.send(0, temp=70)
    world.send(10, temp=90)
    _door(world, 13, opened=True)
    _door(world, 14, opened=True, site="B")
    world.send(20, temp=90)
    world.send(30, temp=90)
    world.send(40, temp=90)
    _door(world, 44, opened=False)
    assert world.history() == [
        "13 open-door firing", "13 a-hot-room pending", "14 open-door firing", "33 a-hot-room firing",
        "44 open-door resolved", "44 a-hot-room resolved",
    ]  # fmt: skip


def test_only_the_keys_with_the_same_labels_are_told() -> None:
    world = Doors(HOT_WITH_OPEN_DOOR.replace("for: 20s", "for: 0s"))
    for device, site in (("b1", "A"), ("b2", "A"), ("b1", "B")):
        world.send(0, temp=90, device=device, site=site)
    _door(world, 5, opened=True)
    fired = [str(change.key) for change in world.decisions[-1].transitions]
    assert fired == ["site=A", "site=A device=b1", "site=A device=b2"]


def test_same_of_nothing_asks_for_any_key() -> None:
    rules = """
  anywhere: {from: env, by: [site], when: 'firing("hot", same=[])'}
  elsewhere: {from: env, by: [device], when: 'firing("hot", same=[device])'}
  hot: {from: env, when: temp > 80}
"""
    world = World(rules)
    world.send(0, temp=70, site="B", device="b2")
    world.send(1, temp=90, site="A", device="b1")
    keys = {(change.rule, str(change.key)) for change in world.decisions[-1].transitions}
    assert keys == {
        ("hot", "site=A device=b1"), ("anywhere", "site=A"), ("anywhere", "site=B"), ("elsewhere", "device=b1"),
    }  # fmt: skip


def test_it_fires_until_the_last_of_the_keys_is_resolved() -> None:
    world = World('\n  any: {from: env, by: [site], when: firing("hot")}\n  hot: {from: env, when: temp > 80}\n')
    world.send(0, temp=90, device="b1")
    world.send(1, temp=90, device="b2")
    world.send(10, temp=70, device="b1")
    assert [line for line in world.history() if "any" in line] == ["0 any firing"]
    world.send(11, temp=70, device="b2")
    assert [line for line in world.history() if "any" in line] == ["0 any firing", "11 any resolved"]


def test_what_fires_by_time_alone_is_told_in_that_instant() -> None:
    """Silence of one device, at a tick: the site's rule fires in the same event time."""
    rules = """
  lost: {from: env, by: [site], when: 'firing("silent")', severity: major}
  silent: {absent: env, for: 30s}
"""
    world = World(rules)
    world.send(0, temp=20, device="b1")
    for at in range(5, 60, 10):
        world.send(at, temp=20, device="b2")
    assert world.history() == ["30 silent firing", "30 lost firing"]
    world.send(60, temp=20, device="b1")
    assert world.history()[2:] == ["60 silent resolved", "60 lost resolved"]


def test_a_late_tick_tells_of_each_change_at_its_own_time() -> None:
    rules = """
  after: {from: env, when: 'firing("held")', for: 15s}
  held: {from: env, when: temp > 80, for: 20s}
"""
    world = World(rules)
    world.send(0, temp=90)
    world.now += 29 * 10**9  # nobody ticked at 20 s
    world.send(29, temp=90)
    world.send(39, temp=90)
    assert world.history() == [
        "0 held pending", "20 held firing", "20 after pending", "35 after firing",
    ]  # fmt: skip


def test_a_chain_of_rules_follows_in_one_input() -> None:
    rules = """
  c1: {from: env, when: 'firing("c2")'}
  c2: {from: env, by: [site], when: 'firing("c3") and not firing("d")'}
  c3: {from: env, when: temp > 80}
  d: {from: env, by: [site], when: pressure > 5}
"""
    world = World(rules)
    world.send(0, temp=70)
    world.send(1, temp=90)
    assert world.history() == ["1 c3 firing", "1 c2 firing", "1 c1 firing"]
    world.send(2, temp=90, pressure=6)
    assert world.history()[3:] == ["2 d firing", "2 c2 resolved", "2 c1 resolved"]


def test_a_reload_that_ends_an_alert_ends_what_asked_for_it() -> None:
    rules = '\n  a: {from: env, when: firing("b")}\n  b: {from: env, when: temp > 80}\n'
    world = World(rules)
    world.send(0, temp=90)
    world.pass_time(5)
    world.put(Reload({"rules.yaml": STREAM + rules.replace("temp > 80", "temp > 95")}))
    assert [(change.rule, change.after.value, change.reason) for change in world.decisions[-1].transitions] == [
        ("b", "resolved", "the rule's condition was changed"),
        ("a", "resolved", 'firing("b") is false'),
    ]


def test_a_changed_same_begins_the_rule_anew_but_words_for_the_same_labels_do_not() -> None:
    rules = '\n  a: {from: env, when: firing("b")}\n  b: {from: env, when: temp > 80}\n'
    world = World(rules)
    world.send(0, temp=90)
    said = rules.replace('firing("b")', "'firing(\"b\", same=[site, device])'")
    assert world.put(Reload({"rules.yaml": STREAM + said})).transitions == []
    less = rules.replace('firing("b")', "'firing(\"b\", same=[site])'")
    assert [change.rule for change in world.put(Reload({"rules.yaml": STREAM + less})).transitions] == ["a"]


def test_the_question_is_answered_while_the_own_values_are_stale() -> None:
    world = Doors('\n  a: {from: env, when: firing("b")}\n  b: {from: door, when: open}\n')
    world.send(0, temp=20)
    _door(world, 500, opened=True)
    assert world.history() == ["500 b firing", "500 a firing"]


def test_evidence_says_what_was_asked() -> None:
    world = World('\n  a: {from: env, when: firing("b") and temp > 50}\n  b: {from: env, when: temp > 80}\n')
    world.send(0, temp=90)
    change = world.decisions[-1].transitions[-1]
    assert change.reason == 'firing("b") is true and temp 90 > 50'
    assert dict(change.evidence.values) == {'firing("b")': True, "temp": 90.0}


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_restart_changes_nothing(every: int) -> None:
    def play(restart_every: int | None) -> list[str]:
        world = Doors(HOT_WITH_OPEN_DOOR, restart_every=restart_every)
        for at in range(0, 200, 10):
            world.send(at, temp=90 if at % 70 else 60)
            if at % 40 == 0:
                _door(world, at + 3, opened=at % 80 == 0)
        return world.history()

    assert play(every) == play(None)


def test_a_rule_without_an_alert_can_be_asked_for() -> None:
    world = World('\n  a: {from: env, when: firing("b")}\n  b: {from: env, when: temp > 80, alert: false}\n')
    world.send(0, temp=90)
    assert world.history() == ["0 a firing"]


SEQUENCE = """
  entered-hot: {from: env, when: temp > 50 and firing("entry")}
  entry:
    by: [site]
    sequence: [{first: door where open}, {then: door where not open}]
    within: 60s
"""


@pytest.mark.parametrize("fused", [True, False])
def test_a_sequence_can_be_asked_for_by_message_and_by_time(fused: bool) -> None:
    world = Doors(SEQUENCE, fused=fused)
    world.send(0, temp=60)
    _door(world, 5, opened=True)
    _door(world, 8, opened=False)
    for at in range(10, 100, 10):
        world.send(at, temp=60)
    assert world.history() == [
        "8 entry firing", "8 entered-hot firing", "68 entry resolved", "68 entered-hot resolved",
    ]  # fmt: skip


@pytest.mark.parametrize("fused", [True, False])
def test_a_rule_that_asks_and_inhibits_moves_before_those_it_mutes(fused: bool) -> None:
    rules = """
  a-device: {from: env, when: temp > 80}
  hot-site: {from: env, by: [site], when: 'firing("count")', inhibit: {rules: [a-device], same: [site]}}
  count: {from: env, by: [site], when: temp > 85}
"""
    world = World(rules, fused=fused)
    world.send(0, temp=70)
    world.send(10, temp=90)
    assert world.history() == ["10 count firing", "10 hot-site firing", "10 a-device firing"]
    assert [change.muted for change in world.decisions[-1].transitions] == ["", "", "inhibited by hot-site site=A"]


def test_a_rule_may_inhibit_what_it_asks_for_which_was_told_by_then() -> None:
    rules = """
  a: {from: env, when: temp > 80}
  b: {from: env, when: 'firing("a")', inhibit: {rules: [a], same: [site]}}
"""
    world = World(rules)
    world.send(10, temp=90)
    assert world.history() == ["10 a firing", "10 b firing"]


class Late(World):
    streams = STREAM.replace("ahead: 10s", "ahead: 10s, late: 15s")


def test_samples_that_wait_are_asked_about_in_the_order_of_their_own_time() -> None:
    rules = """
  lone: {from: env, when: temp > 80 and not firing("site")}
  site: {from: env, by: [site], when: temp > 80}
  chain: {from: env, when: 'firing("site")'}
"""
    world = Late(rules)
    for at, lag, temp in ((0, 0, 70), (20, 0, 70), (10, 12, 90), (40, 0, 60)):
        world.send(at, lag=lag, temp=temp)
    world.pass_time(100)
    assert world.history() == [
        "10 site firing", "10 chain firing", "20 site resolved", "20 chain resolved",
    ]  # fmt: skip
