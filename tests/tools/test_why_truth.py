"""`iotrules why` contradicts neither itself nor the store: silence, stopped engines, attributes, severities, zones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from iotrules.cli import main
from iotrules.model.errors import ConfigError
from iotrules.model.inputs import Reload, Started
from iotrules.model.times import MINUTE, SECOND
from iotrules.tools.instants import read_instant
from iotrules.tools.why import Answer, Asked, ask, document, lines
from iotrules.tools.why.keys import parse_labels
from tests.engine.world import registry_file
from tests.tools.stored import Stored, at
from tests.tools.test_why_sequences import RULES as SEQUENCE
from tests.tools.test_why_sequences import StoredBuilding

REGISTRY = "site,device,max_temp [degC]\nA,b1,85\nA,b9,\n"
SILENT = "  silent: {absent: env, for: 30s}\n"
ABOVE = "  above: {from: env, when: temp > attr.max_temp}\n"


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _world(path: Path, rules: str) -> Stored:
    return Stored(path / "store.db", rules, registry=REGISTRY)


async def _ask(world: Stored, rule: str, key: str, when: float | None = None) -> Answer:
    asked = Asked(rule, parse_labels([key]), None if when is None else at(when))
    return await ask(world.path, asked, world.now)


async def test_a_device_never_heard_is_judged_by_a_rule_about_silence(tmp_path: Path) -> None:
    world = _world(tmp_path, SILENT)
    world.pass_time(10)
    await world.write()
    told = (await _ask(world, "silent", "device=b9")).explanation
    assert told is not None
    assert told.verdict == "not silent long enough: in the registry, and never heard for 10s of 30s"
    world.pass_time(45)
    await world.write()
    answer = await _ask(world, "silent", "device=b9")
    assert lines(answer)[1] == "  firing: in the registry, and never heard for 45s"
    assert answer.near == ()
    found = document(answer)["explanation"]
    assert (found["known"], found["newest"], found["silence"]["heard"]) == (True, None, False)


def test_for_such_a_device_the_exit_code_is_0_as_for_any_answer(tmp_path: Path) -> None:
    world = _world(tmp_path, SILENT + ABOVE)
    world.pass_time(45)
    asyncio.run(world.write())
    called = [
        CliRunner().invoke(main, ["why", rule, "--key", "site=A,device=b9", "--data", str(tmp_path)])
        for rule in ("silent", "above")
    ]
    assert [result.exit_code for result in called] == [0, 1]
    assert "no message of this key was ever taken" in called[1].stdout
    assert "known keys like it: site=A device=b9" not in called[1].stdout


async def test_a_stopped_engine_has_not_decided_on_what_is_due_and_it_is_said(tmp_path: Path) -> None:
    world = _world(tmp_path, SILENT + "  hot: {from: env, when: temp > 85, for: 20s}\n")
    world.send(0, temp=90)
    await world.write()
    world.now = at(35)
    for when in (None, 34.0):
        ago, then = ("35s", "ago: does it run?") if when is None else ("34s", "before: did it run?")
        text = "\n".join(lines(await _ask(world, "silent", "device=b1", when)))
        words = f"silent for long enough: no message for {ago} of 30s; it is due, and not decided on yet"
        assert words in text
        assert f"note: the engine's last input was {ago} {then}" in text
    world.now = at(25)
    answer = await _ask(world, "hot", "device=b1")
    assert answer.explanation is not None
    assert answer.explanation.verdict == "pending: held 25s of 20s; it is due, and not decided on yet"
    assert document(answer)["explanation"]["overdue"] is True


async def test_the_future_is_refused(tmp_path: Path) -> None:
    world = _world(tmp_path, SILENT)
    await world.write()
    with pytest.raises(ConfigError, match=r"2026-09-22 \S+ is yet to come, it is"):
        await _ask(world, "silent", "device=b1", 86_400)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("b9", "the registry's row for site=A device=b9 says nothing under max_temp"),
        ("b7", "the registry has no row for site=A device=b7"),
    ],
)
async def test_an_attribute_that_is_unknown_says_why(tmp_path: Path, device: str, why: str) -> None:
    world = _world(tmp_path, ABOVE)
    world.send(0, device, temp=90)
    await world.write()
    told = (await _ask(world, "above", f"device={device}")).explanation
    assert told is not None
    assert told.verdict == f"unknown: attr.max_temp is unknown: {why}"


async def test_a_value_that_no_function_has_stored_says_so(tmp_path: Path) -> None:
    world = _world(tmp_path, "  trips: {from: env, when: state.trips > 3}\n")
    world.send(0, temp=90)
    await world.write()
    told = (await _ask(world, "trips", "device=b1")).explanation
    assert told is not None
    assert told.verdict == "unknown: state.trips is unknown: no function has stored it yet"


async def test_a_severity_that_changes_is_shown_with_both(tmp_path: Path) -> None:
    world = _world(tmp_path, "  hot: {from: env, when: temp > 85, severity: major}\n")
    world.send(0, temp=90)
    world.now = at(5)
    files = {"rules.yaml": world.engine.files.files["rules.yaml"].replace("severity: major", "severity: critical")}
    world.put(Reload(files, registry=registry_file(REGISTRY)))
    world.send(10, temp=90)
    await world.write()
    answer = await _ask(world, "hot", "device=b1")
    assert [change.severity for change in answer.changes] == ["critical", "major"]
    assert "firing (major) → firing (critical)" in "\n".join(lines(answer))


async def test_a_sequence_is_told_in_the_readers_time(tmp_path: Path, tokyo: None) -> None:
    world = StoredBuilding(tmp_path / "store.db", SEQUENCE)
    world.door(0, temp=10)
    await world.write()
    text = "\n".join(lines(await ask(world.path, Asked("let-in", (("site", "A"),), None), world.now)))
    assert "as of 23:13:20" in text
    assert "begun at 23:13:20, 1 of 3 steps have come" in text
    assert "14:13" not in text


@pytest.mark.parametrize("text", ["10m", "10m ago", "10mago", " 10m  ago "])
def test_so_long_ago_is_read_with_and_without_the_word(text: str) -> None:
    assert read_instant(text, at(0)) == at(0) - 10 * MINUTE


async def test_time_that_does_not_count_for_a_hold_is_not_told_as_held(tmp_path: Path) -> None:
    world = _world(tmp_path, "  hot: {from: env, when: temp > 85, for: 1m, max_gap: 10m, downtime: pause}\n")
    world.send(0, temp=90)
    world.send(10, temp=90)
    world.now = at(110)
    world.put(Started(100 * SECOND))
    await world.write()
    told = (await _ask(world, "hot", "device=b1")).explanation
    assert told is not None
    assert told.verdict == "pending: held 10s of 1m, fires in 50s if it stays so"


async def test_a_hold_does_not_grow_while_a_stopped_engine_hears_nothing(tmp_path: Path) -> None:
    world = _world(tmp_path, "  hot: {from: env, when: temp > 85, for: 1m}\n")
    world.send(0, temp=90)
    world.send(10, temp=90)
    await world.write()
    world.now = at(5_000)
    told = (await _ask(world, "hot", "device=b1")).explanation
    assert told is not None
    assert told.verdict.startswith(
        "pending: held 10s of 1m; the time stands still, since it is unknown: temp is unknown"
    )
