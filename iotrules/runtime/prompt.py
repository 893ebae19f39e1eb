"""What the interpreter does behind a program's back, kept short: nobody waits for it longer than for a commit."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005
"""For how long a thread that computes keeps another waiting that has something to do; Python's own is ten times it."""


def stay_prompt() -> None:
    """For a process of its own, once it has loaded and restored what it will keep: that is not searched for garbage."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
