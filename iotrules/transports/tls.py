"""The TLS side of a broker address: whom to trust, and how to show who we are."""

from __future__ import annotations

import ssl
from pathlib import Path

from iotrules.model.errors import ConfigError
from iotrules.transports.address import BrokerAddress


class _Socket(ssl.SSLSocket):
    """Closes itself when its handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(address: BrokerAddress) -> ssl.SSLContext:
    """TLS 1.2 or newer, host names checked, trusting `ca_file` or the system; ConfigError: a bad file."""
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the broker CA file {address.ca_file} can't be used: {error}") from error
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if address.cert_file is not None:
        _load_certificate(context, address.cert_file, address.key_file)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # Without a password callback OpenSSL would ask on the terminal for the password of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        files = f"{certificate} with key {key}" if key else f"{certificate}"
        raise ConfigError(f"the broker certificate {files} can't be used: {error}") from error
