"""How long the store keeps what is over: from `--keep` and from the configuration file to the store's retention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from iotrules.language.durations import duration
from iotrules.model.errors import ConfigError
from iotrules.stores.retention import Keep, Retention
from iotrules.yamlfile import nearest

TABLES = tuple(field.name for field in fields(Retention))


def retention(given: Sequence[str]) -> Retention:
    """The defaults, but for what is given as TABLE=AGE, TABLE=ROWS or TABLE=AGE,ROWS. ConfigError for what is not."""
    found = Retention()
    for text in given:
        table, _, values = text.partition("=")
        if table not in TABLES:
            close = nearest(table, TABLES)
            hint = f"; did you mean {close}?" if close else f"; there are {', '.join(TABLES)}"
            raise ConfigError(f'--keep {text}: the store keeps no "{table}"{hint}')
        keep: Keep = getattr(found, table)
        for value in values.split(","):
            keep = _with(keep, value, text)
        found = replace(found, **{table: keep})
    return found


def _with(keep: Keep, value: str, text: str) -> Keep:
    if value.isdecimal():
        if int(value) < 1:
            raise ConfigError(f"--keep {text}: at least 1 row is kept")
        return replace(keep, rows=int(value))
    try:
        return replace(keep, age=duration(value))
    except ValueError as error:
        raise ConfigError(f"--keep {text}: {value!r} is neither a number of rows nor an age: {error}") from error
