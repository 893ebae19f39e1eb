"""A dashboard as its user starts it, on a seeded store, looked at with a real Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page

from tests.dashboard.seed import Seed
from tests.mosquitto import free_port

START_SECONDS = 40


@contextmanager
def dashboard(store: Path) -> Iterator[str]:
    """The address of a dashboard that reads `store`."""
    port = free_port()
    command = [sys.executable, "-m", "iotrules", "dashboard", "--store", str(store), "--port", str(port), "--no-open"]
    log = store.with_name("dashboard.log")
    # NiceGUI behaves otherwise when it finds itself under pytest; its user doesn't.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            _wait_for(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=10)
    assert "Traceback" not in log.read_text()


@contextmanager
def beating(seed: Seed) -> Iterator[None]:
    """An engine that hears every device once a second."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(1):
            seed.beat(time.time_ns())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test if it opens a dialog, throws, or asks anybody but the dashboard."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("dialog", lambda dialog: _dismiss(dialog, complaints))
    page.on("pageerror", lambda error: complaints.append(f"error {error}"))
    page.on("request", lambda request: _check_address(request.url, complaints))
    yield page
    page.close()
    assert complaints == []


def _dismiss(dialog: Dialog, complaints: list[str]) -> None:
    complaints.append(f"dialog {dialog.message}")
    dialog.dismiss()


def _check_address(url: str, complaints: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        complaints.append(f"request to {url}")


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the dashboard ended with {process.returncode}:\n{log.read_text()}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    pytest.fail(f"the dashboard did not listen within {START_SECONDS} s:\n{log.read_text()}")
