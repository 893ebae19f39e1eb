"""What each device of the fleet looks like now: its worst active alert, and marks (offline, stopped, locked).

A device is offline when nothing of it arrived for three typical intervals of its stream, counted back from the newest
message of all: a silent engine makes the page stale, not every device offline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from iotrules.dashboard.rows import Row, Rows, milliseconds
from iotrules.dashboard.severity import LOOKS
from iotrules.history.views import LatestRow
from iotrules.model.times import SECOND
from iotrules.stores.views import AlertRow, DeviceStateRow

OFFLINE_INTERVALS = 3
SHORTEST_SILENCE = 3 * SECOND
"""A reader polls, and messages come in batches: silence shorter than this says nothing."""

_RANK = {look.word: rank for rank, look in enumerate(LOOKS)}
_CONDITIONS = ("stopped", "locked")


def labels_of(key: str) -> dict[str, str]:
    """The labels of a canonical key; empty for text that is none (a link somebody mistyped)."""
    try:
        return msgspec.json.decode(key, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}


def fleet_rows(
    latest: Iterable[LatestRow],
    alerts: Iterable[AlertRow],
    states: Mapping[str, DeviceStateRow],
    intervals: Mapping[str, int | None],
) -> Rows:
    """One row a device, by key."""
    readings: dict[str, list[LatestRow]] = defaultdict(list)
    for reading in latest:
        readings[reading.key].append(reading)
    newest = max((reading.received for rows in readings.values() for reading in rows), default=0)
    worst = _worst_alerts(alerts)
    return {key: _cell(key, rows, worst, states.get(key), newest, intervals) for key, rows in sorted(readings.items())}


def is_offline(rows: Iterable[LatestRow], newest: int, intervals: Mapping[str, int | None]) -> bool:
    """Are all streams of a device silent? Where the interval is not known yet, no."""
    return all(_silent(newest - row.received, intervals.get(row.stream)) for row in rows)


def conditions(reading: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """`stopped`, `locked`: a true flag of that name or a field's text, of the reading or the persisted state."""
    values = {**reading, **state}
    return [word for word in _CONDITIONS if values.get(word) is True or word in values.values()]


def _cell(
    key: str,
    rows: list[LatestRow],
    worst: Mapping[str, list[AlertRow]],
    state: DeviceStateRow | None,
    newest: int,
    intervals: Mapping[str, int | None],
) -> Row:
    labels, device = labels_of(key), rows[0].device
    alert = next((alert for alert in worst.get(device, ()) if _is_about(alert, labels)), None)
    reading = {name: value for row in rows for name, value in row.reading.items()}
    offline = is_offline(rows, newest, intervals)
    return {
        "id": key,
        "device": device,
        "site": labels.get("site", ""),
        "severity": alert.severity if alert else "",
        "state": alert.state if alert else "",
        "cause": f"{alert.rule}: {alert.summary}" if alert else "",
        "marks": ["offline"] * offline + conditions(reading, state.body if state else {}),
        "seen": milliseconds(max(row.received for row in rows)) if offline else 0,
    }


def _silent(silence: int, interval: int | None) -> bool:
    return interval is not None and silence > max(OFFLINE_INTERVALS * interval, SHORTEST_SILENCE)


def _worst_alerts(alerts: Iterable[AlertRow]) -> dict[str, list[AlertRow]]:
    """Device → its active alerts, worst first."""
    found: dict[str, list[AlertRow]] = defaultdict(list)
    for alert in alerts:
        found[alert.device].append(alert)
    for rows in found.values():
        rows.sort(key=lambda row: (_RANK.get(row.severity, len(_RANK)), row.state == "pending", -row.since))
    return found


def _is_about(alert: AlertRow, labels: Mapping[str, str]) -> bool:
    """Is the alert's key this device's, or fewer labels of it (a rule may key by `device` alone)?"""
    return labels_of(alert.key).items() <= labels.items()
