"""Being alone with a store while it is read whole or rewritten: no engine may run on it meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iotrules.model.errors import ConfigError, UnavailableError


@contextmanager
def held(store: Path, what: str) -> Iterator[None]:
    """Hold the lock that engines take. ConfigError: there is no store; UnavailableError: an engine has it."""
    if not any(Path(f"{store}{ending}").exists() for ending in ("", "-wal", ".head")):
        raise ConfigError(f"there is no store at {store}: name the file, or its directory")
    try:
        handle = os.open(f"{store}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"store {store}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UnavailableError(f"an engine is using the store {store}: stop it to {what} the store") from error
        yield
    finally:
        os.close(handle)
