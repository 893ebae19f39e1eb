"""Patterns of `matches`, compiled by a regular expression engine whose time is linear in the text.

House rule: a pattern is looked up by its text and never kept in a node, so that trees stay plain values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]  # the package has no types

MAX_PATTERN = 1_000
MAX_TEXT = 16_384
"""Characters that are searched: the time is linear, and this keeps the worst pattern to some ten milliseconds."""

_MEMORY = 65_536
_HINTS = {
    "invalid perl operator": "look-ahead, look-behind and back-references are not supported",
    "invalid escape sequence": "back-references are not supported; \\\\z is the end of the text",
    "invalid repetition size": "a repetition counts up to 1000, nested ones together as well",
    "pattern too large": "write it shorter, or use several conditions",
}


class PatternError(ValueError):
    """A pattern that can't be used; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The engine's own object, whose `search` takes bytes. PatternError if it is too long, too large or no pattern."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"a pattern has at most {MAX_PATTERN} characters, not {len(pattern)}", "write it shorter")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace")
        hint = next((hint for what, hint in _HINTS.items() if said.startswith(what)), "write RE2's syntax")
        raise PatternError(f"no pattern: {said}", hint) from None


def found(text: str, pattern: str) -> bool:
    """Does the pattern match somewhere in the text? Linear in the text."""
    # Surrogates pass: a text may hold half of a pair, which is no UTF-8, and that is no reason to fail.
    return compiled(pattern).search(text.encode(errors="surrogatepass")) is not None
