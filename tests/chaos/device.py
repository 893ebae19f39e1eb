"""One simulated device of the chaos runs: what it measures, and what it does with a command. Pure but for its dice.

House rules: an id is executed once, ever, also after a reboot; nothing is executed after it has expired.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

NORMAL, HEIGHTS = 40.0, (73.0, 78.0, 83.0, 86.5, 89.0, 91.0, 94.5, 98.0)
SHORT, LONG = (1, 2), (20, 34)
"""Samples of an anomaly: too short for any hold, or long enough for each."""


@dataclass(slots=True)
class Device:
    """`steady` devices never go away; `odd` ones answer twice, or for others, or reboot before they answer."""

    name: str
    site: str
    dice: Random
    hot_share: float
    steady: bool = True
    odd: bool = False
    slow: bool = False
    boots: int = 1
    seq: int = 0
    left: int = 0
    height: float = NORMAL
    online: bool = True
    executed: dict[str, str] = field(default_factory=dict)
    newest: deque[bytes] = field(default_factory=lambda: deque(maxlen=64))
    shuffled: list[bytes] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return f"site/{self.site}/dev/{self.name}/{'slow' if self.slow else 'env'}"

    @property
    def boot(self) -> str:
        return f"{self.name}-{self.boots}"


def measure(device: Device, ts: int, *, cool: bool = False) -> bytes:
    """The next message, with event time `ts` in ms."""
    if device.left <= 0:
        device.height = NORMAL
        if not cool and device.dice.random() < device.hot_share / 14:
            device.height = device.dice.choice(HEIGHTS)
            device.left = device.dice.randint(*device.dice.choice((SHORT, LONG)))
    device.left = 0 if cool else device.left - 1
    value = round((NORMAL if cool else device.height) + device.dice.random(), 2)
    device.seq += 1
    body: dict[str, Any] = {"ts": ts, "boot": device.boot, "seq": device.seq}
    body |= {"load": value} if device.slow else {"temp": value, "vib": round(value / 2, 2)}
    return json.dumps(body, separators=(",", ":")).encode()


def reboot(device: Device) -> None:
    """Count from one again, under another boot id; what was sent before is sent no more."""
    device.newest.clear()
    device.boots += 1
    device.seq = 0


def verdict(device: Device, body: dict[str, Any], now_ms: int) -> str:
    """What the device does with a command: "executed", "repeated" or "expired"."""
    name = str(body.get("id"))
    if name in device.executed:
        return "repeated"
    if int(body.get("expires") or 0) <= now_ms:
        return "expired"
    device.executed[name] = str(body.get("command"))
    return "executed"
