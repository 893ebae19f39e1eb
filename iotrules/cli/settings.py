"""The configuration file: every command's options in one place, checked, with places of errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt

from iotrules.language.durations import duration
from iotrules.model.errors import FileError
from iotrules.yamlfile import load_document


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class BrokerSettings(_Section):
    url: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None


class EngineSettings(_Section):
    name: str | None = None
    dry_run: bool | None = None
    watch: bool | None = None
    standby: bool | None = None
    metrics_port: int | None = None


class DashboardSettings(_Section):
    host: str | None = None
    port: int | None = None


def _checked_age(text: str) -> str:
    duration(text)
    return text


class KeepSettings(_Section):
    age: Annotated[str, AfterValidator(_checked_age)] | None = None
    rows: PositiveInt | None = None

    def option(self, table: str) -> list[str]:
        """As `--keep` has it."""
        values = [str(value) for value in (self.age, self.rows) if value is not None]
        return [f"{table}={','.join(values)}"] if values else []


class RetentionSettings(_Section):
    dead_letters: KeepSettings = KeepSettings()
    transitions: KeepSettings = KeepSettings()
    invocations: KeepSettings = KeepSettings()
    ledger: KeepSettings = KeepSettings()
    commands: KeepSettings = KeepSettings()
    alerts: KeepSettings = KeepSettings()

    def options(self) -> list[str]:
        return [option for table in type(self).model_fields for option in getattr(self, table).option(table)]


class Settings(_Section):
    """`iotrules.yaml`. Relative paths are taken from the directory that the file is in."""

    rules: str | None = None
    functions: str | None = None
    store: str | None = None
    broker: BrokerSettings = BrokerSettings()
    engine: EngineSettings = EngineSettings()
    dashboard: DashboardSettings = DashboardSettings()
    retention: RetentionSettings = RetentionSettings()


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """Click's `default_map` for the file. Ends the program with the file's problems if it can't be used."""
    try:
        settings = load_document(path.read_text(), str(path), Settings)
    except FileError as error:
        click.echo(str(error), err=True)
        raise SystemExit(3) from error
    return _default_map(settings, path.parent)


def _default_map(settings: Settings, base: Path) -> dict[str, dict[str, Any]]:
    def from_here(name: str | None) -> str | None:
        return None if name is None else str(base / name)

    broker = {
        "broker": settings.broker.url,
        "broker_ca": from_here(settings.broker.ca),
        "broker_cert": from_here(settings.broker.cert),
        "broker_key": from_here(settings.broker.key),
        "broker_user": settings.broker.user,
        "broker_password_file": from_here(settings.broker.password_file),
    }
    files = {"rules": from_here(settings.rules), "functions": from_here(settings.functions)}
    store = {"store": from_here(settings.store)}
    sections: dict[str, dict[str, Any]] = {
        "run": broker | files | store | settings.engine.model_dump() | {"keep": settings.retention.options()},
        "sim": broker,
        "alerts": store,
        "commands": {"ls": store, "approve": store, "reject": store},
        "why": store,
        "plan": store,
        "dashboard": store | settings.dashboard.model_dump(),
        "store": dict.fromkeys(("verify", "repair", "export", "compact"), store),
    }
    return {
        command: {name: value for name, value in options.items() if value is not None}
        for command, options in sections.items()
    }
