"""An engine whose broker has kept more for it than it takes in unacknowledged."""

from __future__ import annotations

from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from iotrules.transports.connection import UNREAD_LIMIT
from tests.end_to_end.processes import engine_arguments, running, total, wait_until
from tests.mosquitto import running_mosquitto

BROKER = "allow_anonymous true\npersistence false\nmax_queued_messages 0\nmax_inflight_messages 1000\n"
MANY = UNREAD_LIMIT + 5_000
RULES = """
streams:
  env: {topic: "site/{device}/env", id: n, fields: {temp: {unit: degC}}}
rules:
  hot: {from: env, when: temp > 90}
"""


def _publish(port: int, count: int) -> None:
    """So many messages, all of them taken by the broker."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="devices")
    client.max_inflight_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(f"site/d{n % 20}/env", b'{"n": %d, "temp": 20}' % n, qos=1) for n in range(count)]
    sent[-1].wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def test_an_engine_takes_in_a_backlog_that_comes_before_the_broker_s_answers(tmp_path: Path) -> None:
    store, rules = tmp_path / "store.db", tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with running_mosquitto(BROKER) as broker:
        arguments = engine_arguments(broker.url, store, rules=rules)
        with running(arguments, tmp_path / "first.log") as engine:
            engine.wait_for('"event": "ready"')
            assert engine.end() == 0
        _publish(broker.port, MANY)
        with running(arguments, tmp_path / "second.log") as engine:
            said = engine.wait_for('"event": "ready"', seconds=60)
            assert "can't reach the broker" not in said
            wait_until(lambda: total(store, "applied", "env") == MANY, 60, engine.said)
            assert engine.end() == 0
