"""The lease on a store: who may take it and when, and that one who lost it can't write any more."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from iotrules.model.errors import HeldError, LostLeaseError, UnavailableError
from iotrules.stores import lockfile
from iotrules.stores.lease import BEAT, LEASE, SURE, StoreLease
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author, contents, recovered, rows, write

NEVER = 3600.0
AN_HOUR = 3600 * 10**9
"""ns, after which a checkpoint is due."""


class Hands:
    """A clock that is moved by hand; seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def clock() -> Hands:
    return Hands()


def stopped(path: Path, clock: Hands) -> StoreLease:
    """The lease of an engine that gives no sign of life by itself, as if its process were stopped."""
    return StoreLease(path, "first", beat=NEVER, now=clock)


def watch(lease: StoreLease, clock: Hands, seconds: float) -> None:
    """Look again and again for so long, each time being told that another engine has the store."""
    for _ in range(round(seconds / BEAT)):
        with pytest.raises(HeldError):
            lease.claim()
        clock.now += BEAT


async def deposed(path: Path, clock: Hands) -> tuple[Author, SqliteStore, SqliteStore]:
    """An engine that was stopped, and the one that has taken over from it; both open, both know the same."""
    author, first, waiting = Author(), SqliteStore(path, stopped(path, clock)), StoreLease(path, now=clock)
    await first.open()
    await first.commit([author.begin(), author.message(temp=90)], author.engine.rules)
    watch(waiting, clock, LEASE)
    second = SqliteStore(path, waiting)
    assert (await second.open()).sequence == 2
    assert (waiting.epoch, waiting.succession) == (2, "stopped")
    return author, first, second


async def test_whatever_a_deposed_engine_writes_is_refused(path: Path, clock: Hands) -> None:
    author, first, second = await deposed(path, clock)
    before = contents(path)
    late = author.message("b2", temp=90)
    for writing in (first.commit([late], author.engine.rules), first.snapshot(2, {"a": b"b"}), first.note_alive(1)):
        with pytest.raises(LostLeaseError, match=r"another engine has taken over the store .*store\.db"):
            await writing
    assert contents(path) == before
    await second.commit([late], author.engine.rules)
    await first.close()
    await second.close()
    assert (await recovered(path)).sequence == 3


async def test_a_deposed_engine_leaves_alone_what_stands_beside_the_store(path: Path, clock: Hands) -> None:
    """It knows of no page that was written since: its sums would make the store a damaged one."""
    author, first, second = await deposed(path, clock)
    for hours in range(1, 4):  # the log begins anew after each checkpoint
        await second.commit([author.message(f"c{hours}", temp=90)], author.engine.rules)
        await second.tidy(author.now + hours * AN_HOUR)
    files = {name: Path(f"{path}{name}").read_bytes() for name in ("", "-wal", ".head", ".pages")}
    with pytest.raises(LostLeaseError):
        await first.tidy(author.now + AN_HOUR)
    await first.close()
    assert {name: Path(f"{path}{name}").read_bytes() for name in files} == files
    await second.close()
    assert (await recovered(path)).sequence == 5


async def test_a_deposed_engine_can_not_open_the_store_again(path: Path, clock: Hands) -> None:
    author, first, second = await deposed(path, clock)
    with pytest.raises(LostLeaseError):
        await first.commit([author.message(temp=20)], author.engine.rules)
    with pytest.raises(LostLeaseError):
        await first.open()
    await first.close()
    await second.close()


async def test_a_deposed_engine_finds_out_by_its_next_sign_of_life_and_tells(path: Path, clock: Hands) -> None:
    told: list[LostLeaseError] = []
    lease = stopped(path, clock)
    first = SqliteStore(path, lease)
    await first.open()
    lease.when_lost(told.append)
    waiting = StoreLease(path, now=clock)
    watch(waiting, clock, LEASE)
    second = SqliteStore(path, waiting)
    await second.open()
    assert not lease.valid()
    with pytest.raises(LostLeaseError):
        await lease.confirm()
    assert [type(error) for error in told] == [LostLeaseError]
    await first.close()
    await second.close()


async def test_a_lease_is_certain_for_less_time_than_a_standby_waits(path: Path, clock: Hands) -> None:
    lease = stopped(path, clock)
    store = SqliteStore(path, lease)
    assert not lease.valid()
    await store.open()
    assert lease.valid()
    clock.now += SURE
    assert not lease.valid()
    await lease.confirm()  # nobody has taken over meanwhile
    assert lease.valid()
    assert SURE + BEAT < LEASE
    await store.close()
    assert not lease.valid()


async def test_a_sign_of_life_in_time_keeps_the_store(path: Path, clock: Hands) -> None:
    lease, waiting = stopped(path, clock), StoreLease(path, now=clock)
    store = SqliteStore(path, lease)
    await store.open()
    watch(waiting, clock, LEASE - BEAT)
    await lease.confirm()
    watch(waiting, clock, LEASE)
    await store.close()
    waiting.claim()
    assert waiting.succession == "ended"
    waiting.release()


