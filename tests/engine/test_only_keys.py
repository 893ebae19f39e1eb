"""`only_keys`: a rule looks at the keys that are listed and keeps nothing for others; an edit touches what it must."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.model.inputs import Reload
from tests.engine.world import STREAM, World

HOT = "  hot: {from: env, when: temp > 80, for: 20s, only_keys: {device: %s}}\n"
ALL = "  hot: {from: env, when: temp > 80, for: 20s}\n"


def _world(rules: str, *devices: str, restart_every: int | None = None) -> World:
    """Each device hot for 30 s."""
    world = World(rules, restart_every=restart_every)
    for at in range(0, 40, 10):
        for device in devices:
            world.send(at, device=device, temp=90)
    return world


def _edit(world: World, rules: str) -> list[tuple[str, str, str]]:
    decision = world.put(Reload({"rules.yaml": STREAM + rules}))
    return [(dict(change.key.labels)["device"], change.after.value, change.reason) for change in decision.transitions]


def _firing(world: World) -> list[str]:
    return sorted(dict(alert.key.labels)["device"] for alert in world.engine.active_alerts())


def test_only_the_keys_that_are_listed_are_looked_at() -> None:
    assert _firing(_world(HOT % "[a, c]", "a", "b", "c")) == ["a", "c"]
    assert _firing(_world(ALL, "a", "b", "c")) == ["a", "b", "c"]


def test_every_label_has_to_be_listed() -> None:
    world = World("  hot: {from: env, when: temp > 80, only_keys: {device: [a, b], site: [N]}}\n")
    for device, site in (("a", "N"), ("a", "S"), ("c", "N")):
        world.send(0, device=device, site=site, temp=90)
    assert world.history() == ["0 hot firing"]


def test_silence_is_that_of_the_listed_keys() -> None:
    world = World("  silent: {absent: env, for: 1m, only_keys: {device: [a]}}\n")
    world.send(0, device="a", temp=1)
    world.send(1, device="b", temp=1)
    assert [dict(change.key.labels)["device"] for change in world.pass_time(120)] == ["a"]


def test_rules_of_one_template_on_one_key_are_two_rules() -> None:
    rules = """\
  limit: {params: {max: {type: number}}, from: env, when: temp > max}
  cold: {use: limit, with: {max: -15}, only_keys: {device: [a, b]}}
  cool: {use: limit, with: {max: 8}, only_keys: {device: [b, c]}}
