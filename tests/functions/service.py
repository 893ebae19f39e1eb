"""Starting the Lambda service on the handlers of these tests, and looking at what it left."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from iotrules.functions import LocalFunctions
from iotrules.ports import FunctionResult

CODE = Path(__file__).with_name("handlers")
CLIENTS: tuple[Literal["own", "awslambdaric"], ...] = ("own", "awslambdaric")


def write_template(folder: Path, handlers: Iterable[str], **properties: object) -> Path:
    """A template with one function per handler `module.function`, called by the function's name."""
    lines = ["Transform: AWS::Serverless-2016-10-31", "Resources:"]
    for handler in handlers:
        lines += [
            f"  {handler.rpartition('.')[2].title().replace('_', '')}{handler.partition('.')[0].title()}:",
            "    Type: AWS::Serverless::Function",
            "    Properties:",
            f"      FunctionName: {handler.rpartition('.')[2]}",
            f"      CodeUri: {CODE}",
            f"      Handler: {handler}",
            "      Runtime: python3.12",
            *(f"      {name}: {json.dumps(value)}" for name, value in properties.items()),
        ]
    path = folder / "template.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


class Service:
    """A running LocalFunctions, with invocations by plain values."""

    def __init__(self, functions: LocalFunctions) -> None:
        self.functions = functions
        self._invoked = 0

    async def invoke(self, function: str, event: Any = None, request_id: str = "") -> FunctionResult:
        self._invoked += 1
        return await self.functions.invoke(
            function, json.dumps(event).encode(), request_id or f"request-{self._invoked}"
        )

    async def answer(self, function: str, event: Any = None) -> Any:
        result = await self.invoke(function, event)
        assert result.answer is not None, (result.error_type, result.error_message, result.usage.log_tail)
        return json.loads(result.answer)

    def pids(self) -> list[int]:
        return [pid for _, pid, _ in self.functions.environments()]

    def phases(self) -> list[str]:
        return [phase for _, _, phase in self.functions.environments()]


@asynccontextmanager
async def running(template: Path, **options: Any) -> AsyncIterator[Service]:
    """The service from start to stop; what must not be left is checked by the tests themselves."""
    functions = LocalFunctions(template, **options)
    await functions.start()
    try:
        yield Service(functions)
    finally:
        await functions.stop()


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped by somebody else does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def our_children() -> set[int]:
    """Processes that we started and have not reaped."""
    return {
        int(child)
        for thread in os.listdir("/proc/self/task")
        for child in Path(f"/proc/self/task/{thread}/children").read_text().split()
    }


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that no event tells of: the condition is looked at every few milliseconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # processes and files of others set no asyncio.Event
            await asyncio.sleep(0.005)
