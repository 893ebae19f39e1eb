"""docs/why-and-plan.md shows what is really printed: its rules, a store made with them, and each command's output."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iotrules.model.inputs import Reload
from iotrules.model.times import HOUR
from iotrules.tools.instants import read_instant
from iotrules.tools.plan import lines as plan_lines
from iotrules.tools.plan import make_plan
from iotrules.tools.why import Asked, ask
from iotrules.tools.why import lines as why_lines
from iotrules.tools.why.keys import parse_labels
from tests.end_to_end.processes import REPOSITORY
from tests.tools.stored import Stored

TEXT = (REPOSITORY / "docs" / "why-and-plan.md").read_text()
NAME = "rules/boilers.yaml"


def _block(language: str) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return found[0]


def _sessions() -> list[tuple[str, str]]:
    """Each command of the page with what it prints there."""
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [(command, output.rstrip("\n")) for command, output in blocks]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def _store(path: Path, rules: str) -> Stored:
    """What the page tells of: b1 was hot twice, b2 is, b3's sensor is loose."""
    world = Stored(path, "  other: {from: env, when: temp > 1000}\n")
    world.put(Reload({NAME: rules}))
    for number in range(13):
        temp = 91.5 if number < 3 else 84.2
        world.send(number * 10, device="b1", temp=temp, fan="running")
        world.send(number * 10 + 1, device="b2", temp=86 + number / 2, fan="running")
        loose: dict[str, Any] = {} if number > 6 else {"temp": 79}
        world.send(number * 10 + 2, device="b3", fan="running", **loose)
    world.pass_time(125)
    await world.write()
    return world


async def _output(command: str, world: Stored, rules: str) -> str:
    words = shlex.split(command)
    if words[1] == "why":
        options = dict(zip(words[3::2], words[4::2], strict=True))
        at = options.get("--at")
        asked = Asked(words[2], parse_labels([options["--key"]]), None if at is None else read_instant(at, world.now))
        return "\n".join(why_lines(await ask(world.path, asked, world.now)))
    edited = rules.replace("temp > 85 degC", "temp > 84 degC").replace("min_samples=12", "min_samples=6")
    return "\n".join(plan_lines(await make_plan(world.path, {NAME: edited}, 24 * HOUR, world.now)))


async def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    rules = _block("yaml")
    world = await _store(tmp_path / "store.db", rules)
    assert len(_sessions()) >= 4
    for command, shown in _sessions():
        printed = await _output(command, world, rules)
        assert printed == shown, f"$ {command}\n{printed}"
