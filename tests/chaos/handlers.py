"""The functions of the chaos runs: one that counts, and those that misbehave, each in its own way.

House rule: an invocation is in the history before the handler does anything else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

Json = dict[str, Any]


def count(event: Json, context: object) -> Json:
    """Count the alerts of a device, each once, and tell the device of it."""
    _note("count", event)
    state = event["state"]
    if state.get("last") == event["id"]:
        return {"state": state, "commands": [{"name": "note", "expires": "8s"}]}
    return {
        "state": {"last": event["id"], "times": state.get("times", 0) + 1},
        "commands": [{"name": "note", "args": {"episode": event["reason"]["episode"]}, "expires": "8s"}],
    }


def slow(event: Json, context: object) -> Json:
    _note("slow", event)
    time.sleep(1)  # a receiver that takes its time is the case
    return {"commands": [{"name": "note", "expires": "1500ms"}]}


def raises(event: Json, context: object) -> Json:
    raise ValueError("no such valve")


def exits(event: Json, context: object) -> Json:
    sys.exit(0)


def aborts(event: Json, context: object) -> Json:
    os.abort()


def sleeps(event: Json, context: object) -> Json:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)  # hanging is the case
    return {}


def spins(event: Json, context: object) -> Json:
    while True:
        pass


def grows(event: Json, context: object) -> Json:
    held = [bytearray(b"x" * (16 << 20)) for _ in range(640)]
    return {"state": {"held": len(held)}}


def shouts(event: Json, context: object) -> Json:
    while True:
        os.write(1, b"x" * 65536)


def hoards(event: Json, context: object) -> Json:
    """Open what there is to open, then close what it should not."""
    opened = [os.dup(1) for _ in range(200)]
    os.closerange(3, 1000)
    return {"state": {"opened": len(opened)}}


def junk(event: Json, context: object) -> Json:
    return {"state": float("nan"), "commands": [{"name": 7}]}


def orphans(event: Json, context: object) -> Json:
    """Leave a child behind that outlives the answer."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return {}


def _note(name: str, event: Json) -> None:
    line = {"t": time.monotonic_ns(), "e": "invoked", "function": name, "id": event["id"], "key": event["key"]}
    line |= {"rule": event["reason"]["rule"], "version": event["state_version"]}
    file = os.open(os.environ["CHAOS_HISTORY"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
    os.close(file)
