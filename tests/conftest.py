"""What all tests share."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.browser"]

EXIT_SECONDS = 60


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test() -> Iterator[None]:
    """A thread that still runs keeps the whole process from ending: a connection that nobody closed, above all."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    for thread in left:
        thread.join(5)
    assert [thread.name for thread in left if thread.is_alive()] == []


def pytest_unconfigure() -> None:
    """A process that can't end says what it waits for, and ends."""
    faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True)
