"""A disk under the store that can fail in every way: at a power cut what was not synced is lost, torn or kept.

It is an SQLite VFS over real files, and the same for files that are not SQLite's. House rule: what happens depends on
the script and the operations before, only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeAlias

import apsw

SECTOR = 512
Image: TypeAlias = dict[str, bytes]
"""What is on the disk: file name → content."""

_numbers = itertools.count()


@dataclass(slots=True)
class Unsynced:
    """What is durable of a file, and what was written since."""

    durable: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes]] = field(default_factory=list)
    """(offset, data); the offset -n of a cut to n - 1 bytes."""

    def sync(self) -> None:
        for change in self.since:
            _apply(self.durable, *change)
        self.since.clear()

    def after_a_power_cut(self, chance: Random) -> bytes:
        """What was synced, and of all since any sectors, in any order."""
        image = bytearray(self.durable)
        for offset, data in self.since:
            if offset < 0:
                if chance.random() < 0.5:
                    _apply(image, offset, data)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < 0.6:
                    _apply(image, offset + start, data[start : start + SECTOR])
        return bytes(image)


def _apply(image: bytearray, offset: int, data: bytes) -> None:
    if offset < 0:
        del image[-offset - 1 :]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class Disk:
    """One folder. `full` refuses what needs room; `crash_in` says after how many writing operations the power goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vfs = f"sim{next(_numbers)}"
        self.ops = 0
        self.dead = False
        self.full = False
        self.refused = 0
        """How often there was no room."""
        self.failed = 0
        """How often an operation failed as the script wanted it."""
        self._files: dict[str, Unsynced] = {}
        self._replaced: dict[str, bytes | None] = {}
        """What files were before, whose replacing is not durable yet (None: there was none)."""
        self._crash_at = 0
        self._crash: Callable[[], None] = lambda: None
        self._failing: dict[str, int] = {}
        self._registered = _FaultyVfs(self)

    def close(self) -> None:
        self._registered.unregister()

    def crash_in(self, ops: int, crash: Callable[[], None]) -> None:
        """Call `crash` instead of the operation that comes after so many others."""
        self._crash_at, self._crash = self.ops + ops, crash

    def fail(self, operation: str, nth: int) -> None:
        """Have the nth `write`, `sync` or `read` from now on end with EIO."""
        self._failing[operation] = nth

    def calm(self) -> None:
        """No faults from now on."""
        self._crash_at, self.full = 0, False
        self._failing.clear()

    def image(self, chance: Random | None) -> Image:
        """What the next process finds; `chance` decides on what was not synced, None: the machine goes on."""
        files = {path.name: path.read_bytes() for path in self.folder.iterdir() if not path.name.endswith(".lock")}
        if chance is None:
            return files
        for name in sorted(self._files):
            if name in files:
                files[name] = self._files[name].after_a_power_cut(chance)
        for name, before in sorted(self._replaced.items()):
            if chance.random() < 0.5:
                del files[name]
                files |= {name: before} if before is not None else {}
        return {name: data for name, data in files.items() if not name.endswith("-shm")}

    def put(self, image: Image, *, synced: bool) -> None:
        """Become what an image says; `synced`: all of it is durable."""
        for path in self.folder.iterdir():
            if path.name not in image and not path.name.endswith(".lock"):
                path.unlink()
        for name, data in image.items():
            (self.folder / name).write_bytes(data)
        if synced:
            self._files = {name: Unsynced(bytearray(data)) for name, data in image.items() if _is_tracked(name)}
            self._replaced.clear()
        self.dead = False

    def opened(self, name: str) -> None:
        self._files.setdefault(name, Unsynced())

    def write(self, name: str, data: bytes, offset: int, size: int) -> None:
        """Note a write that is about to be made."""
        self._operate("write", name, (offset, data))
        if self.full and offset + len(data) > size:
            self.refused += 1
            raise _failure(apsw.SQLITE_FULL)
        self._files[name].since.append((offset, data))

    def truncate(self, name: str, size: int) -> None:
        self._operate("write", name, (-size - 1, b""))
        self._files[name].since.append((-size - 1, b""))

    def sync(self, name: str) -> None:
        self._operate("sync", name, None)
        self._files[name].sync()

    def replace(self, name: str, content: bytes) -> None:
        """Write a file beside, sync it, put it in this one's place, and sync the folder: all four can fail."""
        self._operate("write", name, None)
        if self.full:
            self.refused += 1
            raise _failure(apsw.SQLITE_FULL)
        self._operate("sync", name, None)
        self._operate("write", name, None)
        path = self.folder / name
        self._replaced.setdefault(name, path.read_bytes() if path.exists() else None)
        path.write_bytes(content)
        self._operate("sync", name, None)
        del self._replaced[name]

    def read(self, name: str) -> None:
        self._fail_if_due("read", name, apsw.SQLITE_IOERR_READ)

    def delete(self, name: str) -> None:
        self._operate("write", name, None)
        self._files.pop(name, None)

    def _operate(self, operation: str, name: str, change: tuple[int, bytes] | None) -> None:
        if self.dead:
            raise _failure(apsw.SQLITE_IOERR_WRITE)
        self.ops += 1
        if self.ops == self._crash_at:
            if change is not None:
                self._files[name].since.append(change)  # it was on its way
            self._crash()
            self.dead = True
            raise _failure(apsw.SQLITE_IOERR_WRITE)
        code = apsw.SQLITE_IOERR_FSYNC if operation == "sync" else apsw.SQLITE_IOERR_WRITE
        self._fail_if_due(operation, name, code)

    def _fail_if_due(self, operation: str, name: str, code: int) -> None:
        left = self._failing.get(operation)
        if left is None or self.dead:
            return
        self._failing[operation] = left - 1
        if left <= 1:
            del self._failing[operation]
            self.failed += 1
            raise _failure(code)


def _failure(code: int) -> apsw.Error:
    error: apsw.Error
    if code == apsw.SQLITE_FULL:
        error = apsw.FullError("no space left on the disk (by script)")
    else:
        error = apsw.IOError("disk I/O error (by script)")
    setattr(error, "result", code & 0xFF)  # noqa: B010 - apsw's stubs leave out what its errors carry
    setattr(error, "extendedresult", code)  # noqa: B010 - here too
    return error


def _is_tracked(name: str) -> bool:
    return name.endswith((".db", "-wal", "-journal", ".head"))


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: Disk, filename: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("unix", filename, flags)
        path = filename if isinstance(filename, str) else filename.filename()
        self._disk, self._name = disk, Path(path).name
        disk.opened(self._name)

    def excepthook(self, *_: object) -> bool:
        """SQLite goes on without the answer, as it does when a real disk fails there."""
        return True

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.read(self._name)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.write(self._name, bytes(data), offset, super().xFileSize())
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.truncate(self._name, size)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.sync(self._name)


class _FaultyVfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.vfs, "unix")
        self._disk = disk

    def excepthook(self, *_: object) -> bool:
        """As for files."""
        return True

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if name is None:
            return apsw.VFSFile("unix", None, flags)
        return _FaultyFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._disk.delete(Path(filename).name)
        super().xDelete(filename, syncdir)
