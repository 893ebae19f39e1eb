"""What the simulation is made of does what it says: virtual time, and a disk that forgets what was not synced."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from tests.simulation.disk import Disk
from tests.simulation.virtual import START, StalledError, VirtualClock, VirtualLoop, run_virtual


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.close()


def opened(disk: Disk) -> apsw.Connection:
    db = apsw.Connection(str(disk.folder / "store.db"), vfs=disk.vfs)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def filled(disk: Disk, rows: int = 20) -> apsw.Connection:
    db = opened(disk)
    db.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
    for number in range(rows):
        db.execute("INSERT INTO t VALUES (?)", (number,))
    return db


def end(disk: Disk, db: apsw.Connection) -> None:
    """Let go of the files, without another change to them."""
    disk.dead = True
    with contextlib.suppress(apsw.Error):
        db.close(True)


def numbers(disk: Disk) -> int:
    db = opened(disk)
    ((count,),) = list(db.execute("SELECT count(*) FROM t"))
    db.close()
    assert isinstance(count, int)
    return count


def test_a_day_passes_at_once_and_in_order() -> None:
    loop, seen = VirtualLoop(), list[str]()
    clock = VirtualClock(loop)

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)  # virtual time
        seen.append(name)

    async def both() -> int:
        await asyncio.gather(wait("evening", 86_400), wait("morning", 3600))
        return clock.now()

    began = time.monotonic()
    assert run_virtual(both(), loop) - START == pytest.approx(86_400e9, abs=1e6)
    assert seen == ["morning", "evening"]
    assert time.monotonic() - began < 10


def test_a_run_in_which_nothing_can_happen_any_more_is_told_of() -> None:
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StalledError):
        run_virtual(for_ever(), VirtualLoop())


@pytest.mark.parametrize("chance", range(20))
def test_what_was_synced_outlives_every_power_cut(disk: Disk, chance: int) -> None:
    db = filled(disk)
    image = disk.image(Random(chance))
    end(disk, db)
    disk.put(image, synced=True)
    assert numbers(disk) == 20


def test_what_was_not_synced_may_be_lost(disk: Disk) -> None:
    db = filled(disk)
    db.execute("PRAGMA synchronous = OFF")
    for number in range(5):
        db.execute("INSERT INTO t VALUES (?)", (number,))
    images = [disk.image(Random(chance)) for chance in range(30)]
    end(disk, db)
    left = set()
    for image in images:
        disk.put(image, synced=True)
        left.add(numbers(disk))
    assert min(left) == 20
    assert len(left) > 1


def test_a_full_disk_and_a_failing_one_are_sqlites_own_errors(disk: Disk) -> None:
    db = filled(disk)
    disk.full = True
    with pytest.raises(apsw.FullError):
        db.execute("INSERT INTO t VALUES (1)")
    disk.full = False
    disk.fail("sync", 1)
    with pytest.raises(apsw.IOError):
        db.execute("INSERT INTO t VALUES (1)")
    db.execute("INSERT INTO t VALUES (1)")
    db.close()
    assert numbers(disk) == 21
