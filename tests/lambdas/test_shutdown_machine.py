"""What the shipped handler decides, called as a function, and once as it runs in the local Lambda service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iotrules.functions import LocalFunctions
from lambdas.shutdown_machine import handler

LAMBDAS = Path(__file__).parents[2] / "lambdas"
EVENTS = sorted(path.stem for path in (LAMBDAS / "events").glob("*.json"))
SHUTDOWN = {"name": "shutdown", "args": {"mode": "safe"}, "expires": "5m"}
LOCK_OUT = {"name": "lock_out", "args": {"trips": 2}, "expires": "5m"}
RESTART: dict[str, Any] = {"name": "restart", "args": {}, "expires": "5m"}


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((LAMBDAS / "events" / f"{name}.json").read_text())
    return event


def give(name: str, state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The answer to a sample event with another state; `changes` go into the event or its reason."""
    event = sample(name) | {"state": state}
    for key, value in changes.items():
        (event if key in event else event["reason"])[key] = value
    return handler(event, None)


@pytest.mark.parametrize(
    ("name", "commands", "trips", "locked"),
    [
        ("first_trip", [SHUTDOWN], 1, False),
        ("resolved_after_shutdown", [RESTART], 1, False),
        ("second_trip", [LOCK_OUT], 2, True),
        ("resolved_while_locked", [], 2, True),
    ],
)
def test_the_sample_events(name: str, commands: list[dict[str, Any]], trips: int, locked: bool) -> None:
    answer = handler(sample(name), None)
    assert answer["commands"] == commands
    assert (answer["state"]["trips"], answer["state"]["locked"]) == (trips, locked)


def test_a_machine_that_trips_again_and_again_stays_locked() -> None:
    state: dict[str, Any] = {}
    commands = []
    for n, name in enumerate(["first_trip", "resolved_after_shutdown", "second_trip", "resolved_while_locked"] * 2):
        answer = give(name, state, id=f"event-{n}", episode=n // 2)
        state = answer["state"]
        commands += [command["name"] for command in answer["commands"]]
    assert commands == ["shutdown", "restart", "lock_out", "lock_out", "lock_out"]
    assert state["trips"] == 4


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_given_twice_counts_once_and_answers_the_same(name: str) -> None:
    first = handler(sample(name), None)
    assert give(name, first["state"]) == first


def test_an_episode_that_fires_again_counts_once() -> None:
    state = give("first_trip", {})["state"]
    answer = give("first_trip", state, id="the-next-level")
    assert (answer["state"]["trips"], answer["commands"]) == (1, [SHUTDOWN])


def test_a_machine_is_restarted_once() -> None:
    state = give("first_trip", {})["state"]
    state = give("resolved_after_shutdown", state, id="a")["state"]
    assert give("resolved_after_shutdown", state, id="b")["commands"] == []


def test_a_machine_that_we_did_not_stop_is_not_restarted() -> None:
    assert give("resolved_after_shutdown", {})["commands"] == []


def test_another_transition_does_nothing() -> None:
    state = give("first_trip", {})["state"]
    answer = give("first_trip", state, id="x", transition="pending")
    assert answer["commands"] == []
    assert give("resolved_after_shutdown", answer["state"], id="y")["commands"] == [RESTART]


def test_the_number_of_trips_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_TRIPS", "1")
    assert give("first_trip", {})["commands"][0]["name"] == "lock_out"


def test_released_by_a_person_it_starts_anew() -> None:
    assert give("second_trip", {})["commands"] == [SHUTDOWN]


async def test_the_template_runs_it() -> None:
    functions = LocalFunctions(LAMBDAS / "template.yaml", max_environments=1)
    await functions.start()
    try:
        for name in EVENTS:
            event = sample(name)
            result = await functions.invoke("shutdown_machine", json.dumps(event).encode(), event["id"])
            assert json.loads(result.answer or b"null") == handler(event, None), result
    finally:
        await functions.stop()
