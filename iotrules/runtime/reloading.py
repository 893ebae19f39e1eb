"""Changed rule files and registries while the engine runs: read again when asked to, or when somebody wrote them.

House rule: files that don't load are refused as a whole, with every problem in the log; the old rules stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import structlog

from iotrules.language import REGISTRY_NAMES
from iotrules.language.comparing import compare
from iotrules.model.errors import ConfigError, FileError
from iotrules.model.inputs import Reload
from iotrules.model.rules import RuleSet

log = structlog.get_logger()

WATCH_EVERY = 1.0
"""Seconds between two looks at the files; they are read once they were the same twice, so never half written."""

Outcome = Literal["applied", "unchanged", "refused"]
Marks = dict[str, tuple[int, int, int]]


class Reloading:
    """Reads the rule files again, one time after another.

    `read` gives them, checked (FileError or ConfigError: not usable); `use` makes the engine use them, and gives the
    rules before and after; `told` is called with the outcome and the rules in use then.
    """

    def __init__(
        self,
        read: Callable[[], Reload],
        use: Callable[[Reload], Awaitable[tuple[RuleSet, RuleSet]]],
        told: Callable[[Outcome, RuleSet | None], None],
        current: Reload,
    ) -> None:
        self._read = read
        self._use = use
        self._told = told
        self._current = current
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the files read again; asking twice before that is asking once."""
        self._asked.set()

    async def run(self) -> None:
        """Do what is asked, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self._reload()

    async def watch(self, *paths: Path) -> None:
        """Ask whenever the files at or below `paths` are others than they were, until cancelled."""
        loaded = seen = file_marks(*paths)
        while True:
            await asyncio.sleep(WATCH_EVERY)
            before, seen = seen, file_marks(*paths)
            if seen != loaded and seen == before:
                loaded = seen
                self.ask()

    async def _reload(self) -> None:
        try:
            files = await asyncio.to_thread(self._read)
        except FileError as error:
            for problem in error.problems:
                log.error("rule file refused", problem=str(problem))
            self._refused(f"the files have problems ({len(error.problems)})")
            return
        except ConfigError as error:
            self._refused(str(error))
            return
        if files == self._current:
            log.info("rules not reloaded: the files are as they were")
            self._told("unchanged", None)
            return
        before, after = await self._use(files)
        self._current = files
        report_changes(before, after)
        self._told("applied", after)

    def _refused(self, reason: str) -> None:
        log.error("rules not reloaded: the old ones stay", reason=reason)
        self._told("refused", None)


def report_changes(before: RuleSet, after: RuleSet) -> None:
    """Log what changed, in the words of `iotrules plan`."""
    changes = compare(before, after)
    for change in changes:
        log.info(
            "rule changed", rule=change.rule, change=change.kind, differences=[str(one) for one in change.differences]
        )
    devices = None if after.registry is None else len(after.registry.devices)
    log.info("rules reloaded", rules=len(after.rules), changed=len(changes), devices=devices)


def file_marks(*paths: Path) -> Marks:
    """What tells that a rule file or a registry was written, appeared or went: (time of change ns, size, inode)."""
    found = [file for path in paths for file in _files(path)]
    return {str(file): mark for file in found if (mark := _mark(file)) is not None}


def _files(path: Path) -> list[Path]:
    """The file, or those of a directory that are rules, or its registry."""
    if not path.is_dir():
        return [path]
    return [*path.rglob("*.yaml"), *path.rglob("*.yml"), *(path / name for name in REGISTRY_NAMES)]


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        state = file.stat()
    except OSError:  # it went away between the two looks
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these as long as the block runs; an error of theirs comes out at its end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
