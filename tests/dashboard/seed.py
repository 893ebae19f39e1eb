"""A small, realistic store for tests of what reads it: 50 devices, alerts in each state, one chart to look at.

It writes the schema by hand, so a reader is tested against the schema and not against the engine's writer.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from iotrules.history.chunks import chunks_of
from iotrules.model.decisions import Key, Reading
from iotrules.model.times import MINUTE, SECOND

SCHEMAS = Path(__file__).parents[2] / "iotrules"
HOT = json.dumps({"site": "north", "device": "boiler-07"}, separators=(",", ":"))
IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = '"><script>alert(2)</script>'
TEMPLATE = "{{constructor.constructor('alert(3)')()}}${alert(4)}`</script>\\"
HOSTILE = (IMAGE, SCRIPT, TEMPLATE)

# rule | device | state | severity | seconds ago | summary | reason
ALERTS = """
boiler-overheat | boiler-07 | firing | critical | 240 | boiler-07 is at 91.2 °C | temp 91.2 > 85 for 2m
boiler-warm | boiler-07 | firing | major | 420 | boiler-07 is at 79.4 °C | temp 79.4 > 75 for 5m
boiler-warm | boiler-31 | firing | major | 5700 | boiler-31 is at 78.0 °C | temp 78.0 > 75 for 5m
boiler-overheat | boiler-40 | pending | critical | 20 | boiler-40 is at 86.1 °C | temp 86.1 > 85, held 20s of 2m
sensor-silent | boiler-13 | firing | minor | 240 | boiler-13 is silent | no message for 30s
fan-service-due | boiler-44 | firing | info | 93600 | the fan of boiler-44 ran 8,000 h | hours 8000 >= 8000
boiler-warm | boiler-02 | resolved | major | 720 | boiler-02 is at 71.8 °C | temp 71.8 is not > 75
sensor-silent | boiler-29 | resolved | minor | 1860 | boiler-29 is back | a message came
"""


def key_of(site: str, device: str) -> str:
    return json.dumps({"site": site, "device": device}, separators=(",", ":"))


class Seed:
    """A store and its history in a directory, and the small writes of an engine at work."""

    def __init__(self, directory: Path) -> None:
        self.store = directory / "store.db"
        self.history = directory / "store.db.history"
        self.number = 100

    def create(self, *, hostile: bool = False, quiet: bool = False, age: int = 0) -> Seed:
        """Make both files as of `age` ns ago; `quiet` without any alert."""
        now = time.time_ns() - age
        self._make(self.store, "stores", "INSERT INTO meta VALUES ('version', '3')")
        self._make(self.history, "history", "")
        self._rules()
        self.beat(now)
        if not quiet:
            self._alerts(now)
            self._hot_device(now)
        if hostile:
            self._hostile(now)
        return self

    def beat(self, now: int, devices: int = 50) -> None:
        """A reading of every device, and an input of the engine; boiler-13 has been silent for five minutes."""
        rows = []
        for n in range(devices):
            site = "north" if n < 25 else "south"
            device = f"boiler-{n:02}"
            at = now - 5 * MINUTE if n == 13 else now
            reading = {
                "temp": 91.2 if n == 7 else round(55 + n / 7, 1),
                "pressure": 2.5,
                "fan": "stopped" if n in (7, 31) else "running",
            }
            rows.append(("env", key_of(site, device), device, at, at, json.dumps(reading)))
        self.write(self.history, "INSERT OR REPLACE INTO latest VALUES (?,?,?,?,?,?)", rows)
        self.samples(HOT, [(now, 91.2)])
        self.write(
            self.store,
            "INSERT INTO journal (now, body, hash) VALUES (?, x'', x'')",
            [(now,)],
        )

    def transition(self, rule: str, key: str, before: str, after: str, severity: str, at: int, **words: Any) -> None:
        """What the engine writes for one transition: the row, and the alert's present state."""
        self.number += 1
        device = json.loads(key).get("device", key)
        summary, reason = words.get("summary", ""), words.get("reason", "")
        evidence = json.dumps({"condition": "temp > 85", "truth": True, "values": {"temp": 91.2}, "sample_time": at})
        self.write(
            self.store,
            "INSERT INTO transitions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,'')",
            [(rule, key, self.number, 1, 1, before, after, severity, at, at, reason, summary, evidence)],
        )
        self.write(
            self.store,
            "INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?,?,?,?,'')",
            [(rule, key, device, after, severity, 1, at, at, summary, reason)],
        )

    def samples(self, key: str, temperatures: list[tuple[int, float]]) -> None:
        """(event time ns, temperature) of one device, as the engine keeps them."""
        place = Key.from_text(key)
        readings = [Reading("env", place, at, at, {"temp": value}) for at, value in temperatures]
        self.write(self.history, "INSERT INTO chunks VALUES (?,?,?,?,?,?)", [*chunks_of(readings)])

    def write(self, file: Path, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(file, timeout=5)) as db, db:
            db.executemany(statement, rows)

    def _make(self, file: Path, room: str, more: str) -> None:
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript((SCHEMAS / room / "schema.sql").read_text() + more)

    def _rules(self) -> None:
        hot = '[{"field": "temp", "operator": ">", "value": 85.0}]'
        warm = '[{"field": "temp", "operator": ">", "value": 75.0}]'
        rows = [
            ("boiler-overheat", "env", "critical", "temp > 85", "rules/boilers.yaml", 12, 0, hot),
            ("boiler-warm", "env", "major", "temp > 75", "rules/boilers.yaml", 24, 0, warm),
            ("sensor-silent", "env", "minor", "absent: env", "rules/boilers.yaml", 36, 0, "[]"),
        ]
        self.write(self.store, "INSERT INTO rules VALUES (?,?,?,?,?,?,?,?)", rows)

    def _alerts(self, now: int) -> None:
        for line in ALERTS.strip().splitlines():
            rule, device, state, severity, ago, summary, reason = (part.strip() for part in line.split("|"))
            key = key_of("north" if device < "boiler-25" else "south", device)
            since = now - int(ago) * SECOND
            self.transition(rule, key, "pending", state, severity, since, summary=summary, reason=reason)

    def _hot_device(self, now: int) -> None:
        """boiler-07: twelve minutes of samples every second, through 75 and 85 degrees, with a minute of silence."""
        samples = []
        for second in range(720):
            if not 300 <= 720 - second <= 360:
                temp = 60 + 32 * (1 / (1 + math.exp(-(second - 420) / 60))) + 0.7 * math.sin(second / 9)
                samples.append((now - (720 - second) * SECOND, round(temp, 2)))
        self.samples(HOT, samples)
        self.transition(
            "fan-check", HOT, "firing", "resolved", "minor", now - 9 * MINUTE, summary="fan of boiler-07 turns again"
        )
        issued = now - 4 * MINUTE + SECOND
        warm, answered = issued - 3 * MINUTE, issued + 1_400_000_000
        rows = [
            ("boiler-overheat", "shutdown", "succeeded", "stopped in 1.4 s", issued, answered),
            ("boiler-warm", "fan_high", "timed out", "no answer within 10s", warm, warm + MINUTE),
        ]
        commands = [
            (f"{rule}~1", rule, 1, HOT, "boiler-07", name, state, detail, at, at + MINUTE, updated)
            for rule, name, state, detail, at, updated in rows
        ]
        self.write(self.store, "INSERT INTO commands VALUES (?,?,?,?,?,?,?,?,?,?,?)", commands)
        state = json.dumps({"trips": 2, "locked": True, "last_trip": "2026-01-01T00:00:00Z"})
        self.write(self.store, "INSERT INTO device_state VALUES (?,?,?)", [(HOT, 2, state)])

    def _hostile(self, now: int) -> None:
        for device in HOSTILE:
            key = key_of("north", device)
            reading = json.dumps({"temp": 99, device: device, "state": IMAGE})
            self.write(self.history, "INSERT INTO latest VALUES ('env',?,?,?,?,?)", [(key, device, now, now, reading)])
            self.samples(key, [(now, 99.0)])
            for after in ("firing", "resolved"):
                words = {"summary": f"{device} is hot", "reason": SCRIPT}
                self.transition(f"{after} {device}", key, "pending", after, "critical", now, **words)
            command = (f"id {device}", device, 1, key, device, device, "failed", SCRIPT, now, now, now)
            self.write(self.store, "INSERT INTO commands VALUES (?,?,?,?,?,?,?,?,?,?,?)", [command])
            self.write(self.store, "INSERT INTO device_state VALUES (?,1,?)", [(key, json.dumps({device: device}))])
