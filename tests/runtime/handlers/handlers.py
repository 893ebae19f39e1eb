"""Handlers for tests of the runtime: they count, fail, or wait for a file until they answer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def trip(event: Json, context: object) -> Json:
    """One trip more, and a shutdown."""
    trips = event["state"].get("trips", 0) + 1
    return {"state": {**event["state"], "trips": trips}, "commands": [{"name": "shutdown", "args": {"trips": trips}}]}


def fail(event: Json, context: object) -> None:
    raise RuntimeError("out of oil")


def note(event: Json, context: object) -> Json:
    """Publish what happened; nothing to remember."""
    return {"publish": [{"topic": "notes/note", "payload": event["reason"]["transition"]}]}


def record(event: Json, context: object) -> Json:
    """Once the file `go` is there, remember what happened, after what was remembered before."""
    wait_to_go()
    log = [*event["state"].get("log", []), event["reason"]["transition"]]
    return {"state": {**event["state"], "log": log}, "publish": [{"topic": "notes/record", "payload": log}]}


def wait_to_go() -> None:
    while not Path(os.environ["GO"]).exists():
        time.sleep(0.005)  # between two looks for a file that the test makes


def huge(event: Json, context: object) -> Json:
    """Remember a number that JSON can hold and few other things can."""
    return {"state": {"n": 10**30}}
