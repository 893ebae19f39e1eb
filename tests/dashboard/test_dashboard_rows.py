"""What the pages are told: only what changed; who is offline; whose alert it is."""

from __future__ import annotations

import pytest

from iotrules.dashboard.board import Board, Told
from iotrules.dashboard.fleet import conditions, fleet_rows
from iotrules.dashboard.rows import delta, kept
from iotrules.history.views import LatestRow
from iotrules.model.times import SECOND
from iotrules.stores.views import AlertRow, DeviceStateRow
from tests.dashboard.seed import key_of

A, B = key_of("s", "a"), key_of("s", "b")


def latest(key: str, received: int, **reading: object) -> LatestRow:
    return LatestRow("env", key, "a" if key == A else "b", received, received, reading)


def alert(key: str, severity: str, state: str = "firing") -> AlertRow:
    return AlertRow(f"r-{severity}", key, "a", state, severity, 1, 1, 1, "", "")


def test_a_viewer_is_told_everything_once_and_then_what_changed() -> None:
    told = Told()
    rows = {"x": {"id": "x", "n": 1}, "y": {"id": "y", "n": 1}}
    assert told.news(t=rows) == {"t": {"put": list(rows.values()), "gone": []}}
    assert told.news(t=rows) == {}
    assert told.news(t=kept(rows, {"x": {"id": "x", "n": 2}})) == {"t": {"put": [{"id": "x", "n": 2}], "gone": ["y"]}}


def test_equal_rows_are_the_same_rows() -> None:
    rows = {"x": {"id": "x", "n": 1}}
    assert kept(rows, {"x": {"id": "x", "n": 1}}) is rows
    assert delta(rows, rows) is None


@pytest.mark.parametrize(("silent", "offline"), [(25, False), (35, True)])
def test_three_typical_intervals_of_silence_are_offline(silent: int, offline: bool) -> None:
    rows = [latest(A, 1000 * SECOND), latest(B, (1000 - silent) * SECOND)]
    cells = fleet_rows(rows, [], {}, {"env": 10 * SECOND})
    assert cells[A]["marks"] == []
    assert cells[B]["marks"] == ["offline"] * offline


def test_a_device_is_not_offline_while_its_interval_is_unknown() -> None:
    rows = [latest(A, 1000 * SECOND), latest(B, 0)]
    assert fleet_rows(rows, [], {}, {"env": None})[B]["marks"] == []


def test_the_worst_alert_is_shown_also_of_a_rule_that_keys_by_device_alone() -> None:
    alerts = [
        alert(A, "minor"),
        alert('{"device":"a"}', "critical", "pending"),
        alert('{"site":"other","device":"a"}', "critical"),
    ]
    cells = fleet_rows([latest(A, 1), latest(B, 1)], alerts, {}, {})
    assert (cells[A]["severity"], cells[A]["state"]) == ("critical", "pending")
    assert cells[B]["severity"] == ""


@pytest.mark.parametrize(
    ("reading", "state", "marks"),
    [
        ({"fan": "stopped"}, {}, ["stopped"]),
        ({"stopped": True}, {"locked": True}, ["stopped", "locked"]),
        ({"fan": "running", "stopped": False, "n": 1}, {"locked": 1}, []),
        ({"nested": ["stopped"]}, {"mode": {"a": 1}}, []),
    ],
)
def test_conditions_are_flags_or_words(reading: dict[str, object], state: dict[str, object], marks: list[str]) -> None:
    assert conditions(reading, state) == marks


def test_persisted_state_marks_the_fleet() -> None:
    states = {A: DeviceStateRow(A, 1, {"locked": True})}
    assert fleet_rows([latest(A, 1)], [], states, {})[A]["marks"] == ["locked"]


def test_two_viewers_share_a_watch_and_the_last_one_ends_it() -> None:
    board = Board()
    one, two = board.watch(A, "temp"), board.watch(A, "temp")
    assert one is two
    board.release(one)
    assert board.watches
    board.release(two)
    assert not board.watches