"""
    world = World(rules)
    for device in "abcd":
        world.send(0, device=device, temp=10)
    found = [(change.rule, dict(change.key.labels)["device"]) for d in world.decisions for change in d.transitions]
    assert found == [("cold", "a"), ("cold", "b"), ("cool", "b"), ("cool", "c")]


def test_nothing_is_kept_for_keys_that_no_rule_looks_at() -> None:
    world = _world("  warm: {from: env, when: 'avg(temp, 1h) > 80', only_keys: {device: [a]}}\n", "a", "b")
    parts = {name: body for name, body in world.engine.take_snapshot().items() if name.startswith('["track"') and body}
    holds = {name: b"temp, 1h" in body for name, body in parts.items()}
    assert sorted(holds.values()) == [False, True]
    assert all(('"device":"a"' in name) is held for name, held in holds.items())


def test_rules_share_a_window_only_where_both_look() -> None:
    rules = (
        "  one: {from: env, when: 'avg(temp, 1m) > 80', only_keys: {device: [a]}}\n"
        "  two: {from: env, when: 'max(temp, 1m) > 85 and min(temp, 2m) > 0'}\n"
    )
    world = _world(rules, "a", "b")
    assert [(alert.rule, dict(alert.key.labels)["device"]) for alert in world.engine.active_alerts()] == [
        ("one", "a"), ("two", "a"), ("two", "b")
    ]  # fmt: skip


def test_fewer_keys_end_what_is_left_out_with_that_reason_and_keep_the_rest() -> None:
    world = _world(HOT % "[a, b]", "a", "b")
    assert _edit(world, HOT % "[b]") == [("a", "resolved", "only_keys of the rule leaves this key out now")]
    assert _firing(world) == ["b"]
    world.send(40, device="a", temp=90)
    world.send(40, device="b", temp=60)
    assert world.history()[-1] == "40 hot resolved"
    assert len(world.history()) == 6


def test_keys_that_are_no_longer_listed_end_after_a_rule_of_all_too() -> None:
    world = _world(ALL, "a", "b")
    assert [device for device, *_ in _edit(world, HOT % "[b]")] == ["a"]
    assert _edit(world, ALL) == []
    assert _firing(world) == ["b"]


def test_more_keys_begin_anew_and_keep_the_rest() -> None:
    world = _world(HOT % "[a]", "a", "b")
    assert _edit(world, HOT % "[a, b]") == []
    assert _firing(world) == ["a"]
    for at in (40, 50, 60):
        world.send(at, device="b", temp=90)
    assert world.history()[-2:] == ["40 hot pending", "60 hot firing"]


def test_a_pending_key_that_is_left_out_is_inactive_and_its_timer_is_gone() -> None:
    world = World(HOT % "[a]")
    world.send(0, device="a", temp=90)
    assert [after for _, after, _ in _edit(world, HOT % "[b]")] == ["inactive"]
    assert world.pass_time(300) == []


def test_another_condition_resets_all_keys_whatever_is_listed() -> None:
    world = _world(HOT % "[a, b]", "a", "b")
    edited = _edit(world, (HOT % "[b]").replace("80", "82"))
    assert [reason for *_, reason in edited] == ["the rule's condition was changed"] * 2


def test_moving_a_rule_into_a_template_keeps_its_alerts() -> None:
    world = _world(ALL, "a")
    template = "  limit: {params: {max: {type: number}}, from: env, when: temp > max, for: 20s}\n"
    assert _edit(world, template + "  hot: {use: limit, with: {max: 80}}\n") == []
    assert _firing(world) == ["a"]
    assert [reason for *_, reason in _edit(world, template + "  hot: {use: limit, with: {max: 81}}\n")] == [
        "the rule's condition was changed"
    ]


_MESSAGES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from("abc"), st.sampled_from([20, 75, 85, 95])), max_size=25
)
_RULES = (
    ALL.replace("hot", "every")
    + HOT % "[a, b]"
    + "  warm: {from: env, when: 'avg(temp, 1m) > 70', clear: {for: 15s}, only_keys: {device: [c]}}\n"
    + "  silent: {absent: env, for: 50s, only_keys: {site: [A], device: [b]}}\n"
)


@settings(deadline=None)  # each input loads the rules again
@given(_MESSAGES, st.sampled_from(["[a]", "[b, c]", "[a, b, c]"]), st.integers(0, 25))
def test_a_run_with_a_store_round_trip_after_every_input_equals_one_without(
    messages: list[tuple[int, str, int]], keys: str, edit_at: int
) -> None:
    plain, stored = World(_RULES), World(_RULES, restart_every=1)
    for world in (plain, stored):
        at = 0
        for index, (gap, device, temp) in enumerate(messages):
            at += gap
            world.send(at, device=device, temp=temp)
            if index == edit_at:
                _edit(world, _RULES.replace("[a, b]", keys))
        world.pass_time(at + 400)
    assert plain.history() == stored.history()


@given(_MESSAGES)
def test_a_key_is_treated_as_by_a_rule_without_only_keys_or_not_at_all(messages: list[tuple[int, str, int]]) -> None:
    some, every = World(HOT % "[a, c]"), World(ALL)
    for world in (some, every):
        at = 0
        for gap, device, temp in messages:
            at += gap
            world.send(at, device=device, temp=temp)
        world.pass_time(at + 400)
    assert _moves(some) == [move for move in _moves(every) if move[0] in "ac"]


def _moves(world: World) -> list[tuple[str, int, str]]:
    changes = [change for decision in world.decisions for change in decision.transitions]
    return [(dict(change.key.labels)["device"], change.at, change.after.value) for change in changes]


def test_trap_an_edit_of_words_keeps_the_keys() -> None:
    world = _world(HOT % "[a]", "a")
    assert _edit(world, (HOT % "[a]").replace("from: env", "from: env, severity: major")) == []
    assert _firing(world) == ["a"]
