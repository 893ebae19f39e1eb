"""The generated functions decide what the plain interpreter decides, for any rules and any feed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.model.decisions import Decision
from iotrules.model.inputs import Arrival, Messages, Tick
from iotrules.model.times import MILLISECOND, SECOND
from tests.engine.world import START, STREAM, World

STREAMS = {
    "declared": STREAM,
    "no interval": STREAM.replace("    interval: 10s\n", ""),
    "no id": STREAM.replace("    id: [boot, seq]\n", ""),
    "no time": STREAM.replace("    time: {field: ts, format: unix_ms, ahead: 10s}\n", ""),
    "read by hand": STREAM.replace("unix_ms", "iso8601"),
    "late": STREAM.replace("ahead: 10s", "ahead: 10s, late: 15s"),
    "partial": STREAM.replace("    interval: 10s\n", "    interval: 10s\n    partial: true\n    fresh: 12s\n"),
    "its own pace": STREAM.replace("    interval: 10s\n", "    max_gap: 12s\n    every: 4s\n    max_samples: 3\n"),
    "nested": STREAM.replace("temp: {unit: degC,", "temp: {path: motor.temp, unit: degC,"),
}

_numbers = st.sampled_from([
    "temp", "pressure", "avg(temp, 45s)", "max(temp, 30s)", "min(pressure, 25s)", "prev(temp)", "lag(temp, 2)",
    "delta(temp)", "sum(pressure, 1m)", "p90(temp, 40s)", "temp - avg(temp, 1m, min_samples=2)", "10 * pressure",
    "abs(temp - 80)", "temp / pressure", "range(temp, 50s)", "ewma(temp, 20s)", "max(temp, 70)", "lag(temp, 3)",
    "last(temp, 30s)", "increase(temp, 40s)", "stddev(temp, 1m)", "median(temp, 1m, min_samples=3)",
    "avg(10 * pressure, 30s)", "max(abs(temp - 80), 30s)",
    "sqrt(pressure / 1 bar - 3)",
])  # fmt: skip
_limits = st.sampled_from(["70", "75", "80", "85", "5", "0"])
_comparisons = st.builds("{} {} {}".format, _numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _limits)
_others = st.sampled_from([
    'fan == "running"', 'fan in ["stopped"]', 'device == "b1"', "has(temp)", "changed(fan)", "60 < temp < 90",
    "streak(temp > 80) >= 3", "share(temp > 80, 40s) > 50%", "times(temp > 85, 1m) >= 2", "age(temp) > 15",
    "changed(temp)", "prev(temp > 80)", 'streak(fan == "running") >= 2', "changes(fan, 40s) >= 2",
    "changes(temp > 80, 40s) >= 1", "stuck(temp, 30s)", "count(temp, 30s) < 2", "count(fan, 30s) < 2",
    "slope(pressure, 1m) < -1 bar/min", 'starts_with(device, "b")',
])  # fmt: skip


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
    return joined | inner.map("not ({})".format)


_conditions = st.recursive(_comparisons | _others, _deeper, max_leaves=4)
_holds = st.sampled_from(["0s", "10s", "25s", "2 * interval"])


def _asking(conditions: st.SearchStrategy[str], others: list[str]) -> st.SearchStrategy[str]:
    """Conditions that may ask for alerts of other rules."""
    if not others:
        return conditions
    same = st.sampled_from(["", ", same=[]"])
    asked = st.builds('firing("{}"{})'.format, st.sampled_from(others), same)
    asked = asked | asked.map("not {}".format)
    return conditions | asked | st.builds("({} {} {})".format, conditions, st.sampled_from(["and", "or"]), asked)


_over_members = st.sampled_from([
    "count(temp > 80) >= 2", "share(temp > 75) > 40%", "any(temp > 89)", "all(temp >= 60)", "avg(temp) > 80",
    "max(temp) - min(temp) > 20", "sum(pressure) > 9", "stddev(temp) > 6", "median(temp) < 80",
    'count(fan == "running" and temp > 70) >= 2', "avg(max(temp, 30s)) > 85", "count(avg(temp, 20s) > 80) >= 1",
    "max(temp / pressure) > 20", "any(changed(fan))", "count(outlier(temp) > 3) >= 1",
    'count(device != "b1" and temp > 80) > 0',
    "min(sqrt(pressure / 1 bar - 3)) < 2", "any(streak(temp > 80) >= 2)",
])  # fmt: skip
_outliers = st.sampled_from([
    "outlier(temp) > 2", "outlier(temp, by=site) < -2", "outlier(pressure, fresh=20s) > 1", "abs(outlier(temp)) > 3",
    "outlier(temp / pressure) > 2 and temp > 70",
])  # fmt: skip


@st.composite
def _group_rule(draw: st.DrawFn, name: str) -> str:
    """Over members, or compared with them; the first one always is."""
    over = draw(st.booleans())
    of = _over_members if over else _outliers
    conditions = of | st.builds("({} {} {})".format, of, st.sampled_from(["and", "or"]), of) | of.map("not {}".format)
    by = f", by: {draw(st.sampled_from(['[site]', '[]']))}, across: device" if over else ""
    fresh = draw(st.sampled_from(["", ", fresh: 12s", ", fresh: 1m"])) if over else ""
    if over and not fresh:
        fresh = ", fresh: 30s"
    least = draw(st.sampled_from(["", ", min_members: 3"])) if over else ""
    missing = draw(st.sampled_from(["hold", "'false'", "'true'", "error"]))
    clear = draw(st.sampled_from(["", f", clear: {{when: '{draw(conditions)}', for: 10s}}"]))
    when = f"when: '{draw(conditions)}', for: {draw(st.sampled_from(['0s', '10s', '25s']))}"
    return f"  {name}: {{from: env{by}{fresh}{least}, missing: {missing}, {when}{clear}}}\n"


@st.composite
def _group_rules(draw: st.DrawFn) -> str:
    groups = [draw(_group_rule(f"g{index}")) for index in range(draw(st.integers(1, 3)))]
    return "".join([*groups, *(draw(_rule(f"r{index}", ["g0"])) for index in range(draw(st.integers(0, 1))))])


@st.composite
def _rule(draw: st.DrawFn, name: str, others: list[str]) -> str:
    by = draw(st.sampled_from(["", ", by: [site]", ", by: []"]))
    kind = draw(st.sampled_from(["plain", "plain", "plain", "ladder", "absent"]))
    if kind == "absent":
        return f"  {name}: {{absent: env{by}, for: {draw(st.sampled_from(['25s', '3 * interval']))}}}\n"
    missing = draw(st.sampled_from(["hold", "'false'", "'true'", "error"]))
    head = f"  {name}:\n    from: env\n    missing: {missing}\n" + (f"    {by[2:]}\n" if by else "")
    conditions = (
        _conditions.map(lambda text: text.replace('device == "b1"', "has(fan)").replace("device", "fan"))
        if by
        else _conditions
    )
    conditions = _asking(conditions, others)
    if kind == "ladder":
        levels = [(level, draw(conditions), draw(_holds)) for level in ("minor", "critical")]
        body = "".join(f"      {level}: {{when: '{when}', for: {hold}}}\n" for level, when, hold in levels)
        end = draw(st.sampled_from(["", f"    clear: {{when: '{draw(conditions)}', for: 10s}}\n"]))
        return f"{head}    levels:\n{body}{end}"
    clear = draw(st.sampled_from(["", f"    clear: {{when: '{draw(conditions)}', for: {draw(_holds)}}}\n"]))
    return f"{head}    when: '{draw(conditions)}'\n    for: {draw(_holds)}\n{clear}"


@st.composite
def _rules(draw: st.DrawFn) -> str:
    names = draw(st.permutations([f"r{index}" for index in range(draw(st.integers(1, 4)))]))
    rules = {name: draw(_rule(name, names[:index])) for index, name in enumerate(names)}
    return "".join(rules[name] for name in sorted(rules))


@dataclass(frozen=True)
class Sent:
    """`after` seconds since the one before; measured `lag` seconds before it came."""

    after: int
    device: str
    lag: int
    values: tuple[Any, ...]
    twice: bool
    spoiled: bool


_sent = st.builds(
    Sent,
    st.sampled_from([0, 1, 5, 10, 10, 10, 10, 11, 35]),
    st.sampled_from(["b1", "b1", "b2"]),
    st.sampled_from([0, 0, 0, 3, 20, -30]),
    st.tuples(
        st.sampled_from([None, 60, 70, 75.5, 80, 85, 86, 90, 90, "hot", 999]),
        st.sampled_from([None, 0, 2, 5, 7.5]),
        st.sampled_from(["running", "stopped", None]),
    ),
    st.booleans(),
    st.integers(0, 15).map(lambda number: number == 0),
)
_feeds = st.lists(_sent, max_size=16)
_of_many = st.lists(
    st.builds(
        replace,
        _sent,
        after=st.sampled_from([0, 1, 2, 5, 9, 35]),
        device=st.sampled_from(["b1", "b2", "b3", "b4", "b5", "b6"]),
    ),
    max_size=24,
)


def _play(stream: str, rules: str, feed: list[Sent], **options: Any) -> World:
    class _World(World):
        streams = STREAMS[stream]

    world = _World(rules, **options)
    at = 0
    for seq, sent in enumerate(feed):
        at += sent.after
        world.pass_time(at)
        payload = b"not json" if sent.spoiled else _payload(stream, at, seq, sent)
        arrival = Arrival(f"site/A/dev/{sent.device}/env", payload, world.now)
        world.put(Messages((arrival, arrival) if sent.twice else (arrival,)))
    world.pass_time(at + 65)
    return world


def _payload(stream: str, at: int, seq: int, sent: Sent) -> bytes:
    temp, pressure, fan = sent.values
    measured = (START + (at - sent.lag) * SECOND) // MILLISECOND
    body: dict[str, Any] = {"ts": measured, "boot": "x", "seq": seq, "temp": temp, "pressure": pressure, "fan": fan}
    if stream == "partial":
        body = {name: value for name, value in body.items() if value is not None}
    if stream == "nested":
        body["motor"] = {"temp": body.pop("temp")}
    return json.dumps(body).encode()


def _decided(world: World) -> list[tuple[Any, ...]]:
    """Of messages all; of ticks what they changed, since looks that change nothing may share a tick or not."""
    return [_told(decision) for decision in world.decisions if decision.changed]


def _told(decision: Decision) -> tuple[Any, ...]:
    if ("received", "") in decision.counts:
        return decision, decision.readings
    return decision.transitions, decision.effects


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=30, deadline=None)
@given(_rules(), _feeds)
def test_generated_code_and_interpreter_decide_alike(stream: str, rules: str, feed: list[Sent]) -> None:
    generated, interpreted = _play(stream, rules, feed), _play(stream, rules, feed, fused=False)
    assert generated.history() == interpreted.history()
    assert generated.effects() == interpreted.effects()
    assert _decided(generated) == _decided(interpreted)


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=12, deadline=None)
@given(_rules(), _feeds, st.integers(1, 7))
def test_generated_code_forgets_nothing_over_a_restart(stream: str, rules: str, feed: list[Sent], every: int) -> None:
    torn, interpreted = _play(stream, rules, feed, restart_every=every), _play(stream, rules, feed, fused=False)
    assert torn.history() == interpreted.history()
    assert torn.effects() == interpreted.effects()


@pytest.mark.parametrize("stream", [name for name, text in STREAMS.items() if "interval: 10s" in text])
@settings(max_examples=30, deadline=None)
@given(_group_rules(), _of_many)
def test_members_vote_alike(stream: str, rules: str, feed: list[Sent]) -> None:
    generated, interpreted = _play(stream, rules, feed), _play(stream, rules, feed, fused=False)
    assert generated.history() == interpreted.history()
    assert generated.effects() == interpreted.effects()
    assert _decided(generated) == _decided(interpreted)


@pytest.mark.parametrize("stream", ["declared", "no time"])
@settings(max_examples=20, deadline=None)
@given(_group_rules(), _of_many, st.integers(1, 7))
def test_members_forget_nothing_over_a_restart(stream: str, rules: str, feed: list[Sent], every: int) -> None:
    torn, interpreted = _play(stream, rules, feed, restart_every=every), _play(stream, rules, feed, fused=False)
    assert torn.history() == interpreted.history()
    assert torn.effects() == interpreted.effects()
    assert [change for one in torn.decisions for change in one.transitions] == [
        change for one in interpreted.decisions for change in one.transitions
    ]


@pytest.mark.parametrize("fused", [True, False])
def test_a_hold_is_over_when_it_is_over_though_messages_come_faster_than_they_did(fused: bool) -> None:
    """A message that was under way for twenty seconds, then one that was not: the key's time has not changed."""
    world = World("  hot: {from: env, when: temp > 85, for: 50s, max_gap: 2m}\n", fused=fused)
    for at, lag in ((0, 20), (10, 20), (20, 20), (45, 0)):
        world.send(at, lag=lag, temp=90)
    world.pass_time(120)
    (fired,) = [change for one in world.decisions for change in one.transitions if change.after.value == "firing"]
    assert ((fired.at - START) / SECOND, round((fired.decided - START) / SECOND)) == (50, 50)


@pytest.mark.parametrize("restart", [False, True])
def test_what_a_tick_decides_does_not_depend_on_when_the_key_was_scheduled(restart: bool) -> None:
    """The tick is another key's. A restart schedules all keys anew; before, the lag of an older message counted."""
    world = World("  hot: {from: env, when: temp > 80, for: 2s}\n")
    for at, lag, temp in ((0, 0.8, 20), (1, 0.8, 20), (2, 0.8, 90), (2.1, 0.8, 90), (3, 0.1, 90)):
        world.send(at, lag=lag, temp=temp)
    if restart:
        world.restart()
    world.now = START + 9 * SECOND // 2
    assert [change.after.value for change in world.put(Tick()).transitions] == ["firing"]
