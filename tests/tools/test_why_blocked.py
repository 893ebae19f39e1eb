"""`iotrules why` says what stands in the way: a schedule, a guard and whoever decided, the alert that mutes another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iotrules.model.inputs import Operator, Receipt
from iotrules.tools.instants import clock_words, instant_text
from iotrules.tools.why import Answer, Asked, ask, document, lines
from iotrules.tools.why.keys import parse_labels
from tests.tools.stored import Stored, at

# the world starts on Monday 2026-09-21 at 14:13:20 UTC
LATER = 'only: {days: mon-fri, between: ["14:15", "14:20"], zone: UTC}'
GUARDED = """
  hot:
    from: env
    when: temp > 85
    severity: major
    do: [{command: shutdown, expires: 5m, guard: {max_share: 10%, of: site, per: 10m, else: ELSE}}]
"""
INHIBIT = """
  cause: {from: env, by: [site], when: pressure > 5, inhibit: {rules: [effect], same: [site]}}
  effect: {from: env, when: temp > 85}
"""


async def _ask(world: Stored, rule: str, when: float | None = None, key: str = "device=b1") -> Answer:
    asked = Asked(rule, parse_labels([key]), None if when is None else at(when))
    return await ask(world.path, asked, world.now)


def _text(answer: Answer) -> str:
    return "\n".join(lines(answer))


def _json(answer: Answer) -> Any:
    return json.loads(json.dumps(document(answer)))


# Schedules


async def _scheduled(tmp_path: Path, rule: str, seconds: int, temp: float = 92) -> Stored:
    world = Stored(tmp_path / "store.db", f"  r: {{{rule}}}\n")
    world.sends([temp] * (1 + seconds // 10))
    world.pass_time(seconds)
    await world.write()
    return world


async def test_a_rule_outside_its_schedule_says_so_and_when_that_opens(tmp_path: Path) -> None:
    world = await _scheduled(tmp_path, f"from: env, when: temp > 80, {LATER}", 32)
    answer = await _ask(world, "r")
    opens = clock_words(at(100), answer.at)
    text = _text(answer)
    assert (
        f"pending: met for 32s; outside its schedule, which opens next at {opens}, and fires then if it stays" in text
    )
    assert f"schedule: closed, opens next at {opens} (mon-fri 14:15-14:20 UTC)" in text
    told = _json(answer)["explanation"]
    assert told["schedule"] == {
        "open": False, "changes": instant_text(at(100)), "openings": ["mon-fri 14:15-14:20 UTC"]
    }  # fmt: skip
    assert told["overdue"] is False


async def test_a_hold_that_ends_when_the_schedule_is_open_says_when_it_fires(tmp_path: Path) -> None:
    world = await _scheduled(tmp_path, f"from: env, when: temp > 80, for: 2m, {LATER}", 32)
    fires = clock_words(at(120), world.now)
    assert (
        f"pending: held 32s of 2m; outside its schedule, which opens next at {clock_words(at(100), world.now)}; "
        in (_text(await _ask(world, "r")))
    )
    assert f"it fires at {fires} if it stays so" in _text(await _ask(world, "r"))


async def test_a_schedule_that_closes_before_the_hold_is_over_is_said(tmp_path: Path) -> None:
    world = await _scheduled(tmp_path, f"from: env, when: temp > 80, for: 7m, {LATER}", 110)
    text = _text(await _ask(world, "r"))
    closes, fires = clock_words(at(400), world.now), clock_words(at(86_500), world.now)
    assert f"held 1m50s of 7m; its schedule closes at {closes}, so it fires at {fires} if it stays so" in text
    assert f"schedule: open, closes at {closes}" in text


async def test_what_is_not_met_and_what_is_silent_tell_the_schedule_too(tmp_path: Path) -> None:
    world = await _scheduled(tmp_path, f"from: env, when: temp > 95, {LATER}", 32)
    assert "3 short; and it is outside its schedule, which opens next at" in _text(await _ask(world, "r"))
    (tmp_path / "silent").mkdir()
    world = await _scheduled(tmp_path / "silent", f"absent: env, for: 30s, {LATER}", 0)
    world.pass_time(60)
    await world.write()
    told = (await _ask(world, "r")).explanation
    assert told is not None
    assert told.verdict.startswith("silent for long enough: no message for 1m of 30s; outside its schedule, which")


# Guards


async def _held(path: Path, otherwise: str = "hold") -> Stored:
    world = Stored(path / "store.db", GUARDED.replace("ELSE", otherwise))
    for number in range(1, 11):
        world.send(0, f"b{number}", temp=20)
    world.send(10, "b1", temp=90)
    world.send(12, "b2", temp=90)
    await world.write()
    return world


HELD = (
    "command shutdown to site=A device=b2 (step 1): held by its guard {max_share: 10%, of: site, per: 10m, else: hold}"
)
WHY = "1 of 10 devices of site A were commanded within 10m, 10% allows 1"


async def test_a_command_that_a_guard_holds_is_named_with_its_guard_and_since_when(tmp_path: Path) -> None:
    world = await _held(tmp_path)
    answer = await _ask(world, "hot", key="device=b2")
    since = clock_words(at(12), answer.at)
    text = _text(answer)
    assert f"{HELD} since {since}: {WHY}; until {clock_words(at(312), answer.at)} somebody may decide: " in text
    (command,) = _json(answer)["commands"]
    assert f"iotrules commands approve|reject '{command['id']}' --by NAME" in text
    assert (command["state"], command["step"], command["key"]) == ("held", 1, {"site": "A", "device": "b2"})
    assert command["held"] == {"since": instant_text(at(12)), "why": WHY, "ended": None, "decided": None}
    free = await _ask(world, "hot", key="device=b1")
    assert "command shutdown to site=A device=b1 (step 1): requested at" in _text(free)
    assert [command["held"] for command in _json(free)["commands"]] == [None]


async def test_who_decided_what_about_it_is_told(tmp_path: Path) -> None:
    for action in ("approve", "reject"):
        (tmp_path / action).mkdir()
        world = await _held(tmp_path / action)
        (command,) = _json(await _ask(world, "hot", key="device=b2"))["commands"]
        world.now = at(60)
        world.put(Operator(action, command["id"], "anna", "the fan is broken"))
        await world.write(snapshot=True)
        for when in (None, 61):
            world.now = at(70)
            answer = await _ask(world, "hot", when, key="device=b2")
            said = f"{action}{'d' if action == 'approve' else 'ed'} by anna: the fan is broken"
            assert f": {WHY}; {said} at {clock_words(at(60), answer.at)}\n" in _text(answer)
            (found,) = _json(answer)["commands"]
            before = _text(await _ask(world, "hot", 30, key="device=b2"))
            assert f": {WHY}; later {said} at {clock_words(at(60), answer.at)}\n" in before
            assert (found["held"]["decided"], found["held"]["ended"]) == (said, instant_text(at(60)))


async def test_what_became_of_an_approved_command_is_told_after_who_approved_it(tmp_path: Path) -> None:
    world = await _held(tmp_path)
    (command,) = _json(await _ask(world, "hot", key="device=b2"))["commands"]
    world.now = at(60)
    world.put(Operator("approve", command["id"], "anna", ""))
    world.now = at(61)
    world.put(Receipt(command["id"], "done"))
    world.now = at(65)
    world.raw("site/A/dev/b2/cmd/ack", json.dumps({"id": command["id"], "status": "succeeded"}).encode())
    await world.write()
    answer = await _ask(world, "hot", key="device=b2")
    ended = f"approved by anna at {clock_words(at(60), answer.at)}; succeeded at {clock_words(at(65), answer.at)}\n"
    assert f": {WHY}; {ended}" in _text(answer)


async def test_a_command_that_a_guard_dropped_says_so(tmp_path: Path) -> None:
    world = await _held(tmp_path, "drop")
    answer = await _ask(world, "hot", key="device=b2")
    assert f"(step 1): rejected at {clock_words(at(12), answer.at)}, dropped by its guard: {WHY}" in _text(answer)


# Muting


async def test_a_muted_alert_says_by_whose_alert(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", INHIBIT)
    world.send(0, device="x", pressure=6)
    world.send(10, temp=90)
    await world.write(snapshot=True)
    answer = await _ask(world, "effect")
    words = "inhibited by cause site=A"
    assert f"  muted, nobody is told of it as it is: {words}, whose alert fires for site=A" in _text(answer)
    assert f"temp 90 > 85; by the sample of {clock_words(at(10), answer.at)}; muted: {words}" in _text(answer)
    assert _json(answer)["explanation"]["muted"] == {
        "cause": "inhibited", "words": words, "rule": "cause", "keys": [{"site": "A"}]
    }  # fmt: skip
    world.send(20, device="x", pressure=1)
    await world.write(snapshot=True)
    assert "nobody is told" not in _text(await _ask(world, "effect"))
    assert f"muted, nobody was told: {words}" in _text(await _ask(world, "effect", 15))


async def test_a_cooldown_is_told_as_what_it_is(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", "  r: {from: env, when: temp > 85, cooldown: 5m}\n")
    world.sends([90, 20, 90])
    await world.write()
    answer = await _ask(world, "r")
    assert "muted, nobody is told of it as it is: cooldown until 2026-09-21T14:18:30Z" in _text(answer)
    assert _json(answer)["explanation"]["muted"]["rule"] is None


async def test_an_alert_of_the_engines_own_is_told_from_the_record(tmp_path: Path) -> None:
    world = await _held(tmp_path)
    text = _text(await _ask(world, "hot/held", key="device=b2"))
    assert text.startswith("hot/held for site=A device=b2: firing")
    assert "it is an alert of the engine's own" in text
    assert f"inactive → firing  {WHY}" in text
