"""Rule files and device registries on disk.

House rule: the engine imports this room and may not know the file system, so paths come in as values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from iotrules.language.registry import MAX_CSV_BYTES
from iotrules.model.errors import ConfigError
from iotrules.model.inputs import RegistryFile
from iotrules.yamlfile import MAX_BYTES

REGISTRY_NAMES = ("registry.csv", "registry.yaml", "registry.yml")
"""A file that is called so in a directory of rules is its registry."""


class Location(Protocol):
    """What is asked of a `pathlib.Path`."""

    @property
    def suffix(self) -> str: ...
    @property
    def stem(self) -> str: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def glob(self, pattern: str, /) -> Iterator[Self]: ...
    def rglob(self, pattern: str, /) -> Iterator[Self]: ...


def read_directory(path: Location) -> dict[str, str]:
    """The rule files at or below a `pathlib.Path` (name → text), sorted: *.yaml and *.yml.

    Left out are *.test.yaml, and the directory's own registry.yaml.

    ConfigError if there is none, or one can't be read. A byte that is not UTF-8 becomes a lone surrogate,
    which `load_files` refuses at its place; of a file over the size limit it gets enough to refuse it.
    """
    registries = {str(file) for file in path.glob("registry.y*ml")}
    below = (p for p in path.rglob("*") if _is_rule_file(p) and str(p) not in registries)
    found = [path] if path.is_file() else sorted(below, key=str)
    if not found:
        reason = "has no *.yaml files" if path.is_dir() else "does not exist"
        raise ConfigError(f"{path} {reason}: give a rule file, or a directory with some")
    return {str(file): _read(str(file)) for file in found}


def registry_file(path: Location) -> RegistryFile:
    """A registry from its file, CSV or YAML by its ending. ConfigError if there is none, or it can't be read."""
    if path.suffix.lower() not in (".csv", ".yaml", ".yml"):
        raise ConfigError(f"{path} is no registry by its name: give a .csv or a .yaml file")
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: give the registry of devices, a .csv or a .yaml file")
    return RegistryFile(str(path), _read(str(path), MAX_CSV_BYTES))


def registry_in(path: Location) -> RegistryFile | None:
    """The registry.csv or registry.yaml of a directory itself, if it has one. ConfigError if it has several."""
    found = sorted((file for name in REGISTRY_NAMES for file in path.glob(name) if file.is_file()), key=str)
    if len(found) > 1:
        raise ConfigError(f"{' and '.join(map(str, found))}: which is the registry? keep one, or say --registry FILE")
    return registry_file(found[0]) if found else None


def _is_rule_file(path: Location) -> bool:
    return path.suffix in (".yaml", ".yml") and not path.stem.endswith(".test") and path.is_file()


def _read(name: str, most: int = MAX_BYTES) -> str:
    try:
        with open(name, "rb") as file:
            return file.read(most + 1).decode(errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"{name} can't be read: {error.strerror}") from error
