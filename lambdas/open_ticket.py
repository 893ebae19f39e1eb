"""Opens a maintenance ticket for a device, one an episode, by publishing it to tickets/DEVICE.

What it remembers of the device: how many `tickets` it opened, and the `ticket_episode` of the last.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def handler(event: Json, context: object) -> Json:
    """A ticket for this episode, unless it has one."""
    state: Json = {"tickets": 0, **event["state"]}
    reason = event["reason"]
    if reason["episode"] == state.get("ticket_episode"):
        return {"state": state}
    state |= {"tickets": state["tickets"] + 1, "ticket_episode": reason["episode"]}
    device = event["key"]["device"]
    ticket = {
        "id": event["id"],
        "device": device,
        "severity": reason["severity"],
        "title": reason["summary"],
        "reading": event["reading"],
    }
    return {"state": state, "publish": [{"topic": f"tickets/{device}", "payload": ticket}]}
