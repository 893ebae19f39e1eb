"""Waiting for one's turn on a store: which engine is active, and when another takes over.

House rule: who waits touches nothing: no store, no broker, no control socket; it looks at the lock file and says for
whom it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic

import structlog

from iotrules.model.errors import HeldError, UnavailableError

log = structlog.get_logger()

POLL = 0.25
"""Seconds between two looks at who is active."""


async def wait_for_turn(claim: Callable[[], None], *, patient: bool, stopped: asyncio.Event) -> bool:
    """Return True once `claim` says that no other engine is active, or can't say; False if told to stop before.

    Who is not `patient` waits only where it is not certain that there is another (on a disk that came from another
    machine), else the HeldError comes out.
    """
    waited_for, began = "", monotonic()
    while not stopped.is_set():
        try:
            claim()
        except HeldError as error:
            if error.certain and not patient:
                raise
            if error.holder != waited_for:
                waited_for = error.holder
                log.info("standby: waiting for the engine that is active", active=waited_for)
        except UnavailableError:
            break  # opening the store says so, and tries again
        else:
            break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await stopped.wait()
    if waited_for and not stopped.is_set():
        log.info("taking over", after=waited_for, waited_s=round(monotonic() - began, 1))
    return not stopped.is_set()
