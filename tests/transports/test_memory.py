"""The memory broker beyond the contract: virtual time, takeover, topic filters."""

from __future__ import annotations

import pytest

from iotrules.model.errors import UnavailableError
from iotrules.transports.memory import MemoryBroker, MemoryTransport, topic_matches
from tests.transports.worlds import Inbox

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c/#", "a/b/c", True),
        ("a/+/c/#", "a/b/d/e", False),
    ],
)
def test_a_topic_filter_matches_as_the_specification_says(topic_filter: str, topic: str, matches: bool) -> None:
    assert topic_matches(topic_filter, topic) is matches


async def test_an_expired_message_is_not_delivered_and_time_is_the_brokers() -> None:
    now = [1000 * SECOND]
    broker = MemoryBroker(lambda: now[0])
    engine = MemoryTransport(broker, "engine")
    await engine.start(["t"], Inbox(engine))
    await engine.stop()
    broker.publish("t", b"short", expires_in=5)
    broker.publish("t", b"long", expires_in=50)
    now[0] += 10 * SECOND
    inbox = Inbox(engine)
    await engine.start(["t"], inbox)
    await inbox.have(1)
    assert [(arrival.payload, arrival.received) for arrival, _ in inbox.items] == [(b"long", 1010 * SECOND)]


async def test_a_second_client_with_the_same_id_takes_the_session_over() -> None:
    broker = MemoryBroker()
    first, second = MemoryTransport(broker, "x"), MemoryTransport(broker, "x")
    kept = Inbox(first, acknowledge=False)
    await first.start(["t"], kept)
    broker.publish("t", b"1")
    await kept.have(1)
    inbox = Inbox(second)
    await second.start(["t"], inbox)
    await inbox.have(1)
    assert inbox.payloads == [b"1"]
    assert not first.connected
    assert first.failure == "another client has connected with our client id 'x'"
    with pytest.raises(UnavailableError):
        await first.publish("t", b"")
    await first.stop()
    assert second.connected


async def test_each_connection_is_a_new_generation() -> None:
    broker = MemoryBroker()
    client = MemoryTransport(broker, "x")
    inbox = Inbox(client, acknowledge=False)
    await client.start(["t"], inbox)
    assert client.generation == 1
    broker.publish("t", b"1")
    await inbox.have(1)
    broker.drop_connection("x")
    await inbox.have(2)
    assert client.generation == 2


async def test_a_client_that_is_cut_off_comes_back_to_its_session_while_others_go_on() -> None:
    broker = MemoryBroker()
    cut, other = MemoryTransport(broker, "cut"), MemoryTransport(broker, "other")
    missing, heard = Inbox(cut), Inbox(other)
    await cut.start(["t"], missing)
    await other.start(["t"], heard)
    broker.cut("cut")
    broker.publish("t", b"1")
    await heard.have(1)
    assert not cut.connected
    with pytest.raises(UnavailableError):
        await cut.publish("t", b"2")
    broker.join("cut")
    await missing.have(1)
    assert (missing.payloads, cut.generation, other.generation) == ([b"1"], 2, 1)
