"""The one reader of the stores in this process: looks twice a second and puts what it finds on the board."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from iotrules.dashboard.board import Board, Watch
from iotrules.dashboard.fleet import conditions, fleet_rows, is_offline, labels_of
from iotrules.dashboard.rows import alert_rows, command_rows, kept, milliseconds, threshold_rows, transition_rows
from iotrules.history.views import HistoryView, LatestRow, history_path
from iotrules.model.errors import IotrulesError, UnavailableError
from iotrules.model.times import HOUR, SECOND
from iotrules.stores.views import AlertRow, DeviceStateRow, RuleRow, StoreView

POLL_SECONDS = 0.5
CHART_SPAN = HOUR
"""The longest span that a chart can show."""
_INTERVALS_EVERY = 10 * SECOND
_TABLE_ROWS = 50
_RESOLVED_ROWS = 50

log = structlog.get_logger()


class Poller:
    """Owns the connections to the store and its history. `now` gives wall clock in ns."""

    def __init__(self, store: Path, board: Board, now: Callable[[], int] = time.time_ns) -> None:
        self.store = store
        self.board = board
        self._now = now
        self._view: StoreView | None = None
        self._history = HistoryView(history_path(store))
        self._mark: int | None = None
        self._latest: dict[tuple[str, str], LatestRow] = {}
        self._intervals: dict[str, int | None] = {}
        self._intervals_asked = 0
        self._alerts: list[AlertRow] = []
        self._states: dict[str, DeviceStateRow] = {}
        self._rules: list[RuleRow] = []

    async def run(self) -> None:
        """Look for ever; ends by cancellation only."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await self.close()

    async def look(self) -> None:
        """Bring the board up to date; what goes wrong stands on the board as `trouble`."""
        try:
            await self._read_history()
            store_changed = await self._read_store()
            for watch in list(self.board.watches.values()):
                await self._read_watch(watch, store_changed)
            self.board.trouble, self.board.loaded = "", True
        except IotrulesError as error:
            self.board.trouble = str(error)
        except Exception as error:  # the supervised spot: a dashboard that stops looking must say so
            log.exception("look_failed")
            self.board.trouble = f"the dashboard can't read the store: {type(error).__name__}: {error}"
        self.board.polled = self._now()

    async def close(self) -> None:
        view, self._view, self._mark = self._view, None, None
        if view is not None:
            await view.close()
        await self._history.close()

    async def _read_history(self) -> None:
        """Newest readings: only those that arrived since the last look, unless the file was replaced."""
        after = max((row.received for row in self._latest.values()), default=0)
        if after and not self._history.path.exists():
            self._latest, after = {}, 0
        # One nanosecond back: a batch that arrived in the same instant may have been committed since.
        for row in await self._history.latest(after - 1):
            self._latest[row.stream, row.key] = row
        if self._now() - self._intervals_asked > _INTERVALS_EVERY:
            self._intervals_asked = self._now()
            streams = {stream for stream, _ in self._latest}
            self._intervals = {stream: await self._history.interval(stream) for stream in streams}
        self.board.newest_message = max((row.received for row in self._latest.values()), default=None)
        self.board.devices = len({key for _, key in self._latest})

    async def _read_store(self) -> bool:
        """Alerts, states and rules, if anybody has committed since the last look; did anybody?"""
        view = await self._open()
        mark = await view.change_mark()
        changed, self._mark = mark != self._mark, mark
        if changed:
            await self._read_changes(view)
        fleet = fleet_rows(self._latest.values(), self._alerts, self._states, self._intervals)
        self.board.fleet = kept(self.board.fleet, fleet)
        return changed

    async def _read_changes(self, view: StoreView) -> None:
        board = self.board
        self._alerts = await view.active_alerts()
        self._states = {row.key: row for row in await view.device_states()}
        self._rules = await view.rules()
        board.newest_input = await view.newest_input()
        board.active = kept(board.active, alert_rows(self._alerts))
        board.resolved = kept(board.resolved, alert_rows(await view.resolved_alerts(_RESOLVED_ROWS)))

    async def _open(self) -> StoreView:
        """The view of the store that is there now; a replaced one is opened anew."""
        if self._view is not None and not self._view.is_current():
            gone, self._view, self._mark = self._view, None, None
            await gone.close()
        if self._view is None:
            self._view = await StoreView(self.store).__aenter__()
        return self._view

    async def _read_watch(self, watch: Watch, store_changed: bool) -> None:
        rows = [row for (_, key), row in self._latest.items() if key == watch.key]
        self._choose_field(watch, rows)
        since = watch.points[-1][0] if watch.points else self._now() - CHART_SPAN
        watch.points.extend(await self._history.samples(watch.key, watch.field, since))
        if store_changed or not watch.loaded:
            await self._read_tables(watch)
        self._write_facts(watch, rows)
        watch.loaded = True

    def _choose_field(self, watch: Watch, rows: list[LatestRow]) -> None:
        fields = [(row.stream, name) for row in rows for name in _numbers(row)]
        if not watch.field and fields:
            watch.field = fields[0][1]
        watch.stream = next((stream for stream, name in fields if name == watch.field), watch.stream)

    async def _read_tables(self, watch: Watch) -> None:
        if self._view is None:
            raise UnavailableError(f"the store {self.store} is not open")
        transitions = await self._view.transitions(key=watch.key, limit=_TABLE_ROWS)
        watch.transitions = kept(watch.transitions, transition_rows(transitions))
        commands = await self._view.commands(key=watch.key, limit=_TABLE_ROWS)
        watch.commands = kept(watch.commands, command_rows(commands))
        labels = labels_of(watch.key).items()
        active = [alert for alert in self._alerts if labels_of(alert.key).items() <= labels]
        watch.alerts = kept(watch.alerts, alert_rows(active))

    def _write_facts(self, watch: Watch, rows: list[LatestRow]) -> None:
        state = self._states.get(watch.key)
        body = state.body if state else {}
        reading = {name: value for row in rows for name, value in row.reading.items()}
        newest = self.board.newest_message or 0
        offline = bool(rows) and is_offline(rows, newest, self._intervals)
        watch.thresholds = threshold_rows(self._rules, watch.stream, watch.field)
        watch.facts = {
            "known": bool(rows) or bool(watch.transitions),
            "field": watch.field,
            "oldest": milliseconds(watch.points[0][0]) if watch.points else 0,
            "fields": [name for row in rows for name in _numbers(row)],
            "reading": [[name, value] for name, value in reading.items()],
            "seen": milliseconds(max((row.received for row in rows), default=0)),
            "interval": milliseconds(self._intervals.get(watch.stream) or 0),
            "state": [[name, value] for name, value in body.items()],
            "marks": ["offline"] * offline + conditions(reading, body),
        }


def _numbers(row: LatestRow) -> list[str]:
    """The fields of a reading that a chart can show; a flag is not a number."""
    return [
        name for name, value in row.reading.items() if isinstance(value, int | float) and not isinstance(value, bool)
    ]
