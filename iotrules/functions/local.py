"""The local Lambda service: functions of a SAM template, in environments that are started on demand."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from iotrules.functions.environment import Environment, Invocation, Phase
from iotrules.functions.launch import Conditions
from iotrules.functions.report import Account, usage
from iotrules.functions.runtime_api import BODY_LIMIT
from iotrules.functions.template import FunctionSettings, read_template
from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.ports import FunctionResult

_WIRE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~,=%:@+-]{0,255}")
_IDS = uuid.UUID("7d1c5a52-9d5c-4c55-8a5b-6f6fb0c8a3f1")  # of no meaning: the same request always gets the same id


class LocalFunctions:
    """Runs handlers in processes of their own, over AWS's Runtime API. The port `Functions`; Linux only."""

    def __init__(
        self,
        template: Path | None,
        *,
        max_environments: int = 4,
        idle_seconds: float = 300,
        init_seconds: float = 10,
        client: Literal["own", "awslambdaric"] = "own",
        region: str = "us-east-1",
    ) -> None:
        """Read the template (None: no functions); nothing is started yet. `max_environments` is of each function.

        ConfigError, FileError: the template can't be used.
        """
        if max_environments < 1:
            raise ConfigError(f"max_environments is {max_environments}: at least 1 is needed to run anything")
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"the local Lambda service needs Linux, this is {sys.platform}")
        conditions = Conditions(client, region, idle_seconds, init_seconds)
        functions = {} if template is None else read_template(template)
        self._pools = {name: _Pool(found, conditions, max_environments) for name, found in functions.items()}
        self._running = False

    async def start(self) -> None:
        """Take invocations from now on; environments start when they are needed."""
        self._running = True

    def names(self) -> frozenset[str]:
        """The functions that can be invoked."""
        return frozenset(self._pools)

    def environments(self) -> list[tuple[str, int, str]]:
        """(function, process id, phase) of every environment there is."""
        return [row for name, pool in sorted(self._pools.items()) for row in pool.rows(name)]

    async def invoke(self, function: str, event: bytes, request_id: str) -> FunctionResult:
        """Run `function` once on `event` (JSON), waiting for its turn. KeyError for an unknown function.

        UnavailableError: the service is not running, or was stopped before there was a result.
        """
        pool = self._pools[function]
        if not self._running:
            raise UnavailableError("the Lambda service is not running: start it first")
        return await pool.invoke(event, request_id)

    async def stop(self) -> None:
        """Kill and reap every environment; invocations that have no result yet get UnavailableError."""
        self._running = False
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))


class _Pool:
    """The environments of one function and the invocations that wait for one, first come first served."""

    def __init__(self, settings: FunctionSettings, conditions: Conditions, max_environments: int) -> None:
        reserved = settings.concurrency
        self._limit = max_environments if reserved is None else min(reserved, max_environments)
        self._settings = settings
        self._conditions = conditions
        self._environments: list[Environment] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._waiting: deque[Invocation] = deque()
        self._pending: set[Invocation] = set()

    def rows(self, name: str) -> Iterator[tuple[str, int, str]]:
        for environment in self._environments:
            yield name, environment.pid, environment.phase.value

    async def invoke(self, event: bytes, request_id: str) -> FunctionResult:
        wire_id = request_id if _WIRE_ID.fullmatch(request_id) else str(uuid.uuid5(_IDS, request_id))
        invocation = Invocation(request_id, wire_id, event, asyncio.get_running_loop().create_future())
        if len(event) > BODY_LIMIT:
            return self._refusal(invocation, "RequestTooLargeException", f"the event is over {BODY_LIMIT} bytes")
        if self._limit == 0:
            return self._refusal(invocation, "TooManyRequestsException", "Rate Exceeded.")
        self._waiting.append(invocation)
        self._pending.add(invocation)
        self._dispatch()
        try:
            return await invocation.result
        finally:
            self._pending.discard(invocation)
            with suppress(ValueError):  # it waits still only if the caller gave up
                self._waiting.remove(invocation)

    async def stop(self) -> None:
        for invocation in self._pending:
            if not invocation.result.done():
                invocation.result.set_exception(UnavailableError("the Lambda service was stopped"))
        self._waiting.clear()
        await asyncio.gather(*self._starting)
        ending = list(self._environments)
        for environment in ending:
            environment.end("Sandbox.Stopped", "the service was stopped")
        await asyncio.gather(*(environment.ended for environment in ending))

    def _dispatch(self) -> None:
        """Give what waits to idle environments, the last used first, and start as many as are missing."""
        while self._someone_waits() and (idle := self._last_used()):
            idle.hand(self._waiting.popleft())
        coming = sum(found.phase in (Phase.STARTING, Phase.RETURNING) for found in self._environments)
        room = self._limit - len(self._environments)
        for _ in range(min(room, len(self._waiting) - coming)):
            self._grow()

    def _someone_waits(self) -> bool:
        """Whether the queue has a head; one whose caller gave up, but hasn't run since, is dropped first."""
        while self._waiting and self._waiting[0].result.done():
            self._waiting.popleft()
        return bool(self._waiting)

    def _last_used(self) -> Environment | None:
        idle = [found for found in self._environments if found.phase is Phase.IDLE]
        return max(idle, key=lambda found: found.idle_since, default=None)

    def _grow(self) -> None:
        environment = Environment(self._settings, self._conditions, self._environment_changed)
        self._environments.append(environment)
        task = asyncio.get_running_loop().create_task(environment.start())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _environment_changed(self, environment: Environment) -> None:
        """It is idle, or it has ended; one that never came up fails the invocation that waited longest."""
        if environment.phase is Phase.ENDED:
            self._environments.remove(environment)
            if not environment.came_up and self._someone_waits():
                first = self._waiting.popleft()
                first.result.set_result(environment.failed_start(first))
        self._dispatch()

    def _refusal(self, invocation: Invocation, error_type: str, message: str) -> FunctionResult:
        account = Account(
            request_id=invocation.request_id,
            wire_id=invocation.wire_id,
            cold=False,
            init_ms=0.0,
            duration_ms=0.0,
            memory_mb=self._settings.memory_mb,
            peak_bytes=0,
            status="error",
            error_type=error_type,
        )
        return FunctionResult(None, error_type, message, usage(account, b""))
