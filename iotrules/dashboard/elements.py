"""The dashboard's own elements: one for a whole table, fleet or chart, never one for a row, a device or a point."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element
from nicegui.elements.echart import EChart

__all__ = ["CHART_LIBRARY", "AlertsPage", "DevicePage", "FleetPage", "Shell"]

_SHARED = {"iotrules-shared": "browser/shared"}
CHART_LIBRARY = EChart
"""Not used as an element: importing it registers ECharts, which device_page.js imports by name."""


class Shell(Element, component="browser/shell.js", esm=_SHARED):
    """The frame of every page: navigation, counts, the stale banner; the page itself is its content."""

    def __init__(self, page: str, variables: str) -> None:
        super().__init__()
        self._props["page"] = page
        self._props["variables"] = variables

    def tell(self, status: dict[str, Any]) -> None:
        self.run_method("tell", status)


class AlertsPage(Element, component="browser/alerts_page.js", esm=_SHARED):
    """Active and recently resolved alerts."""

    def apply(self, changes: dict[str, Any]) -> None:
        """`changes`: table name → {put: rows, gone: ids}."""
        self.run_method("apply", changes)


class FleetPage(Element, component="browser/fleet_page.js", esm=_SHARED):
    """All devices on one canvas, and as a table."""

    def apply(self, changes: dict[str, Any]) -> None:
        self.run_method("apply", changes)


class DevicePage(Element, component="browser/device_page.js", esm=_SHARED):
    """A device's chart and the tables beside it. The chart's points are appended in the browser."""

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self._props["minutes"] = minutes

    def apply(self, changes: dict[str, Any]) -> None:
        """`changes` may also hold `points` [[ms, value]], `thresholds` and `facts`."""
        self.run_method("apply", changes)
