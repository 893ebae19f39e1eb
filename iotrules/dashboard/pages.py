"""The pages: each tells its viewer what changed on the board, at the poller's pace; nothing here asks the stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

from nicegui import ui

from iotrules.dashboard.board import Board, Told, Watch
from iotrules.dashboard.elements import AlertsPage, DevicePage, FleetPage, Shell
from iotrules.dashboard.poller import POLL_SECONDS
from iotrules.dashboard.rows import milliseconds
from iotrules.dashboard.severity import LOOKS, style_variables
from iotrules.model.times import MILLISECOND, MINUTE

STYLE = Path(__file__).with_name("browser") / "style.css"
LONGEST_MINUTES = 60

Changes: TypeAlias = dict[str, Any]
"""What a page's `apply` takes: table name → {put: rows, gone: ids}, and what else the page knows."""


def add_pages(board: Board) -> None:
    """Register the pages; each serves any number of viewers from this one board."""

    @ui.page("/", title="Alerts · iotrules")
    def alerts() -> None:
        with _shell(board, "alerts"):
            page, told = AlertsPage(), Told()

        def news() -> Changes:
            return told.news(active=board.active, resolved=board.resolved) if board.loaded else {}

        _at_pace(lambda: _apply(page, news()))

    @ui.page("/fleet", title="Fleet · iotrules")
    def fleet() -> None:
        with _shell(board, "fleet"):
            page, told = FleetPage(), Told()
        _at_pace(lambda: _apply(page, told.news(fleet=board.fleet) if board.loaded else {}))

    @ui.page("/device", title="Device · iotrules")
    def device(key: str = "", field: str = "", minutes: int = 15) -> None:
        watch = board.watch(key, field)
        ui.context.client.on_delete(lambda: board.release(watch))
        with _shell(board, "device"):
            page = DevicePage(max(1, min(minutes, LONGEST_MINUTES)))
        news = device_news(watch, max(1, min(minutes, LONGEST_MINUTES)), board)
        _at_pace(lambda: _apply(page, next(news)))


def status(board: Board) -> Changes:
    """What the frame shows on every page; also the heartbeat by which the browser knows that it is heard."""
    active = board.active.values()
    return {
        "polled": milliseconds(board.polled),
        "trouble": board.trouble,
        "loaded": board.loaded,
        "message": None if board.newest_message is None else milliseconds(board.newest_message),
        "input": None if board.newest_input is None else milliseconds(board.newest_input),
        "devices": board.devices,
        "severities": _counts((row["severity"] for row in active), [look.word for look in LOOKS]),
        "states": _counts((row["state"] for row in active), ["firing", "pending"]),
        "resolved": len(board.resolved),
    }


def device_news(watch: Watch, minutes: int, board: Board) -> Iterator[Changes]:
    """For ever: what this viewer of a device has not been told yet."""
    told = Told()
    sent: int = 0
    shown: dict[str, Any] = {}
    while True:
        if not watch.loaded:
            yield {}
            continue
        sent = sent or board.polled - minutes * MINUTE
        points = _after(watch, sent)
        sent = points[-1][0] if points else sent
        news = told.news(alerts=watch.alerts, transitions=watch.transitions, commands=watch.commands)
        facts = {"facts": watch.facts, "thresholds": watch.thresholds}
        news |= {name: value for name, value in facts.items() if shown.get(name) != value}
        shown = facts
        if points:
            news["points"] = [[at / MILLISECOND, value] for at, value in points]
        yield news


def _after(watch: Watch, sent: int) -> list[tuple[int, float]]:
    newer = list(takewhile(lambda point: point[0] > sent, reversed(watch.points)))
    return newer[::-1]


def _shell(board: Board, page: str) -> Shell:
    ui.add_css(STYLE)
    shell = Shell(page, style_variables())
    _at_pace(lambda: shell.tell(status(board)), seconds=2 * POLL_SECONDS)
    return shell


def _at_pace(tell: Callable[[], None], seconds: float = POLL_SECONDS) -> None:
    """Call `tell` again and again while the page is open."""
    ui.timer(seconds, tell)


def _apply(page: AlertsPage | FleetPage | DevicePage, changes: Changes) -> None:
    if changes:
        page.apply(changes)


def _counts(words: Iterator[str], order: list[str]) -> list[list[Any]]:
    """[[word, count]] in this order, zeros too: a zero that is shown is an answer."""
    found = Counter(words)
    return [[word, found[word]] for word in order]
