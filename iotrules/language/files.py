"""Rule files on disk.

House rule: the engine imports this room and may not know the file system, so paths come in as values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from iotrules.model.errors import ConfigError
from iotrules.yamlfile import MAX_BYTES


class Location(Protocol):
    """What is asked of a `pathlib.Path`."""

    @property
    def suffix(self) -> str: ...
    @property
    def stem(self) -> str: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def rglob(self, pattern: str, /) -> Iterator[Self]: ...


def read_directory(path: Location) -> dict[str, str]:
    """The rule files at or below a `pathlib.Path` (name → text), sorted: *.yaml and *.yml, without *.test.yaml.

    ConfigError if there is none, or one can't be read. A byte that is not UTF-8 becomes a lone surrogate,
    which `load_files` refuses at its place; of a file over the size limit it gets enough to refuse it.
    """
    found = [path] if path.is_file() else sorted((p for p in path.rglob("*") if _is_rule_file(p)), key=str)
    if not found:
        reason = "has no *.yaml files" if path.is_dir() else "does not exist"
        raise ConfigError(f"{path} {reason}: give a rule file, or a directory with some")
    return {str(file): _read(str(file)) for file in found}


def _is_rule_file(path: Location) -> bool:
    return path.suffix in (".yaml", ".yml") and not path.stem.endswith(".test") and path.is_file()


def _read(name: str) -> str:
    try:
        with open(name, "rb") as file:
            return file.read(MAX_BYTES + 1).decode(errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"{name} can't be read: {error.strerror}") from error
