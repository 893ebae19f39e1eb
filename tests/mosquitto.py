"""A real mosquitto for tests: started on a free loopback port with a temporary configuration."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_SECONDS = 10.0
_BASE = "persistence true\nautosave_interval 1\nset_tcp_nodelay true\n"


def mosquitto_program() -> str:
    """The path of mosquitto; without it the test is skipped, or fails where CI=true."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        reason = "mosquitto is not installed (Debian: apt-get install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """Owns one mosquitto process; `lines` are added to its configuration (default: anonymous access).

    It saves its sessions to `database` each second.
    """

    def __init__(self, directory: Path, lines: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.database = directory / "mosquitto.db"
        self._program = mosquitto_program()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._config = directory / "mosquitto.conf"
        where = f"persistence_location {directory}/\nlog_dest file {directory}/mosquitto.log\n"
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(f"{_BASE}{where}{user}listener {self.port} 127.0.0.1\n{lines}")

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        command = [self._program, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_SECONDS
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"mosquitto did not start:\n{self.log()}")
            time.sleep(0.01)  # between two looks: there is no event for a port that begins to listen

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it with a signal, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def log(self) -> str:
        """What it has logged so far."""
        file = self._directory / "mosquitto.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running_mosquitto(lines: str = "allow_anonymous true\n") -> Iterator[Mosquitto]:
    """A mosquitto with a directory of its own, stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as directory:
        broker = Mosquitto(Path(directory), lines)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()
