"""The README's commands, run as they stand there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.processes import REPOSITORY, environment

README = (REPOSITORY / "README.md").read_text()


def _blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_two_commands_are_targets_of_the_makefile_and_ci_runs_them() -> None:
    commands = [line.split("#")[0].strip() for line in _blocks()[0].splitlines()]
    assert commands == ["make demo", "make test"]
    makefile = (REPOSITORY / "Makefile").read_text()
    ci = (REPOSITORY / ".ci" / "run").read_text()
    for command in commands:
        assert f"\n{command.removeprefix('make ')}: " in makefile
        assert f"\n{command}" in ci


@pytest.mark.timeout(120)
def test_ten_minutes_to_a_rule_of_your_own(tmp_path: Path) -> None:
    """All other blocks, as one session of a shell, in a directory beside the clone's own files."""
    for name in ("lambdas", "rules"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    script = "set -e\nset -m\n" + "\n".join(_blocks()[1:])
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=100)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, said
    assert "ok: 1 rule" in said
    assert re.search(r"boiler-03 on site A is at \d+ °C", said), said


def test_every_picture_and_page_that_it_names_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