async def test_one_that_runs_on_just_before_the_epoch_is_taken_keeps_the_store(path: Path, clock: Hands) -> None:
    lease, waiting = stopped(path, clock), StoreLease(path, now=clock)
    author, store = Author(), SqliteStore(path, lease)
    await store.open()
    watch(waiting, clock, LEASE)
    waiting.claim()
    await lease.confirm()
    with pytest.raises(HeldError, match=r"in use by another engine: first \(pid"):
        await SqliteStore(path, waiting).open()
    await store.commit([author.begin()], author.engine.rules)
    await store.close()


async def test_of_two_that_wait_one_takes_over(path: Path, clock: Hands) -> None:
    first, second, third = SqliteStore(path, stopped(path, clock)), StoreLease(path, now=clock), stopped(path, clock)
    await first.open()
    for waiting in (second, third):
        watch(waiting, clock, LEASE)
        waiting.claim()
    taken = SqliteStore(path, second)
    await taken.open()
    with pytest.raises(HeldError):
        await SqliteStore(path, third).open()
    assert rows(path, "SELECT value LIKE '2 %' FROM meta WHERE name = 'lease'") == [(1,)]
    for store in (first, taken):
        await store.close()


async def test_time_in_which_the_standby_did_not_look_does_not_count(path: Path, clock: Hands) -> None:
    """The machine slept: neither of the two could do anything."""
    store, waiting = SqliteStore(path, stopped(path, clock)), StoreLease(path, now=clock)
    await store.open()
    for _ in range(2):
        with pytest.raises(HeldError):
            waiting.claim()
        clock.now += 3600
    await store.close()


async def test_a_store_locked_in_mid_commit_by_one_that_does_not_stop_is_said(path: Path, clock: Hands) -> None:
    author, first = Author(), SqliteStore(path, stopped(path, clock))
    await first.open()
    await first.commit([author.begin()], author.engine.rules)
    waiting = StoreLease(path, now=clock)
    watch(waiting, clock, LEASE)
    second = SqliteStore(path, waiting)
    async with first._transaction():  # it holds the write lock as long as we like
        with pytest.raises(UnavailableError, match=rf"in the middle of a commit .*\(kill -9 {os.getpid()} on "):
            await second.open()
    assert (await second.open()).sequence == 1
    await first.close()
    await second.close()


async def test_each_engine_has_an_epoch_of_its_own(path: Path) -> None:
    seen = []
    for _ in range(3):
        lease = StoreLease(path)
        store = SqliteStore(path, lease)
        await store.open()
        await store.open()  # after a failure it is still the same engine
        seen.append((lease.epoch, lease.succession))
        await store.close()
    assert seen == [(1, ""), (2, "ended"), (3, "ended")]


async def test_the_same_epoch_of_another_engine_is_another_epoch(path: Path) -> None:
    """A copy from before was put back under an engine that runs."""
    author, store = Author(), SqliteStore(path)
    await store.open()
    write(path, "UPDATE meta SET value = '1 somebody' WHERE name = 'lease'")
    with pytest.raises(LostLeaseError):
        await store.commit([author.begin()], author.engine.rules)
    await store.close()


async def test_a_lock_file_that_was_removed_is_made_again_by_its_holder(path: Path, clock: Hands) -> None:
    lease, other = stopped(path, clock), StoreLease(path, now=clock)
    author, store = Author(), SqliteStore(path, lease)
    await store.open()
    Path(f"{path}.lock").unlink()
    clock.now += SURE
    await lease.confirm()
    with pytest.raises(HeldError):
        other.claim()
    await store.commit([author.begin()], author.engine.rules)
    await store.close()


async def test_a_holder_on_another_machine_has_its_time_too(path: Path, clock: Hands) -> None:
    """A file system that tells nobody of other machines' locks: only signs of life count."""
    there = msgspec.structs.replace(lockfile.this_process("there", 0), host="elsewhere", boot="another", pulse=7)
    file = lockfile.lock(Path(f"{path}.lock"))
    assert file is not None
    file.write(there)
    file.close()
    waiting = StoreLease(path, now=clock)
    with pytest.raises(HeldError) as caught:
        waiting.claim()
    assert not caught.value.certain
    clock.now += BEAT
    watch(waiting, clock, LEASE - BEAT)
    waiting.claim()
    assert waiting.succession == "died"
    waiting.release()


async def test_a_program_from_before_there_were_leases_is_never_taken_for_stopped(path: Path, clock: Hands) -> None:
    with Path(f"{path}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        watch(StoreLease(path, now=clock), clock, 10 * LEASE)


async def test_the_lock_file_has_one_size_so_that_a_full_disk_stops_no_sign_of_life(path: Path) -> None:
    lease = StoreLease(path, "x" * 500)
    lease.claim()
    assert Path(f"{path}.lock").stat().st_size == lockfile.SIZE
    lease.release()
    assert Path(f"{path}.lock").stat().st_size == lockfile.SIZE
