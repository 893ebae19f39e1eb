"""A small file system of our own, to fill up and to make read-only; a folder that can't be written."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


class SmallDisk:
    """A tmpfs, of 1 MB unless more is asked for. The ballast is what fills it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes free (in whole pages)."""
        self.free()
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            file.truncate(max(0, file.tell() - leave))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def remount(self, option: str) -> None:
        _run("mount", "-o", f"remount,{option}", str(self.path))


@contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[SmallDisk]:
    """Mount it; where that is not allowed the test is skipped, or fails where CI=true."""
    path.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700,uid={os.geteuid()}", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"a full disk needs the right to mount a tmpfs (root, or sudo without a password): {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", "--lazy", str(path))


@contextmanager
def forbidden_folder() -> Iterator[Path]:
    """A folder in which nothing may be made; root, whom no permission stops, is nobody for this time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def _run(*command: str) -> None:
    sudo = () if os.geteuid() == 0 else ("sudo", "-n")
    subprocess.run([*sudo, *command], check=True, capture_output=True)
