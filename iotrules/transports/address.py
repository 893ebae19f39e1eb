"""Where a broker is, and how to prove who we are to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from iotrules.model.errors import ConfigError

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_SHAPE = "expected mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address with credentials; neither `repr` nor `url` shows the password."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> BrokerAddress:
        """The address that `url` and the options beside it describe; ConfigError if they are wrong."""
        parts = _split(url)
        name = username or (unquote(parts.username) if parts.username else None)
        if password is not None and name is None:
            raise ConfigError("a broker password without a user name: name the user with --broker-user")
        address = cls(
            host=parts.hostname or "",
            port=_port(parts),
            tls=parts.scheme == "mqtts",
            username=name,
            password=password,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
        )
        _check_files(address)
        return address

    @property
    def url(self) -> str:
        """The address fit for a log: without secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"the broker address can't be read ({error}): {_SHAPE}") from error
    if parts.password is not None:
        raise ConfigError(
            "a password inside the broker address ends up in process lists and logs: "
            "use --broker-password-file or IOTRULES_BROKER_PASSWORD"
        )
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"not a broker address: {url!r}; {_SHAPE}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"nothing may follow the port in a broker address: {url!r}; {_SHAPE}")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"the broker's port must be a number from 1 to 65535: {parts.netloc!r}") from error
    if port == 0:
        raise ConfigError(f"the broker's port must be a number from 1 to 65535: {parts.netloc!r}")
    return port or DEFAULT_PORTS[parts.scheme]


def _check_files(address: BrokerAddress) -> None:
    files = {"CA": address.ca_file, "certificate": address.cert_file, "key": address.key_file}
    given = {what: path for what, path in files.items() if path is not None}
    if given and not address.tls:
        raise ConfigError(f"a broker {next(iter(given))} file needs TLS: write mqtts:// instead of mqtt://")
    if address.key_file and not address.cert_file:
        raise ConfigError("a broker key file without a certificate: give --broker-cert too")
    for what, path in given.items():
        if not path.is_file():
            raise ConfigError(f"the broker {what} file {path} does not exist or is not a file")
