"""Rules over the members of a key: who votes, by which clock, for how long, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine.bounds import Bounds
from iotrules.model.decisions import AlertState
from iotrules.model.inputs import Reload
from iotrules.model.times import SECOND
from tests.engine.world import START, STREAM, World


class Untold(World):
    """Messages have no numbers: one that is older than another may come after it."""

    streams = STREAM.replace("    id: [boot, seq]\n", "")


COOLING = """
  cooling:
    from: env
    by: [site]
    across: device
    fresh: 2m
    min_members: 3
    when: count(temp > 30) >= 3 and share(temp > 30) >= 50%
    for: 1m
    severity: critical
    summary: "{site}: {members}"
"""


def _say(world: World, at: float, **temps: float | None) -> None:
    """Members of site A say their temperatures, all at once."""
    for device, temp in temps.items():
        world.send(at, device=device, temp=temp)


def test_a_site_is_hot_when_enough_of_its_devices_are() -> None:
    world = World(COOLING)
    for at in range(0, 100, 10):
        _say(world, at, a=35, b=36, c=31, d=20, e=21)
    _say(world, 100, a=29)
    assert world.history() == ["0 cooling pending", "60 cooling firing", "100 cooling resolved"]
    fired = [one for decision in world.decisions for one in decision.transitions if one.after is AlertState.FIRING]
    assert fired[0].summary == "A: a, b, c"
    assert dict(fired[0].evidence.values) == {"count(temp > 30)": 3.0, "share(temp > 30)": 0.6, "members": "a, b, c"}
    assert fired[0].reason == "count(temp > 30) 3 >= 3 and share(temp > 30) 0.6 >= 50% for 1m"


def test_sites_are_kept_apart() -> None:
    world = World(COOLING.replace("for: 1m", "for: 0s"))
    for index, device in enumerate("abcd"):
        world.send(index, device=device, site="AB"[index % 2], temp=40)
    assert world.history() == []
    world.send(5, device="e", site="A", temp=40)
    assert world.history() == ["5 cooling firing"]


def test_cross_device_with_stale_members_values_that_are_not_fresh_do_not_vote() -> None:
    world = World(COOLING.replace("for: 1m", "for: 10s"))
    _say(world, 0, a=35, b=36, c=31)
    for at in range(10, 120, 10):
        _say(world, at, d=40, e=41, f=20)
    assert world.history() == ["0 cooling pending", "10 cooling firing"]
    assert world.total("unknown") == 2  # before three had spoken
    _say(world, 120, d=40, e=41, f=20)
    assert len(world.history()) == 2  # five of six are hot, and as old as they may be
    world.pass_time(121)
    assert world.history()[2:] == ["120 cooling resolved"]  # d and e alone


def test_a_group_whose_members_go_stale_is_looked_at_without_a_message() -> None:
    world = World("  few: {from: env, by: [site], across: device, fresh: 30s, when: count(temp < 99) < 2}")
    _say(world, 0, a=1, b=1)
    _say(world, 20, b=1)
    world.pass_time(60)
    assert world.history() == ["0 few firing", "0 few resolved", "30 few firing"]
    assert world.decisions[-1].transitions == []


def test_with_fewer_members_than_min_members_nothing_is_known() -> None:
    world = World(COOLING.replace("for: 1m", "for: 0s"))
    _say(world, 0, a=40, b=40)
    assert world.history() == []
    _say(world, 10, c=40)
    _say(world, 20, c=None)
    world.pass_time(500)
    assert world.history() == ["10 cooling firing"]  # unknown never clears


def test_a_member_that_lacks_the_value_counts_neither_way() -> None:
    world = World("  half: {from: env, by: [site], across: device, when: share(temp > 30) > 50%}")
    _say(world, 0, a=20, b=40)
    assert world.history() == []
    _say(world, 1, a=None)
    assert world.history() == ["1 half firing"]


def test_a_window_inside_is_each_members_own() -> None:
    rule = "  warm: {from: env, by: [site], across: device, fresh: 1m, when: 'avg(max(temp, 15s)) > 50'}"
    world = World(rule)
    _say(world, 0, a=80, b=10)
    _say(world, 10, a=10, b=10)  # highest of the last 15 s: 80 and 10, 45 on average
    assert world.history() == ["0 warm firing", "0 warm resolved"]
    _say(world, 12, b=40)
    assert world.history()[2:] == ["12 warm firing"]
    _say(world, 20, a=10)
    assert world.history()[3:] == ["20 warm resolved"]


def test_one_devices_clock_that_is_an_hour_behind_neither_stalls_nor_goes_stale() -> None:
    world = World("  two: {from: env, by: [site], across: device, fresh: 30s, when: count(temp > 30) >= 2, for: 40s}")
    for at in range(0, 100, 10):
        world.send(at, device="good", temp=40)
        world.now += SECOND
        world.send(at - 3599, device="slow", lag=3600, temp=40)
    assert world.history() == ["0 two pending", "40 two firing"]
    for at in range(100, 200, 10):  # the one whose clock is right has died: time goes on
        world.send(at - 3599, device="slow", lag=3600, temp=40)
    assert world.history()[2:] == ["120 two resolved"]


def test_a_restart_in_the_middle_of_for_loses_no_vote() -> None:
    for every in (1, 2, 3):
        world = World(COOLING, restart_every=every)
        for at in range(0, 70, 10):
            _say(world, at, a=35, b=36, c=31)
        world.pass_time(600)
        assert world.history() == ["0 cooling pending", "60 cooling firing"]


def test_what_holds_as_time_passes_fires_without_a_message() -> None:
    world = World(COOLING)
    _say(world, 0, a=35, b=36, c=31)
    world.pass_time(90)
    assert world.history() == ["0 cooling pending", "60 cooling firing"]


def test_levels_and_clear_look_over_members() -> None:
    rule = """
  spread:
    from: env
    by: [site]
    across: device
    levels:
      minor: {when: any(temp > 50)}
      major: {when: all(temp > 50)}
    clear: median(temp) < 40
