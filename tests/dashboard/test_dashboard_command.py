"""`iotrules dashboard` and `iotrules alerts` as their users call them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.dashboard.conftest import dashboard
from tests.dashboard.seed import Seed, key_of


def iotrules(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iotrules", *arguments]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_alerts_are_printed_worst_first(tmp_path: Path) -> None:
    seed = Seed(tmp_path).create()
    done = iotrules("alerts", "--store", str(seed.store))
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.split()[:2] for line in done.stdout.splitlines() if line[:1] in "◆▲●○"]
    assert words == [["◆", "critical"]] * 2 + [["▲", "major"]] * 2 + [["●", "minor"], ["○", "info"]]
    assert "resolved" not in done.stdout


def test_json_is_one_stable_object(tmp_path: Path) -> None:
    seed = Seed(tmp_path).create()
    document = json.loads(iotrules("alerts", "--store", str(seed.store), "--all", "--json").stdout)
    assert document["version"] == 1
    first = document["alerts"][0]
    assert (first["rule"], first["key"]) == ("boiler-overheat", {"site": "north", "device": "boiler-07"})
    assert first["age_seconds"] >= 240
    assert first["since"].endswith("Z")
    assert {alert["state"] for alert in document["alerts"]} == {"pending", "firing", "resolved"}


def test_no_alerts_is_no_failure(tmp_path: Path) -> None:
    seed = Seed(tmp_path).create(quiet=True)
    done = iotrules("alerts", "--store", str(seed.store))
    assert (done.returncode, done.stdout) == (0, "no active alerts\n")


def test_a_name_with_control_characters_cannot_drive_the_terminal(tmp_path: Path) -> None:
    seed = Seed(tmp_path).create(quiet=True)
    seed.transition("hot", key_of("a", "\x1b[2J[red]b"), "pending", "firing", "major", 1, summary="\x07")
    shown = iotrules("alerts", "--store", str(seed.store)).stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]b" in shown


@pytest.mark.parametrize(
    ("content", "code", "words"), [(None, 3, "start the engine"), (b"no database at all" * 99, 4, "not a store")]
)
def test_a_store_that_cannot_be_read_is_explained(tmp_path: Path, content: bytes | None, code: int, words: str) -> None:
    store = tmp_path / "store.db"
    if content is not None:
        store.write_bytes(content)
    done = iotrules("alerts", "--store", str(store))
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_watch_ends_by_interrupt(tmp_path: Path) -> None:
    seed = Seed(tmp_path).create()
    command = [sys.executable, "-m", "iotrules", "alerts", "--watch", "--store", str(seed.store)]
    # FORCE_COLOR makes rich draw although its output is a pipe; only then is there something to wait for.
    environment = {"FORCE_COLOR": "1", "COLUMNS": "160", "PATH": "", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert any("boiler-07" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_only_loopback_is_served() -> None:
    done = iotrules("dashboard", "--host", "0.0.0.0", "--no-open")
    assert done.returncode == 3
    assert "no authentication" in done.stderr


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = iotrules("dashboard", "--store", str(tmp_path / "store.db"), "--port", port, "--no-open")
    assert done.returncode == 4
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_other_names_for_this_machine_are_refused_and_nothing_leaves_it(tmp_path: Path) -> None:
    """A page of somebody else's that resolves its name to 127.0.0.1 must not read ours."""
    with dashboard(tmp_path / "store.db") as address:
        with urlopen(address) as answer:
            assert "connect-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        with pytest.raises(HTTPError, match="400"):
            urlopen(Request(address, headers={"Host": "evil.example"}))
