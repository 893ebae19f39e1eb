"""Certificates for tests, made with the openssl command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: Path
    key: Path


def _openssl(*arguments: str | Path) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def authority(directory: Path, name: str) -> Pair:
    """A certificate authority."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", pair.key, "-out", pair.certificate)
    return pair


def signed(directory: Path, name: str, by: Pair, *, host: str = "", days: int = 2) -> Pair:
    """A certificate for `name` (and the subjectAltName `host`, such as IP:127.0.0.1); negative days: expired."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    request, extensions = directory / f"{name}.csr", directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName={host}\n" if host else "basicConstraints=CA:FALSE\n")
    _openssl("req", "-new", *_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    issuer: list[str | Path] = ["-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial"]
    output: list[str | Path] = ["-days", str(days), "-extfile", extensions, "-out", pair.certificate]
    _openssl("x509", "-req", "-in", request, *issuer, *output)
    return pair
