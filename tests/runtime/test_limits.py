"""The `limit` of a stream: what is let in, what waits, what is shed, and that nothing else is touched."""

from __future__ import annotations

from pathlib import Path

from iotrules.language import load_files
from iotrules.model.inputs import Arrival, Shed
from iotrules.model.times import SECOND
from iotrules.runtime.limits import MAX_KEPT, Limits
from iotrules.stores.views import StoreView
from tests.engine.world import STREAM
from tests.runtime.world import World

FREE = "  hot: {from: env, when: temp > 85}\n"
TOPIC = "site/A/dev/b1/env"


def _limited(text: str) -> str:
    return STREAM.replace("    interval: 10s\n", f"    interval: 10s\n    limit: {text}\n") + FREE


def _limits(text: str) -> Limits:
    limits = Limits()
    limits.use(load_files({"r.yaml": _limited(text)}))
    return limits


def _admitted(limits: Limits, *at: float, topic: str = TOPIC) -> list[float]:
    pairs = [(Arrival(topic, b"", round(second * SECOND)), second) for second in at]
    return [arrival.received / SECOND for arrival, _ in limits.admit(pairs)]


def test_beyond_the_rate_messages_are_dropped_and_each_is_counted_once() -> None:
    limits = _limits("{rate: 2/s}")
    assert _admitted(limits, 0, 0, 0, 0.1, 0.5, 0.6, 1.0) == [0, 0, 0.5, 1.0]
    assert limits.take_shed() == (Shed(((TOPIC, 3),)), [0, 0.1, 0.6])
    assert limits.take_shed() == (None, [])


def test_a_burst_is_let_in_at_once() -> None:
    limits = _limits("{rate: 6/m, burst: 3}")
    assert _admitted(limits, 0, 0, 0, 0, 9, 10) == [0, 0, 0, 10]


def test_the_newest_of_those_beyond_waits_for_its_turn() -> None:
    limits = _limits("{rate: 1/s, beyond: keep_newest}")
    assert _admitted(limits, 0, 0.1, 0.2, 0.3) == [0]
    assert limits.next_due == SECOND
    assert limits.take_shed() == (Shed(((TOPIC, 2),)), [0.1, 0.2])
    assert [pair[1] for pair in limits.release(SECOND - 1)] == []
    assert [pair[1] for pair in limits.release(SECOND)] == [0.3]
    assert limits.next_due is None
    assert _admitted(limits, 1.5, 2.5) == [1.5], "what waits comes before what is newer"
    assert [pair[1] for pair in limits.release(round(3.5 * SECOND))] == [2.5]


def test_so_few_wait_that_the_broker_goes_on_sending() -> None:
    limits = _limits("{rate: 1/h, beyond: keep_newest}")
    for number in range(MAX_KEPT + 50):
        _admitted(limits, 0, 0, topic=f"site/A/dev/d{number}/env")
    shed, tokens = limits.take_shed()
    assert shed is not None
    assert len(tokens) == 50


def test_devices_do_not_share_a_limit_and_what_is_no_telemetry_has_none() -> None:
    limits = _limits("{rate: 1/s}")
    assert _admitted(limits, 0, 0) == [0]
    assert _admitted(limits, 0, topic="site/A/dev/b2/env") == [0]
    assert _admitted(limits, *[0.0] * 50, topic="site/A/dev/b1/cmd/ack") == [0.0] * 50


def test_without_a_limit_nothing_is_looked_at() -> None:
    limits = Limits()
    limits.use(load_files({"r.yaml": STREAM + FREE}))
    batch = [(Arrival(TOPIC, b"", 0), None)] * 3
    assert limits.admit(batch) is batch


def test_other_rules_free_what_waited() -> None:
    limits = _limits("{rate: 1/s, beyond: keep_newest}")
    assert _admitted(limits, 0, 0) == [0]
    assert [pair[1] for pair in limits.use(load_files({"r.yaml": STREAM + FREE}))] == [0]
    assert limits.next_due is None


async def test_what_is_shed_is_acknowledged_counted_and_told_of(tmp_path: Path) -> None:
    world = World(tmp_path, FREE)
    world.stream = STREAM.replace("    interval: 10s\n", "    interval: 10s\n    limit: {rate: 1/s}\n")
    async with world.engine():
        await world.until(lambda: world.rows("SELECT 1 FROM meta"))
        world.send(0, "b2", temp=20)  # from here on the backlog is behind us
        await world.until(lambda: world.count("received") == 1)
        for _ in range(10):
            world.send(0, "b1", temp=20)
        await world.until(lambda: world.count("received") == 11)
        assert (world.count("applied"), world.count("shed"), world.count("unaccounted")) == (2, 9, 0)
    assert await world.unacknowledged() == []
    async with StoreView(world.path) as view:
        (alert,) = await view.active_alerts()
    assert alert.rule == "env/shed"
    assert "site=A device=b1 (9)" in alert.summary
