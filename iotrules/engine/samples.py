"""The log of a window's samples, as what is worked out from it sees it.

A sample that leaves only moves `head` on; once all that stood in the log at the last turn have left, the log turns:
what has left is dropped, and what stays is the older part until the next turn. House rule: whatever is worked out is a
function of this log, so it may be made when it is first asked for, kept up or thrown away, and no float differs.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any, Protocol, TypeAlias

import msgspec

from iotrules.model.expression import Value

FOREVER = 2**63
"""The duration of what holds the newest samples, however old."""

Sample: TypeAlias = tuple[int, Value]
"""Event time in ns, and the value."""


class WindowState(msgspec.Struct, array_like=True):
    """What a window, or the newest samples, are made of again after a restart."""

    times: list[int] = []
    values: list[float | str | bool] = []
    incomplete_until: int = 0
    before: tuple[int, float | str | bool] | None = None
    """The newest sample that has left: what held when the window began."""
    front: int = 0
    """How many samples are of the older part."""
    absent: bool = False
    """Did the newest message lack the value? Of the newest samples only."""


class Log(Protocol):
    """Samples `head` .. end, oldest first, are in the window; the one before them, if known, is kept too.

    Those before `stacked` are the older part: sums over it are made once a turn and never added to or subtracted from.
    While there are samples in the window, the newest is not of the older part.
    """

    times: MutableSequence[int]
    values: MutableSequence[Any]  # numbers, and flags as 1 and 0, lie in an array, texts in a list
    head: int
    stacked: int
