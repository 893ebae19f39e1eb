"""Our commands as processes of their own, as a user starts them, and what they left behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLANT = Path(__file__).parent / "plant"
REPOSITORY = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """Ours, without what would make the parts behave as under a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


class Running:
    """A process of `iotrules ARGUMENTS` with its output in a file."""

    def __init__(self, arguments: Sequence[str], log: Path, cwd: Path = REPOSITORY) -> None:
        self.log = log
        with log.open("ab") as output:
            self._begin = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "iotrules", *arguments],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=cwd,
                env=environment(),
            )

    def said(self) -> str:
        """What it has printed so far."""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def wait_for(self, words: str, seconds: float = 30) -> str:
        """Wait until it has printed `words`; fails at once if it ends without."""

        def found() -> bool:
            if words in self.said():
                return True
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said()}"
            return False

        wait_until(found, seconds, lambda: f"{words!r} was not printed:\n{self.said()}")
        return self.said()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def running(arguments: Sequence[str], log: Path, cwd: Path = REPOSITORY) -> Iterator[Running]:
    process = Running(arguments, log, cwd)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.kill()


def engine_arguments(broker: str, store: Path, **options: str | Path) -> list[str]:
    """`iotrules run` on the kill tests' plant, unless `options` say otherwise."""
    chosen: dict[str, str | Path] = {
        "broker": broker,
        "store": store,
        "rules": PLANT / "rules.yaml",
        "functions": PLANT / "template.yaml",
        "metrics-port": "0",
        "name": "engine-under-test",
    }
    chosen |= {name.replace("_", "-"): value for name, value in options.items()}
    return ["run", *(word for name, value in chosen.items() for word in (f"--{name}", str(value)))]


def wait_until(condition: Callable[[], bool], seconds: float, failure: Callable[[], str]) -> None:
    """Look again and again until it is so; this waits for other processes, of which nobody tells us."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, failure()
        time.sleep(0.02)  # between two looks at another process, not a guess at how long it takes


def query(store: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the store, read as any other process would; none while there is no store yet."""
    try:
        connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)
    except sqlite3.OperationalError:
        return []
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "unable to open" in str(error):
            return []
        raise
    finally:
        connection.close()


def total(store: Path, counter: str, label: str | None = None) -> int:
    """A counter of the store, over all its labels or one."""
    where = "" if label is None else " AND label = ?"
    values = (counter,) if label is None else (counter, label)
    ((found,),) = query(store, f"SELECT coalesce(sum(total), 0) FROM counters WHERE counter = ?{where}", *values) or [
        (0,)
    ]
    return int(found)


def journal(path: Path) -> list[dict[str, Any]]:
    """The simulator's own record; a last line that was cut is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]
