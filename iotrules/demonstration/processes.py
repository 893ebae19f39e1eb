"""The demo's processes: started with a log file each, watched, and ended with us whatever happens."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iotrules.model.errors import UnavailableError

STOP_TIMEOUT = 10.0
LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A running part of the demo."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


async def start_part(name: str, arguments: Sequence[str], directory: Path) -> Part:
    """Start `iotrules ARGUMENTS` with its output in `directory`/NAME.log."""
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_lifeline(),
            sys.executable,
            "-m",
            "iotrules",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us: we end the parts in order
        )
    return Part(name, process, log)


async def stop_part(part: Part) -> None:
    """Ask the part to end; kill it if it does not."""
    if part.process.returncode is None:
        part.process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await part.process.wait()
    except TimeoutError:
        part.process.kill()
        await part.process.wait()


def check_parts(parts: Sequence[Part]) -> None:
    """UnavailableError with the last words of a part that has ended by itself."""
    for part in parts:
        if part.process.returncode is not None:
            words = "\n    ".join(part.log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise UnavailableError(
                f"the {part.name} ended with code {part.process.returncode}; its last words ({part.log}):\n    {words}"
            )


def _lifeline() -> list[str]:
    """So that the parts end when we are killed, where the system can do that."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []
