"""What can be a label: one level of a topic. Labels end up in topics, file names and pages of ours."""

from __future__ import annotations

MAX_LABEL_BYTES = 256


def level_fault(level: str) -> str:
    """Why a level of a topic can't be a label, or nothing."""
    if not level:
        return "an empty topic level"
    if len(level.encode(errors="replace")) > MAX_LABEL_BYTES:
        return f"a topic level over {MAX_LABEL_BYTES} bytes"
    if any(character in "+#" for character in level) or level.startswith("$"):
        return "a wildcard or reserved character in a topic level"
    if level in (".", "..") or not level.isprintable():
        return "a topic level with characters that don't print"
    return ""
