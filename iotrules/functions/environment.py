"""One execution environment: a process, its Runtime API, and the limits it is held to.

House rule: an environment serves one event at a time, is given one only when it polls, and ends once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from iotrules.functions import processes
from iotrules.functions.launch import Conditions, spawn
from iotrules.functions.report import MEGABYTE, Account, LogTail, start_line, usage
from iotrules.functions.runtime_api import BODY_LIMIT, Delivery, RuntimeApi
from iotrules.functions.template import FunctionSettings
from iotrules.ports import FunctionResult

_WATCH_BUSY = 0.025
_WATCH_IDLE = 0.5
_MESSAGE_LIMIT = 2_000  # characters of an error that are kept: it is journaled
_WITH_ID = {"Sandbox.Timedout", "Sandbox.StartFailed", "Runtime.ExitError", "Runtime.OutOfMemory"}


class Phase(Enum):
    """starting → idle → busy → returning (answered, not polled yet) → idle; any → ending → ended."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    RETURNING = "returning"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(slots=True, eq=False)
class Invocation:
    """One event on its way through an environment; `wire_id` is the caller's `request_id` fit for HTTP."""

    request_id: str
    wire_id: str
    event: bytes
    result: asyncio.Future[FunctionResult]
    began: float = 0.0
    cold: bool = False


