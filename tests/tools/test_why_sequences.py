"""`iotrules why` of a sequence: for each step the message that it was looked at by, and what a lacking one lacks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from iotrules.cli import main
from iotrules.tools.instants import clock_words, instant_text
from iotrules.tools.why import Answer, Asked, ask, document, lines
from tests.engine.building import Building
from tests.tools.stored import Stored, at

RULES = """
  let-in:
    by: [site]
    sequence:
      - {first: door where state == "open", as: opened}
      - {then: motion where seen}
      - {then: door where device == opened.device and temp < opened.temp - 2, as: shut}
    within: 90s
"""


class StoredBuilding(Stored, Building):
    """A building whose inputs are written to a store."""


@pytest.fixture
def world(tmp_path: Path) -> StoredBuilding:
    return StoredBuilding(tmp_path / "store.db", RULES)


async def _ask(world: StoredBuilding, when: float | None = None) -> Answer:
    return await ask(world.path, Asked("let-in", (("site", "A"),), None if when is None else at(when)), world.now)


async def test_a_step_that_came_shows_its_message_and_a_lacking_one_what_it_lacks(world: StoredBuilding) -> None:
    world.door(0, temp=10)
    world.motion(5, device="m7", seen=False)
    await world.write()
    text = "\n".join(lines(await _ask(world)))
    assert '✔ door where state == "open": the message of' in text
    assert 'state "open" == "open"' in text
    assert "✘ motion where seen: lacking; newest is the message of" in text
    assert "site=A device=m7" in text
    assert "seen is false; needs true" in text


async def test_a_number_that_is_too_small_is_told_with_how_much(world: StoredBuilding) -> None:
    world.door(0, temp=10)
    world.motion(5)
    world.door(9, temp=9.5)
    await world.write()
    told = (await _ask(world)).explanation
    assert told is not None
    assert [step.came for step in told.steps] == [True, True, False]
    assert told.steps[2].message == at(9)
    text = "\n".join(lines(await _ask(world)))
    assert "temp 9.5 needs < opened.temp - 2 8: 1.5 too much" in text
    earlier = "\n".join(lines(await _ask(world, when=3)))
    assert "motion where seen: lacking, and no message of its stream is in the journal kept" in earlier


async def test_a_step_behind_a_lacking_one_says_so_and_a_value_that_is_missing_too(world: StoredBuilding) -> None:
    world.door(0, state="closed", temp="warm")
    await world.write()
    text = "\n".join(lines(await _ask(world)))
    assert 'state "closed" needs == "open"' in text
    assert "opened.device is unknown: the step opened has not come" in text
    assert "temp is unknown: bad value in the message" in text


async def test_of_an_alert_that_fires_every_step_has_come(world: StoredBuilding) -> None:
    world.door(0, temp=10)
    world.motion(5)
    world.door(9, temp=7)
    await world.write()
    told = (await _ask(world)).explanation
    assert told is not None
    assert [(step.came, step.message) for step in told.steps] == [(True, at(0)), (True, at(5)), (True, at(9))]
    assert all(step.tree is not None and step.tree.value is True for step in told.steps)


def test_a_program_gets_the_steps_too(world: StoredBuilding, tmp_path: Path) -> None:
    world.door(0, temp=10)
    world.motion(5, seen=False)
    world.now = at(6)
    asyncio.run(world.write())
    command = ["why", "let-in", "--key", "site=A", "--json", "--at", instant_text(at(6))]
    command += ["--store", str(tmp_path / "store.db")]
    told = json.loads(CliRunner().invoke(main, command).stdout)["explanation"]
    first, second, third = told["steps"]
    assert (first["came"], first["name"], first["labels"]) == (True, "opened", {"site": "A", "device": "d1"})
    assert (second["came"], second["tree"]["value"], second["tree"]["words"]) == (
        False,
        False,
        "seen is false; needs true",
    )
    assert third["tree"]["parts"]
    answer = asyncio.run(_ask(world, when=6))
    assert json.loads(json.dumps(document(answer)))["explanation"] == told


async def test_outside_its_schedule_it_says_so_and_when_that_opens(tmp_path: Path) -> None:
    closed = RULES + '    only: {between: ["14:15", "14:20"], zone: UTC}\n'
    world = StoredBuilding(tmp_path / "store.db", closed)
    world.door(0, temp=10)
    await world.write()
    answer = await _ask(world)
    text = "\n".join(lines(answer))
    opens = clock_words(at(100), answer.at)
    assert f"; it is outside its schedule, which opens next at {opens}: what completes until then does not fire" in text
    assert f"schedule: closed, opens next at {opens} (14:15-14:20 UTC)" in text
    assert document(answer)["explanation"]["schedule"]["changes"] == instant_text(at(100))
