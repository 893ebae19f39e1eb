"""What a command was given to read: rule files, and the registry of devices that belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from iotrules.model.inputs import RegistryFile


class Sources(NamedTuple):
    """Rule files, name → text, and the registry, if there is one."""

    files: dict[str, str]
    registry: RegistryFile | None


def read_sources(paths: tuple[Path, ...], registry: Path | None) -> Sources:
    """The rule files at or below the paths, with the registry of `--registry`, else the one that is among them.

    ConfigError if there are no rule files, or several registries.
    """
    from iotrules.language import REGISTRY_NAMES, read_directory
    from iotrules.model.errors import ConfigError

    named = [path for path in paths if path.name in REGISTRY_NAMES and not path.is_dir()]
    files: dict[str, str] = {}
    for path in paths:
        files |= {} if path in named else read_directory(path)
    if not files:
        raise ConfigError(f"{paths[0]} is a registry: give the rule files that go with it as well")
    return Sources(files, _registry(paths, named, registry))


def _registry(paths: tuple[Path, ...], named: list[Path], given: Path | None) -> RegistryFile | None:
    from iotrules.language import registry_file, registry_in
    from iotrules.model.errors import ConfigError

    if given is not None:
        return registry_file(given)
    found = [registry_file(path) for path in named] + [one for path in paths if (one := registry_in(path))]
    names = list(dict.fromkeys(one.name for one in found))
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names)}: which is the registry? say --registry FILE")
    return found[0] if found else None