"""
    world = World(rule)
    _say(world, 0, a=60, b=40, c=45)
    _say(world, 1, b=60, c=60)
    _say(world, 2, a=30)
    _say(world, 3, b=30, c=30)
    found = [(one.severity.word, one.after.value) for decision in world.decisions for one in decision.transitions]
    assert found == [
        ("major", "firing"), ("minor", "firing"), ("major", "firing"), ("minor", "firing"), ("minor", "resolved")
    ]  # fmt: skip


def test_only_keys_of_the_group() -> None:
    world = World(COOLING.replace("for: 1m", "for: 0s\n    only_keys: {site: [B]}"))
    for site in "AB":
        for device in "abc":
            world.send(0, device=device, site=site, temp=40)
    assert [str(one.key) for decision in world.decisions for one in decision.transitions] == ["site=B"]


def test_a_reload_keeps_the_votes_and_a_changed_condition_begins_anew() -> None:
    world = World(COOLING)
    _say(world, 0, a=35, b=36, c=31)
    world.pass_time(30)
    world.put(Reload({"rules.yaml": STREAM + COOLING.replace("critical", "major")}))
    world.pass_time(90)
    assert world.history() == ["0 cooling pending", "60 cooling firing"]
    world.put(Reload({"rules.yaml": STREAM + COOLING.replace("fresh: 2m", "fresh: 3m")}))
    assert world.history()[2:] == ["90 cooling resolved"]


def test_what_goes_wrong_in_a_members_expression_is_counted_and_does_not_vote() -> None:
    world = World("  r: {from: env, by: [site], across: device, when: 'max(temp / pressure) > 3'}")
    world.send(0, device="a", temp=10, pressure=0)
    world.send(1, device="b", temp=10, pressure=2)
    assert world.history() == ["0 r/failed firing", "1 r firing"]
    assert world.total("rule_errors") == 1


def test_a_site_wide_clock_condition_stands_beside_members() -> None:
    world = World("  r: {from: env, by: [site], across: device, when: 'any(temp > 30) and hour(\"UTC\") >= 0'}")
    _say(world, 0, a=40)
    assert world.history() == ["0 r firing"]


def test_an_outlier_stands_out_from_its_site() -> None:
    world = World("  odd: {from: env, when: outlier(temp) > 5, summary: '{device} is out'}")
    for at in range(3):
        _say(world, at * 10, a=20, b=20.5, c=21, d=21.5)
    assert world.history() == []
    _say(world, 30, e=60)
    assert world.history() == ["30 odd firing"]
    world.send(31, device="far", site="B", temp=900)
    assert len(world.history()) == 1  # nobody to compare with
    _say(world, 40, e=21)
    assert world.history()[1:] == ["40 odd resolved"]


def test_an_outlier_among_fewer_than_four_others_is_unknown() -> None:
    world = World("  odd: {from: env, when: abs(outlier(temp)) > 5}")
    _say(world, 0, a=20, b=20.5, c=21, e=60)
    assert world.history() == []
    assert world.total("unknown") == 4


def test_others_that_are_stale_are_no_measure() -> None:
    world = World("  odd: {from: env, when: 'outlier(temp, fresh=20s) > 5'}")
    _say(world, 0, a=20, b=20.5, c=21, d=21.5)
    _say(world, 20, e=60)
    _say(world, 41, e=60)
    assert world.history() == ["20 odd firing"]
    assert world.total("unknown") >= 5


def test_the_group_of_an_outlier_can_be_named() -> None:
    class Halls(World):
        streams = STREAM.replace("site/{site}/dev/{device}/env", "site/{site}/hall/{hall}/dev/{device}/env")

    world = Halls("  odd: {from: env, when: 'outlier(temp, by=site) > 5'}")
    for index, temp in enumerate([20, 20.5, 21, 21.5, 60]):
        body = f'{{"ts": {START // 10**6}, "boot": "x", "seq": {index}, "temp": {temp}}}'
        world.raw(f"site/A/hall/h{index}/dev/d/env", body.encode())
    assert world.history() == ["0 odd firing"]


def test_share_is_of_all_that_are_registered() -> None:
    rule = "  half: {from: env, by: [site], across: device, fresh: 1h, when: share(temp > 30) >= 50%}"
    devices = "".join(f"A,d{index}\n" for index in range(6)) + "B,d0\n"
    world = World(rule, registry=f"site,device\n{devices}")
    for index in range(3):
        world.send(index, device=f"d{index}", temp=40)
        assert world.history() == (["2 half firing"] if index == 2 else [])
    world.use_registry(f"site,device\n{devices}A,d6\nA,d7\n")
    world.send(10, device="d0", temp=40)
    assert world.history()[1:] == ["10 half resolved"]


def test_an_attribute_of_each_member_stands_inside() -> None:
    rule = "  r: {from: env, by: [site], across: device, when: count(temp > attr.most) >= 2}"
    world = World(rule, registry="site,device,most\nA,a,50\nA,b,30\nA,c,\n")
    _say(world, 0, a=40, b=40, c=99)
    assert world.history() == []
    _say(world, 1, a=51)
    assert world.history() == ["1 r firing"]


def test_a_group_that_fires_mutes_its_members_at_the_very_message() -> None:
    rules = (
        "  hot: {from: env, when: temp > 30}\n"
        "  site-hot: {from: env, by: [site], across: device, when: count(temp > 30) >= 2,"
        " inhibit: {rules: [hot], same: [site]}}\n"
    )
    for fused in (True, False):
        world = World(rules, fused=fused)
        for at in (0, 10):
            _say(world, at, a=20, b=20)
        _say(world, 20, a=40, b=40)
        told = [(one.rule, bool(one.muted)) for decision in world.decisions for one in decision.transitions]
        assert told == [("hot", False), ("site-hot", False), ("hot", True)]


def test_rules_ask_for_the_alerts_of_a_group_and_a_group_for_those_of_others() -> None:
    rules = (
        "  calm: {from: env, when: 'temp > 30 and not firing(\"site-hot\", same=[site])'}\n"
        "  site-hot: {from: env, by: [site], across: device, when: count(temp > 30) >= 2}\n"
        "  both: {from: env, by: [site], across: device, when: 'any(temp > 30) and firing(\"site-hot\")'}\n"
    )
    for fused in (True, False):
        world = World(rules, fused=fused)
        for at in (0, 10):
            _say(world, at, a=20, b=20)
        _say(world, 20, a=40, b=40)
        assert world.history() == ["20 calm firing", "20 site-hot firing", "20 both firing", "20 calm resolved"]


def test_groups_are_forgotten_with_the_last_of_their_members() -> None:
    class Small(World):
        bounds = Bounds(keys=100)

    world = Small(COOLING)
    for index in range(300):
        world.send(index, device="d", site=f"s{index}", temp=20)
    assert len(world.engine.keys("cooling")) <= 101


def test_why_tells_how_many_members_vote() -> None:
    world = World(COOLING)
    _say(world, 0, a=40, b=40)
    told = world.engine.explain("cooling", world.engine.keys("cooling")[0], world.now, {})
    assert told.known
    assert "2 of at least 3 members vote" in str(told.levels)


# The oracle: every member's newest value in a plain list, looked at anew at every message and whenever one goes stale.

_CONDITIONS: dict[str, Callable[[list[int]], bool]] = {
    "count(temp > 30) >= 2": lambda temps: sum(temp > 30 for temp in temps) >= 2,
    "share(temp > 30) >= 50%": lambda temps: sum(temp > 30 for temp in temps) / len(temps) >= 0.5,
    "any(temp > 40)": lambda temps: any(temp > 40 for temp in temps),
    "all(temp > 20)": lambda temps: all(temp > 20 for temp in temps),
    "avg(temp) > 30": lambda temps: sum(temps) / len(temps) > 30,
    "max(temp) - min(temp) > 10": lambda temps: max(temps) - min(temps) > 10,
}
_FRESH = 20
_heard = st.tuples(
    st.sampled_from([0, 1, 4, 7, 15, 40]), st.sampled_from("abcd"), st.sampled_from([None, 10, 20, 30, 31, 41, 50]),
    st.sampled_from([0, 0, 0, 3, 500]),
)  # fmt: skip


def _plainly(feed: list[tuple[int, str, int | None, int]], least: int, condition: str, upto: int) -> list[str]:
    said: dict[str, tuple[int, int, int | None]] = {}
    clock = wall = now = 0
    looked, firing, history = -1, False, []

    def look(at: int) -> None:
        nonlocal firing
        temps = [temp for spoke, _, temp in said.values() if at - spoke <= _FRESH * 2 and temp is not None]
        truth = _CONDITIONS[condition](temps) if len(temps) >= max(1, least) else None
        if truth is not None and truth is not firing:
            firing = truth
            history.append(f"{at // 2:g} r {'firing' if truth else 'resolved'}")

    def let_pass(until: int) -> None:
        """Times are half seconds: a member is stale half a second late, which stands for a nanosecond."""
        nonlocal looked
        for at in sorted({spoke + _FRESH * 2 + 1 for spoke, _, _ in said.values()}):
            if looked < at <= until:
                look(at)
                looked = at

    for after, member, temp, lag in feed:
        now += after * 2
        let_pass(clock + (now - wall) - 1)
        event = now - lag * 2
        if member in said:
            event = max(event, said[member][1])
        if said:
            at = max(clock, event)
            if clock - event > _FRESH * 2:
                before = said.get(member)
                fresh = before is not None and clock - before[0] <= _FRESH * 2
                at = max(clock, before[0] + event - before[1]) if before and fresh else clock
            let_pass(at - 1)
        else:
            at = event
        clock, wall = at, now
        said.pop(member, None)
        said[member] = (at, event, temp)
        look(at)
        looked = at
    let_pass(clock + (upto * 2 - wall) - 1)
    return history


@pytest.mark.parametrize("condition", _CONDITIONS)
@settings(max_examples=60, deadline=None)
@given(st.lists(_heard, min_size=1, max_size=20), st.sampled_from([1, 2, 3]), st.sampled_from([None, 1, 3]))
def test_a_rule_over_members_fires_when_a_plain_look_says_so(
    condition: str, feed: list[tuple[int, str, int | None, int]], least: int, every: int | None
) -> None:
    rule = (
        f"  r: {{from: env, by: [site], across: device, fresh: {_FRESH}s, min_members: {least}, when: '{condition}'}}"
    )
    newest: dict[str, int] = {}
    world, now = Untold(rule, restart_every=every), 0
    for after, member, temp, lag in feed:
        now += after
        event = max(now - lag, newest.get(member, -1000))
        newest[member] = event
        world.send(event, device=member, lag=now - event, temp=temp)
    world.pass_time(now + 100)
    assert world.total("late") == 0
    found = [f"{int(float(one.split()[0])):g} {' '.join(one.split()[1:])}" for one in world.history()]
    assert found == _plainly(feed, least, condition, now + 100)
    assert all(one.split()[2] != other.split()[2] for one, other in pairwise(found))
