"""Hashes over what a store holds: a chain over the journal, a seal on each snapshot part. A flipped bit is noticed."""

from __future__ import annotations

from hashlib import blake2b


def link(before: bytes, sequence: int, now: int, body: bytes) -> bytes:
    """The hash of a journal row: over the one before and all of its own."""
    head = int.to_bytes(sequence, 8, "big") + int.to_bytes(now, 8, "big", signed=True)  # TypeError for what is no int
    return blake2b(before + head + body, digest_size=16).digest()


def seal(name: str, body: bytes | None) -> bytes:
    """The hash of a snapshot part; no body: it is gone."""
    rest = b"\0\0" if body is None else b"\0" + body
    return blake2b(name.encode() + rest, digest_size=16).digest()
