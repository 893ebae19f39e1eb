"""One engine on a store: others are held off, in this process and from others, and only while it lives."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotrules.model.errors import ConfigError, HeldError
from iotrules.stores.lease import StoreLease
from iotrules.stores.lockfile import process_state
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import filled, recovered

HOLDER = """
import asyncio, sys
from pathlib import Path
from iotrules.stores.sqlite import SqliteStore

async def hold():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.close()

asyncio.run(hold())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


async def test_a_second_engine_is_refused(path: Path) -> None:
    first = SqliteStore(path)
    await first.open()
    with pytest.raises(ConfigError, match="in use by another engine"):
        await SqliteStore(path).open()
    await first.close()
    assert (await recovered(path)).sequence == 0


async def test_an_engine_of_another_process_is_held_off(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(
        ConfigError, match=rf"store\.db is in use by another engine: iotrules \(pid {holder.pid} on .*; stop that one"
    ):
        await recovered(path)
    assert holder.poll() is None


async def test_the_store_is_free_when_the_other_engine_has_stopped(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.communicate("")
    assert holder.returncode == 0
    assert (await recovered(path)).sequence == 0


async def test_the_store_is_free_when_the_other_engine_was_killed(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (await recovered(path)).sequence == 0


async def test_a_child_process_does_not_keep_the_lock(path: Path) -> None:
    await filled(path)
    store = SqliteStore(path)
    await store.open()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        await store.close()
        assert (await recovered(path)).sequence == 4
        child.communicate(b"\n")


IN_MID_COMMIT = """
import asyncio, os, signal, sys
from pathlib import Path
from iotrules.stores.sqlite import SqliteStore

async def stop():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    async with store._transaction():
        os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(stop())
"""


async def test_an_engine_that_was_stopped_in_mid_commit_is_ended_by_the_one_that_takes_over(path: Path) -> None:
    await filled(path)
    with subprocess.Popen([sys.executable, "-c", IN_MID_COMMIT, str(path)]) as process:
        try:
            while process_state(process.pid)[0] != "T":
                assert process.poll() is None
            seconds = iter(range(1000))
            lease = StoreLease(path, now=lambda: float(next(seconds)))
            for _ in range(5):
                with pytest.raises(HeldError):
                    lease.claim()
            store = SqliteStore(path, lease)
            assert (await store.open()).sequence == 4
            assert process.wait(10) == -signal.SIGKILL
            await store.close()
        finally:
            process.kill()
    assert (await recovered(path)).sequence == 4
