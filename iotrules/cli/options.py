"""The options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from iotrules.model.errors import ConfigError
from iotrules.transports.address import BrokerAddress

R = TypeVar("R")

DEFAULT_BROKER = "mqtt://127.0.0.1:1883"
PASSWORD_VARIABLE = "IOTRULES_BROKER_PASSWORD"  # noqa: S105 - the variable's name, not a password
FUNCTIONS = Path("lambdas/template.yaml")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option("--broker", metavar="URL", default=DEFAULT_BROKER, show_default=True, help="MQTT broker."),
    click.option("--broker-ca", type=_FILE, help="The authority that signed the broker's certificate."),
    click.option("--broker-cert", type=_FILE, help="Our certificate, for a broker that asks for one."),
    click.option("--broker-key", type=_FILE, help="The private key of --broker-cert."),
    click.option("--broker-user", metavar="NAME", help="User name at the broker."),
    click.option(
        "--broker-password-file",
        type=_FILE,
        help=f"A file that holds the password; or set {PASSWORD_VARIABLE}.",
    ),
)


rules_option = click.option(
    "--rules",
    type=click.Path(path_type=Path),
    default=Path("rules"),
    show_default=True,
    help="Directory or file of rules.",
)
registry_option = click.option(
    "--registry",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Registry of devices, CSV or YAML.  [default: registry.csv or registry.yaml in the directory of the rules]",
)
functions_option = click.option(
    "--functions",
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, given: given or (FUNCTIONS if FUNCTIONS.exists() else None),
    help=f"SAM template of the functions.  [default: {FUNCTIONS}, if there is one]",
)


def store_path(_: click.Context, __: click.Parameter, given: Path) -> Path:
    """The store's file: of a directory, its store.db."""
    return given / "store.db" if given.is_dir() else given


store_option = click.option(
    "--store",
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".iotrules/store.db"),
    show_default=True,
    callback=store_path,
    help="The engine's store, or the directory that has a store.db.",
)


def broker_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the --broker options to a click command, and pass it one argument: `broker`, a BrokerAddress."""

    @functools.wraps(function)
    def with_broker(
        *args: Any,
        broker: str,
        broker_ca: Path | None,
        broker_cert: Path | None,
        broker_key: Path | None,
        broker_user: str | None,
        broker_password_file: Path | None,
        **rest: Any,
    ) -> R:
        try:
            address = BrokerAddress.parse(
                broker,
                ca_file=broker_ca,
                cert_file=broker_cert,
                key_file=broker_key,
                username=broker_user,
                password=_password(broker_password_file),
            )
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        return function(*args, broker=address, **rest)

    for option in reversed(_OPTIONS):
        option(with_broker)
    return with_broker


def _password(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE)
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the password file {file} can't be read: {error}") from error
