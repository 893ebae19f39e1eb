"""What a hostile device sends: the payloads and topics of tests/data/security, and which of them nobody can read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

ORDINARY = b'{"ts":0,"boot":"x","seq":1,"temp":20}'


def poison(payloads: Path, topics: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """(topic, payload), `count` of the payloads on a stream's topic, then each topic with an ordinary payload."""
    for n, line in enumerate(payloads.read_text().splitlines()[:count]):
        yield f"site/P/dev/poison-{n % 7}/open", base64.b64decode(json.loads(line)["payload_b64"])
    for line in topics.read_text().splitlines()[: max(1, count // 4)]:
        value = json.loads(line)["value"]
        yield f"site/P/dev/{value}/open", ORDINARY


def certainly_bad(payload: bytes) -> bool:
    """Is it no JSON object, whoever reads it? (What Python reads and the standard forbids counts as bad.)"""
    try:
        document = json.loads(payload.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return True
    return not isinstance(document, dict)


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} has no finite value")
    return value
