"""Stops a machine whose rule fires; when it trips again, locks it out until a person releases it.

What it remembers of the device comes in with the event and goes out with the answer: `trips`, `locked`, what it
did last and which event it answered last. To release a machine, set its state back to {}.
"""

from __future__ import annotations

import os
from typing import Any

Json = dict[str, Any]


def handler(event: Json, context: object) -> Json:
    """The commands for a transition of the rule, and the device's next state."""
    state: Json = {"trips": 0, "locked": False, **event["state"]}
    if event["id"] == state.get("last_event"):  # delivered again: the same commands, nothing counted twice
        return {"state": state, "commands": state["last_commands"]}
    reason = event["reason"]
    if reason["transition"] == "firing":
        state = count(state, reason["episode"])
    commands = decide(state, reason["transition"])
    if commands:
        state["last_action"] = commands[0]["name"]
    print(f"{reason['rule']} {reason['transition']}: {[command['name'] for command in commands]}")
    return {"state": {**state, "last_event": event["id"], "last_commands": commands}, "commands": commands}


def count(state: Json, episode: int) -> Json:
    """One trip more, unless the episode is counted already; trip MAX_TRIPS locks the machine."""
    trips = state["trips"] + (episode != state.get("last_trip_episode"))
    locked = state["locked"] or trips >= int(os.environ.get("MAX_TRIPS", "2"))
    return {**state, "trips": trips, "locked": locked, "last_trip_episode": episode}


def decide(state: Json, transition: str) -> list[Json]:
    """A safe shutdown, a lock-out where it tripped too often, a restart of what only we shut down; else nothing."""
    if transition == "firing" and state["locked"]:
        return [command("lock_out", trips=state["trips"])]
    if transition == "firing":
        return [command("shutdown", mode="safe")]
    if transition == "resolved" and not state["locked"] and state.get("last_action") == "shutdown":
        return [command("restart")]
    return []


def command(name: str, **args: object) -> Json:
    """A command that is worth nothing after five minutes."""
    return {"name": name, "args": args, "expires": "5m"}
