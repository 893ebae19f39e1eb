"""Why a broker can't be reached or refuses us, in words that say what to do."""

from __future__ import annotations

import socket
import ssl

from paho.mqtt.reasoncodes import ReasonCode

from iotrules.transports.address import BrokerAddress

TAKEN_OVER = 0x8E
"""MQTT 5 §3.14.2.1: another client connected with our client id."""

_REFUSALS = {
    0x01: "it does not speak MQTT 5",
    0x84: "it does not speak MQTT 5",
    0x85: "it does not accept our client id",
    0x86: "bad user name or password: check --broker-user and --broker-password-file",
    0x87: "not authorized: check --broker-user, its password, and the broker's access rules",
    0x88: "it is unavailable for now",
    0x89: "it is busy",
    0x8A: "it has banned us",
    0x9F: "too many connections a second",
}

# Numbers of OpenSSL's X509_V_ERR_*; the module ssl has no names for them.
_CERTIFICATES = {
    10: "its certificate has expired",
    9: "its certificate is not valid yet: check this machine's clock",
    18: "its certificate is self-signed by an unknown authority: give it with --broker-ca if you trust it",
    19: "its certificate was signed by an unknown authority: give that authority with --broker-ca",
    20: "its certificate was signed by an unknown authority: give that authority with --broker-ca",
    21: "its certificate was signed by an unknown authority: give that authority with --broker-ca",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}


def explain_refusal(code: ReasonCode, address: BrokerAddress) -> str:
    """A CONNACK that says no."""
    return f"the broker {address.url} refused us: {_REFUSALS.get(code.value, str(code).lower())}"


def explain_failure(error: BaseException, address: BrokerAddress) -> str:
    """An exception on the way to the broker."""
    return f"{_failure(error, address)} ({address.url})"


def _failure(error: BaseException, address: BrokerAddress) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the broker can't be trusted: {_certificate(error)}"
        case ssl.SSLError():
            return f"no TLS with the broker: {error.reason or error}; is this its TLS port?"
        case socket.gaierror() | UnicodeError():
            return f"the broker's host name {address.host!r} can't be resolved"
        case ConnectionRefusedError():
            return "nothing listens at the broker's address: is it running, and is this its port?"
        case TimeoutError():
            return "the broker does not answer"
        case ConnectionResetError() | EOFError() if address.tls:
            return "the broker closed the connection during the TLS handshake; is this its TLS port?"
        case _:
            return f"no connection to the broker: {error}"


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    return _CERTIFICATES.get(error.verify_code, error.verify_message)
