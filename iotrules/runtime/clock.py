"""The system's clock, the one place where it is read."""

from __future__ import annotations

import time


class SystemClock:
    """The port `Clock`: wall clock, ns since the Unix epoch."""

    def now(self) -> int:
        return time.time_ns()
