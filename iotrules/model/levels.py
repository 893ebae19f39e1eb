"""One level of an MQTT topic, as a label: labels end up in topics, file names and pages of ours."""

from __future__ import annotations

MAX_LABEL_BYTES = 256


def level_fault(level: str) -> str:
    """Why a level of a topic can't be a label, or nothing. The answers are a closed set of words."""
    if not level:
        return "an empty topic level"
    if len(level.encode(errors="replace")) > MAX_LABEL_BYTES:
        return f"a topic level over {MAX_LABEL_BYTES} bytes"
    if any(character in "+#" for character in level) or level.startswith("$"):
        return "a wildcard or reserved character in a topic level"
    if level in (".", "..") or not level.isprintable():
        return "a topic level with characters that don't print"
    return ""


def filled_level_fault(level: str) -> str:
    """The same of a level that was put together from values: one with a / would be two."""
    return level_fault(level) or ("a / in a topic level" if "/" in level else "")
