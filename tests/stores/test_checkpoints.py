"""When what the log holds is copied into the database: not more often than there is much of it, or for long."""

from __future__ import annotations

from pathlib import Path

from iotrules.model.times import SECOND
from iotrules.stores import tidying
from iotrules.stores.guard import log_path
from iotrules.stores.sqlite import SqliteStore
from iotrules.stores.wal import filled
from tests.stores.entries import Author


async def test_a_log_whose_file_is_long_is_not_copied_again_for_its_length(tmp_path: Path) -> None:
    path, author = tmp_path / "store.db", Author()
    store = SqliteStore(path)
    await store.open()
    while log_path(path).stat().st_size < 2**23:
        await store.commit([author.message(note="x" * 60_000)], author.engine.rules)
    await store.tidy(author.now)  # the first one is due
    await store.commit([author.message(temp=1)], author.engine.rules)
    salts, frames = filled(log_path(path))
    assert 0 < frames < 20
    await store.tidy(author.now + SECOND)
    await store.commit([author.message(temp=2)], author.engine.rules)
    assert filled(log_path(path))[0] == salts, "the log began anew, so it had been copied"
    await store.tidy(author.now + tidying.CHECKPOINT_EVERY + SECOND)
    await store.commit([author.message(temp=3)], author.engine.rules)
    assert filled(log_path(path))[0] != salts
    await store.close()


async def test_much_in_the_log_is_copied_at_once(tmp_path: Path) -> None:
    path, author = tmp_path / "store.db", Author()
    store = SqliteStore(path)
    await store.open()
    await store.commit([author.message(temp=1)], author.engine.rules)
    await store.tidy(author.now)
    await store.commit([author.message(temp=2)], author.engine.rules)
    salts, _ = filled(log_path(path))
    while filled(log_path(path))[1] < tidying.CHECKPOINT_FRAMES:
        await store.commit([author.message(note="x" * 100_000)], author.engine.rules)
    await store.tidy(author.now + SECOND)
    await store.commit([author.message(temp=3)], author.engine.rules)
    assert filled(log_path(path))[0] != salts
    await store.close()


def test_no_log_is_no_filling(tmp_path: Path) -> None:
    assert filled(tmp_path / "none") == (b"", 0)
    (tmp_path / "short").write_bytes(b"x")
    assert filled(tmp_path / "short") == (b"", 0)
