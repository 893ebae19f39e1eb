"""The ticket handler: one ticket an episode."""

from __future__ import annotations

from typing import Any

from lambdas.open_ticket import handler


def _event(episode: int, state: dict[str, Any]) -> dict[str, Any]:
    reason = {"rule": "office-temperature", "episode": episode, "severity": "major", "summary": "too warm"}
    return {
        "id": f"e{episode}",
        "reason": reason,
        "key": {"device": "office"},
        "reading": {"value": 80},
        "state": state,
    }


def test_an_episode_gets_one_ticket() -> None:
    first = handler(_event(7, {}), None)
    (message,) = first["publish"]
    assert message["topic"] == "tickets/office"
    assert message["payload"]["title"] == "too warm"
    assert first["state"] == {"tickets": 1, "ticket_episode": 7}
    assert "publish" not in handler(_event(7, first["state"]), None)


def test_the_next_episode_gets_another() -> None:
    answer = handler(_event(8, {"tickets": 1, "ticket_episode": 7}), None)
    assert answer["state"]["tickets"] == 2
    assert len(answer["publish"]) == 1
