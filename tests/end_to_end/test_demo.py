"""The main job by one command, on both brokers that it may start; and the page that comes with it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.end_to_end.processes import REPOSITORY, query, running, wait_until
from tests.mosquitto import free_port, mosquitto_program

PICTURE = REPOSITORY / "docs" / "images" / "alerts.png"


def _demo(directory: Path, port: int, *more: str) -> list[str]:
    return ["demo", "--directory", str(directory / "demo"), "--port", str(port), *more]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_the_closed_loop_happens_by_itself(broker: str, tmp_path: Path) -> None:
    if broker == "mosquitto":
        mosquitto_program()
    arguments = _demo(tmp_path, free_port(), "--for", "32s", "--broker", broker)
    with running(arguments, tmp_path / "demo.log") as demo:
        code = demo.process.wait(120)
    said = demo.said()
    assert code == 0, said
    assert re.search(r"dashboard  http://127\.0\.0\.1:\d+/", said)
    for step in (
        "pending",
        "firing",
        "resolved",
        "command shutdown",
        "command restart",
        "command lock_out",
        "trips: 2",
    ):
        assert re.search(f"✔ .*{step}", said), said
    assert "machine-silent firing" in said
    assert "✘" not in said


@pytest.mark.timeout(120)
def test_a_demo_that_is_too_short_for_the_loop_says_so(tmp_path: Path) -> None:
    with running(_demo(tmp_path, free_port(), "--for", "2s"), tmp_path / "demo.log") as demo:
        code = demo.process.wait(60)
    assert code == 1, demo.said()
    assert "✘ machine-overheat resolved: did not happen" in demo.said()


@pytest.mark.timeout(120)
def test_the_page_shows_the_machine_that_was_stopped(tmp_path: Path, browser: Browser) -> None:
    """IOTRULES_PICTURES=1 keeps what is seen here as the README's picture."""
    port = free_port()
    store = tmp_path / "demo" / "store.db"
    with running(_demo(tmp_path, port), tmp_path / "demo.log") as demo:
        demo.wait_for("dashboard  http")
        fired = "SELECT 1 FROM transitions WHERE rule = 'machine-overheat' AND after = 'firing'"
        wait_until(lambda: bool(query(store, fired)), 40, demo.said)
        page = browser.new_page(viewport={"width": 1200, "height": 640})
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.get_by_text("machine-overheat").first).to_be_visible(timeout=20_000)
        wait_until(lambda: len(query(store, fired)) >= 2, 40, demo.said)
        expect(page.get_by_text("boiler-03").first).to_be_visible()
        expect(page.get_by_text("machine-silent").first).to_be_visible(timeout=30_000)
        if os.environ.get("IOTRULES_PICTURES") == "1":
            PICTURE.parent.mkdir(exist_ok=True)
            page.screenshot(path=PICTURE)
        page.close()
        assert demo.end(signal.SIGINT) == 0
    assert "closed loop" in demo.said()


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(_demo(tmp_path, port), tmp_path / "demo.log") as demo:
            assert demo.process.wait(30) == 3
    assert f"port {port} for the dashboard" in demo.said()
    assert "choose another with --port" in demo.said()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("precious")
    with running(_demo(tmp_path, free_port()), tmp_path / "demo.log") as demo:
        assert demo.process.wait(30) == 3
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "precious"
    assert "files that are not of a demo" in demo.said()
