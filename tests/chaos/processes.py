"""The processes of a chaos run: engine, fleet, tap; started, told, watched and ended, each of it in the histories."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


class ChaosError(Exception):
    """The run itself could not go on; `seed` and histories say where it stood."""


def wait_until(condition: Callable[[], bool], seconds: float, failure: Callable[[], str]) -> None:
    """Look again and again until it is so; this waits for other processes, of which nobody tells us."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChaosError(failure())
        time.sleep(0.02)  # between two looks at another process, not a guess at how long it takes


class Told:
    """A process that takes orders on stdin, and answers each with a line."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=REPOSITORY,
            )
        self._answer("ready", log)
        self._log = log

    def tell(self, do: str, **fields: object) -> None:
        """Give an order, and wait until it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        self.process.stdin.flush()
        self._answer("done", self._log)

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process.stdout.close()

    def _answer(self, word: str, log: Path) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        if line != word:
            raise ChaosError(f"{word!r} was expected, {line!r} came:\n{log.read_text()[-2000:]}")


class Engine:
    """One life of the engine: a process of tests.chaos.entry, or of iotrules itself where nothing is replaced."""

    def __init__(self, arguments: Sequence[str], log: Path, *, at: str = "", planted: str = "") -> None:
        words = [*(("--at", at) if at else ()), *(("--planted", planted) if planted else ())]
        module = "tests.chaos.entry" if words else "iotrules"
        self._log = log
        with log.open("ab") as output:
            self._begin = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *words, *arguments],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=REPOSITORY,
                env={name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """What it has printed in this life."""
        with self._log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, words: str, times: int = 1, seconds: float = 40) -> None:
        """Wait until it has said so as often; ChaosError if it ends without."""

        def found() -> bool:
            if self.said().count(words) >= times:
                return True
            if self.ended():
                raise ChaosError(f"the engine ended with {self.process.returncode}:\n{self.said()[-3000:]}")
            return False

        wait_until(found, seconds, lambda: f"the engine did not say {words!r}:\n{self.said()[-3000:]}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if not self.ended():
            self.process.kill()
        self.process.wait(20)


class Tail:
    """Reads a history while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def more(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def resources(pid: int) -> dict[str, int]:
    """Memory in bytes and open descriptors of a process; nothing if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return {"rss": pages * os.sysconf("SC_PAGE_SIZE"), "fds": len(os.listdir(f"/proc/{pid}/fd"))}
    except (OSError, IndexError):
        return {}
