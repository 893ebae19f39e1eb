"""`iotrules` itself: quick help, clear refusals, the configuration file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.processes import environment

COMMANDS = (
    "alerts", "broker", "check", "dashboard", "demo", "init", "lint", "plan", "run", "schema", "sim", "test",
    "why",
)  # fmt: skip


def _iotrules(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iotrules", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=60,
    )


def test_help_names_every_command_without_importing_what_they_need() -> None:
    script = """
import sys
from iotrules.cli import main
main(["--help"], standalone_mode=False)
heavy = {"pydantic", "paho", "nicegui", "aiosqlite", "rich", "psutil", "pint", "msgspec"} & set(sys.modules)
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = _iotrules(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"Usage: iotrules {name}" in result.stdout


def test_a_wrong_command_is_usage() -> None:
    result = _iotrules("chekc")
    assert result.returncode == 2
    assert "check" in result.stderr


def test_a_mistake_in_the_configuration_file_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "iotrules.yaml"
    file.write_text("rules: rules\nbrocker:\n  url: mqtt://x\n")
    result = _iotrules("--config", str(file), "run")
    assert result.returncode == 3
    assert f"{file}:2:1" in result.stderr
    assert 'did you mean "broker"' in result.stderr


def test_the_configuration_file_is_used(tmp_path: Path) -> None:
    (tmp_path / "iotrules.yaml").write_text("rules: my-rules\n")
    result = _iotrules("--config", "iotrules.yaml", "run", cwd=tmp_path)
    assert result.returncode == 3
    assert "my-rules" in result.stderr


def test_a_password_in_a_url_is_refused(tmp_path: Path) -> None:
    result = _iotrules("run", "--broker", "mqtt://user:hunter2@127.0.0.1")
    assert result.returncode == 2
    assert "--broker-password-file" in result.stderr
    assert "hunter2" not in result.stderr
