"""A store that can't be written for now: said once when it begins and once when it is over, and shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import structlog

from iotrules.model.errors import UnavailableError

log = structlog.get_logger()


class StoreTrouble:
    """`show` is told whether nothing can be stored now."""

    def __init__(self, show: Callable[[bool], None]) -> None:
        self._show = show
        self._since: float | None = None
        self._reason = ""

    def found(self, error: UnavailableError, what: str) -> None:
        """It can't do `what`. Said again only where the reason is another one."""
        if self._since is None:
            self._since = monotonic()
            self._show(True)
        if str(error) != self._reason:
            self._reason = str(error)
            log.error(f"can't {what}; nothing is acknowledged until it works", reason=self._reason)

    def over(self) -> None:
        """It works."""
        if self._since is not None:
            log.info("the store can be written again", after_s=round(monotonic() - self._since, 1))
            self._show(False)
            self._since, self._reason = None, ""