class Environment:
    """Owns one process group and one listener, from `start` until `ended` is done."""

    def __init__(
        self, settings: FunctionSettings, conditions: Conditions, changed: Callable[[Environment], None]
    ) -> None:
        self.phase = Phase.STARTING
        self.idle_since = 0.0
        self.failure: tuple[str, str] | None = None
        """Why it ended, as (error type, message) of what it was doing; None while it is well."""
        self.came_up = False
        """It has polled at least once: its handler could be loaded."""
        self.pid = 0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._settings = settings
        self._conditions = conditions
        self._changed = changed
        self._api = RuntimeApi(self)
        self._invocation: Invocation | None = None
        self._fresh = True
        self._began = 0.0
        self._init_ms = 0.0
        self._peak = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open the listener and start the process; it polls when the handler is loaded."""
        self._began = self._loop.time()
        try:
            address = await self._api.listen()
            self._process, self._exit, output = spawn(self._settings, self._conditions, address)
        except OSError as error:
            self._api.close()
            self.failure = ("Sandbox.StartFailed", f"can't start an environment: {error}")
            self._finish()
            return
        self.pid = self._process.pid
        self._log = LogTail(self._loop, output)
        self._loop.add_reader(self._exit, self._exited)
        self._deadline = self._loop.call_later(self._conditions.init_seconds, self._init_overdue)
        self._look()

    def hand(self, invocation: Invocation) -> None:
        """Give it an event. Only when it is idle."""
        self.phase = Phase.BUSY
        self._invocation = invocation
        self._log.write(start_line(invocation.wire_id))
        invocation.began = self._loop.time()
        invocation.cold, self._fresh = self._fresh, False
        self._set_deadline(self._settings.timeout, self._overdue)
        if self._watch and self._watch.when() > invocation.began + _WATCH_BUSY:
            self._watch.cancel()
            self._watch = self._loop.call_later(_WATCH_BUSY, self._look)
        # the handler compares the deadline with its own wall clock, so this can't be an injected one
        deadline_ms = time.time_ns() // 1_000_000 + self._settings.timeout * 1000
        arn = f"arn:aws:lambda:{self._conditions.region}:000000000000:function:{self._settings.name}"
        self._api.hand(Delivery(invocation.wire_id, deadline_ms, arn, invocation.event))

    def end(self, error_type: str, message: str) -> None:
        """Kill the process and all that it left; `failure` says why, `ended` says when."""
        if self.phase in (Phase.ENDING, Phase.ENDED):
            return
        self.phase = Phase.ENDING
        self.failure = (error_type, message)
        if self.pid:
            processes.kill_tree(self.pid)

    def failed_start(self, invocation: Invocation) -> FunctionResult:
        """The result of an invocation that waited for this environment, which never came up."""
        invocation.cold = True
        return self._result(invocation, None, *(self.failure or ("Runtime.ExitError", "")), duration_ms=0.0)

    # --- what the Runtime API tells

    def polled(self) -> None:
        if self.phase is Phase.STARTING:
            self._init_ms = (self._loop.time() - self._began) * 1000
            self.came_up = True
        elif self.phase is not Phase.RETURNING:
            return
        self.phase = Phase.IDLE
        self.idle_since = self._loop.time()
        self._set_deadline(self._conditions.idle_seconds, self._idle_overdue)
        self._changed(self)

    def answered(self, body: bytes | None) -> None:
        if body is None:
            message = f"Response payload size exceeded maximum allowed payload size ({BODY_LIMIT} bytes)."
            self._settle(None, "Function.ResponseSizeTooLarge", message)
        elif fault := _json_fault(body):
            self._settle(None, "Runtime.MarshalError", f"Unable to marshal response: {fault}")
        else:
            self._settle(body)

    def failed(self, error_type: str, message: str) -> None:
        self._settle(None, error_type, message)

    def init_failed(self, error_type: str, message: str) -> None:
        if self.phase is Phase.STARTING:
            self._init_ms = (self._loop.time() - self._began) * 1000
            self.end(error_type, message)

    def left(self) -> None:
        self.end("Runtime.ExitError", "Runtime exited without providing a reason")

    # --- what the clock tells

    def _init_overdue(self) -> None:
        self._init_ms = self._conditions.init_seconds * 1000
        self.end("Sandbox.Timedout", f"Init timed out after {self._conditions.init_seconds:.2f} seconds")

    def _overdue(self) -> None:
        self.end("Sandbox.Timedout", f"Task timed out after {self._settings.timeout:.2f} seconds")

    def _idle_overdue(self) -> None:
        self.end("Sandbox.Idle", "it was idle")

    def _look(self) -> None:
        """Measure the memory of the process tree, and end it when that is too much."""
        used = processes.tree_memory(self.pid)
        self._peak = max(self._peak, used)
        if used > self._settings.memory_mb * MEGABYTE:
            self.end("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
            return
        self._watch = self._loop.call_later(_WATCH_IDLE if self.phase is Phase.IDLE else _WATCH_BUSY, self._look)

    def _see_peak(self) -> None:
        """What came and went between two looks counts too: the kernel remembers it for the process itself."""
        self._peak = max(self._peak, processes.peak_memory(self.pid))

    def _set_deadline(self, seconds: float, overdue: Callable[[], None]) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, overdue)

    # --- results

    def _settle(self, answer: bytes | None, error_type: str = "", message: str = "") -> None:
        """The event in hand has its result. The deadline stays: the client has to poll again in time."""
        invocation, self._invocation = self._invocation, None
        if invocation is None or self.phase is not Phase.BUSY:
            return
        self.phase = Phase.RETURNING
        duration_ms = (self._loop.time() - invocation.began) * 1000
        self._see_peak()
        if not invocation.result.done():
            invocation.result.set_result(self._result(invocation, answer, error_type, message, duration_ms))

    def _result(
        self, invocation: Invocation, answer: bytes | None, error_type: str, message: str, duration_ms: float
    ) -> FunctionResult:
        status = {"": "", "Sandbox.Timedout": "timeout"}.get(error_type, "error")
        account = Account(
            request_id=invocation.request_id,
            wire_id=invocation.wire_id,
            cold=invocation.cold,
            init_ms=self._init_ms,
            duration_ms=duration_ms,
            memory_mb=self._settings.memory_mb,
            peak_bytes=self._peak,
            status=status,
            error_type=error_type,
        )
        if error_type in _WITH_ID:
            message = f"RequestId: {invocation.wire_id} Error: {message}"
        printed = self._log.take() if self.pid else b""
        return FunctionResult(answer, error_type[:200], message[:_MESSAGE_LIMIT], usage(account, printed))

    # --- the end

    def _exited(self) -> None:
        """The process is dead: kill what it left before its number is free again, then reap it."""
        self._loop.remove_reader(self._exit)
        os.close(self._exit)
        processes.kill_tree(self.pid)
        code = self._process.wait()
        if self.failure is None:
            if self.phase is Phase.STARTING:
                self._init_ms = (self._loop.time() - self._began) * 1000
            self.failure = ("Runtime.ExitError", _exit_words(code))
        self._log.drain()
        self._log.close()
        self._api.close()
        self._fail_invocation(*self.failure)
        self._finish()

    def _fail_invocation(self, error_type: str, message: str) -> None:
        invocation, self._invocation = self._invocation, None
        if invocation is None or invocation.result.done():
            return
        duration_ms = (self._loop.time() - invocation.began) * 1000
        if error_type == "Sandbox.Timedout":
            duration_ms = self._settings.timeout * 1000.0
            self._log.write(f"{invocation.wire_id} {message}\n\n")
        invocation.result.set_result(self._result(invocation, None, error_type, message, duration_ms))

    def _finish(self) -> None:
        for timer in (self._deadline, self._watch):
            if timer:
                timer.cancel()
        self.phase = Phase.ENDED
        self.ended.set_result(None)
        self._changed(self)


def _exit_words(code: int) -> str:
    """How Lambda says that a process ended."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    name = (signal.strsignal(-code) or str(-code)).lower()
    return f"Runtime exited with error: signal: {name}"


def _json_fault(body: bytes) -> str:
    """What is wrong with an answer that should be JSON; nothing if it is. NaN and Infinity are not JSON."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return ""
