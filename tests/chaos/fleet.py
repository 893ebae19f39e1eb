"""The fleet of a chaos run: a process with paho clients that publishes, executes commands, and notes each of it.

House rule: what is sent is noted before it is sent, what was executed before it is answered; an acknowledgement is
noted when the broker's has come. Orders come as JSON lines on stdin, each answered with a line when it is done.
"""

from __future__ import annotations

import argparse
import base64
import json
import queue
import sys
import threading
import time
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.device import NORMAL, Device, measure, reboot, verdict
from tests.chaos.history import History, message_id
from tests.chaos.poison import certainly_bad, poison

PER_GATEWAY = 40
COOL_SAMPLES = 3


class Gateway:
    """One MQTT client with a session that the broker keeps, for its devices."""

    def __init__(self, name: str, port: int, devices: list[Device], inbox: queue.SimpleQueue[Any], *also: str) -> None:
        self._also = also
        self.devices = {device.name: device for device in devices}
        self.names: dict[int, str] = {}
        self.taken: deque[int] = deque()
        self._inbox = inbox
        self._port = port
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self.client.max_inflight_messages_set(0)
        self.client.reconnect_delay_set(1, 2)
        self.client.on_connect = self._subscribe
        self.client.on_publish = lambda _client, _data, mid, _code, _properties: self.taken.append(mid)
        self.client.on_message = lambda _client, _data, message: inbox.put((self, message))
        self.connect()

    def connect(self) -> None:
        self.client.connect_async("127.0.0.1", self._port, keepalive=10)
        self.client.loop_start()

    def disconnect(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        name = message_id(topic.encode(errors="surrogatepass"), payload)
        self.names[self.client.publish(topic, payload, qos=1, retain=retain).mid] = name
        return name

    def drain(self) -> list[str]:
        """The messages that the broker has taken since the last call."""
        found = []
        while self.taken:
            name = self.names.pop(self.taken.popleft(), None)
            if name is not None:
                found.append(name)
        return found

    def _subscribe(self, client: mqtt.Client, *_: object) -> None:
        filters = [(f"site/{device.site}/dev/{device.name}/cmd", 1) for device in self.devices.values()]
        filters += [(topic, 1) for topic in self._also]
        if filters:
            client.subscribe(filters)


class Fleet:
    """All devices and gateways, on one thread; paho's threads only fill queues."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._history = History(given.history)
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._dice = Random(given.seed)
        self._period = 1 / given.rate
        self._duplicates = given.duplicates
        self.devices = [self._device(n, given) for n in range(given.devices)]
        alone, many = self.devices[:2], self.devices[2:]
        groups = [[device] for device in alone] + [
            many[at : at + PER_GATEWAY] for at in range(0, len(many), PER_GATEWAY)
        ]
        self._gateways = [Gateway(f"gateway-{n}", given.port, group, self._inbox) for n, group in enumerate(groups)]
        self._sink = Gateway("sink", given.port, [], self._inbox, "chaos/sink/#")
        self._strangers: list[Gateway] = []
        self._port = given.port
        self._by_device = {name: gateway for gateway in self._gateways for name in gateway.devices}
        self._commands: list[tuple[str, bytes]] = []
        self._back: list[tuple[float, Device]] = []
        self._due = [(time.monotonic() + self._period * n / given.devices) for n in range(given.devices)]
        self.sending = True

    def step(self) -> None:
        """Send what is due, and look after what has come."""
        now = time.monotonic()
        for at, device in list(self._back):
            if at <= now:
                self._back.remove((at, device))
                self._return(device)
        for n, device in enumerate(self.devices):
            while self.sending and self._due[n] <= now:
                self._due[n] = max(self._due[n] + self._period, now - 1)
                if device.online:
                    self._report(device)
        self.look()
        time.sleep(max(0.0, min(0.01, min(self._due) - time.monotonic())))  # the fleet's own pace

    def look(self) -> None:
        """Note what the broker has taken, and do what devices are told."""
        for gateway in (*self._gateways, *self._strangers, self._sink):
            if taken := gateway.drain():
                self._history.add("puback", m=taken)
        while not self._inbox.empty():
            gateway, message = self._inbox.get()
            if gateway is self._sink:
                self._history.add("sink", topic=message.topic, body=message.payload.decode(errors="replace"))
            else:
                self._take_command(gateway, message)

    @property
    def unacknowledged(self) -> int:
        return sum(len(gateway.names) for gateway in self._gateways)

    def finish(self) -> None:
        """Cool all down, and wait until the broker has it all."""
        self.sending = False
        for _, device in self._back:
            self._return(device)
        self._back.clear()
        for _ in range(COOL_SAMPLES):
            for device in self.devices:
                self._send(device, measure(device, _now_ms(), cool=True))
                self._flush(device)
            self._rest(0.02)
        limit = time.monotonic() + 30
        while self.unacknowledged and time.monotonic() < limit:
            self._rest(0.05)

    def obey(self, order: dict[str, Any]) -> None:
        """One order of the harness."""
        self._history.add("order", order=order)
        match order["do"]:
            case "offline":
                self._leave(self.devices[order.get("device", 0)], float(order["seconds"]))
            case "burst":
                self._burst(int(order["count"]))
            case "poison":
                self._poison(Path(order["payloads"]), Path(order["topics"]), int(order["count"]))
            case "replay":
                self._replay()
            case "not-a-number":
                self._odd_numbers()
            case "finish":
                self.finish()

    def _device(self, n: int, given: argparse.Namespace) -> Device:
        dice = Random(f"{given.seed} {n}")
        steady, odd = n >= 2, n % 10 == 3
        return Device(f"d{n:03}", "AB"[n % 2], dice, given.hot, steady=steady and not odd, odd=odd, slow=n % 5 == 4)

    def _report(self, device: Device) -> None:
        payload = measure(device, _now_ms())
        if not device.slow:
            self._send(device, payload)
            if self._dice.random() < self._duplicates:
                self._send(device, self._dice.choice(device.newest))
            return
        device.shuffled.append(payload)
        if len(device.shuffled) * self._period >= 1 or len(device.shuffled) >= 50:
            self._dice.shuffle(device.shuffled)
            self._flush(device)

    def _flush(self, device: Device) -> None:
        for payload in device.shuffled:
            self._send(device, payload)
        device.shuffled.clear()

    def _send(self, device: Device, payload: bytes) -> None:
        device.newest.append(payload)
        name = message_id(device.topic.encode(), payload)
        self._history.add("sent", m=name, d=device.name)
        self._by_device[device.name].publish(device.topic, payload)

    def _take_command(self, gateway: Gateway, message: mqtt.MQTTMessage) -> None:
        device = gateway.devices[message.topic.split("/")[3]]
        now = _now_ms()
        payload = bytes(message.payload)
        body = _object(payload)
        self._commands.append((message.topic, payload))
        what = verdict(device, body, now)
        facts = {"d": device.name, "id": body.get("id"), "command": body.get("command"), "w": now}
        facts |= {"expires": body.get("expires"), "retain": message.retain, "topic": message.topic}
        self._history.add("command", verdict=what, durable=what == "executed", **facts)
        self._answer(device, str(body.get("id")), str(body.get("command")), what)

    def _answer(self, device: Device, name: str, command: str, what: str) -> None:
        if what == "executed" and command == "shutdown" and device.odd and self._dice.random() < 0.4:
            reboot(device)
            self._history.add("rebooted", d=device.name)
            return
        statuses = {"executed": ["acknowledged", "succeeded"], "repeated": ["succeeded"], "expired": ["rejected"]}
        for status in statuses[what]:
            self._say(device, name, status)
        if device.odd:
            self._say(device, name, statuses[what][-1])
            other = self._dice.choice(self.devices)
            for foreign in list(other.executed)[-1:] if other is not device else ():
                self._history.add("foreign", d=device.name, id=foreign)
                self._say(device, foreign, "failed")

    def _say(self, device: Device, name: str, status: str) -> None:
        body = json.dumps({"id": name, "status": status}).encode()
        topic = f"site/{device.site}/dev/{device.name}/cmd/ack"
        self._history.add("answer", d=device.name, id=name, status=status, m=message_id(topic.encode(), body))
        self._by_device[device.name].publish(topic, body)

    def _leave(self, device: Device, seconds: float) -> None:
        device.online = False
        self._by_device[device.name].disconnect()
        self._back.append((time.monotonic() + seconds, device))

    def _return(self, device: Device) -> None:
        reboot(device)
        self._by_device[device.name].connect()
        device.online = True
        self._history.add("returned", d=device.name)

    def _burst(self, count: int) -> None:
        """All over again, what was sent before, the newest of each device."""
        for n in range(count):
            device = self.devices[n % len(self.devices)]
            if device.newest and device.online:
                self._send(device, device.newest[n // len(self.devices) % len(device.newest)])

    def _poison(self, payloads: Path, topics: Path, count: int) -> None:
        stranger = Gateway(f"stranger-{len(self._strangers)}", self._port, [], self._inbox)
        self._strangers.append(stranger)  # by itself: for some topics the broker hangs up on it
        for topic, payload in poison(payloads, topics, count):
            try:
                name = stranger.publish(topic, payload)
            except (ValueError, UnicodeEncodeError):
                continue  # paho does not send what the protocol forbids
            body = base64.b64encode(payload[:4096]).decode()
            bad = certainly_bad(payload)
            self._history.add("poison", m=name, topic=topic, size=len(payload), body=body, bad=bad)
            self.look()

    def _odd_numbers(self) -> None:
        """While hot, a device says what is no number: it neither ends an alert nor counts as a message."""
        for device in self.devices[2:]:
            if device.slow:
                continue
            for value in (b"98.5", b"NaN", b"98.5", b"-Infinity", b"1e999", b"98.5"):
                device.seq += 1
                head = f'{{"ts":{_now_ms()},"boot":"{device.boot}","seq":{device.seq},"vib":1,"temp":'.encode()
                payload = head + value + b"}"
                if certainly_bad(payload):
                    body = base64.b64encode(payload).decode()
                    name = message_id(device.topic.encode(), payload)
                    self._history.add("poison", m=name, topic=device.topic, size=len(payload), body=body, bad=True)
                    self._by_device[device.name].publish(device.topic, payload)
                else:
                    self._send(device, payload)
            device.left, device.height = 5, NORMAL

    def _replay(self) -> None:
        """Every command that was ever seen, once more, and retained ones that are too old."""
        stale = {"command": "shutdown", "args": {}, "issued": 0, "expires": _now_ms() - 1000}
        for topic, payload in list(self._commands):
            self._gateways[-1].publish(topic, payload)
        for device in self.devices[:4]:
            body = json.dumps({"id": f"stale-{device.name}", **stale}).encode()
            topic = f"site/{device.site}/dev/{device.name}/cmd"
            self._gateways[-1].publish(topic, body, retain=True)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            time.sleep(0.005)  # the fleet's own pace


def _object(payload: bytes) -> dict[str, Any]:
    try:
        body = json.loads(payload)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _read_orders(orders: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put(None)


def _run(given: argparse.Namespace) -> None:
    fleet = Fleet(given)
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    print("ready", flush=True)
    while True:
        fleet.step()
        if orders.empty():
            continue
        order = orders.get()
        if order is None:
            return
        fleet.obey(order)
        print("done", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hot", type=float, default=0.05)
    parser.add_argument("--duplicates", type=float, default=0.3)
    _run(parser.parse_args())
