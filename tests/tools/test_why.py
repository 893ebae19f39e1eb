"""`iotrules why` from a store: now and at an earlier instant, beyond the journal, and for keys that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iotrules.model.decisions import Key
from iotrules.model.errors import ConfigError
from iotrules.model.inputs import Reload
from iotrules.model.times import MINUTE, SECOND
from iotrules.stores.views import StoreView
from iotrules.tools.instants import clock_words, instant_text
from iotrules.tools.why import Answer, Asked, ask, document, lines
from tests.engine.world import OVERHEAT
from tests.stores.entries import write
from tests.tools.stored import Stored, at

B1 = (("site", "A"), ("device", "b1"))


@pytest.fixture
def world(tmp_path: Path) -> Stored:
    return Stored(tmp_path / "store.db", OVERHEAT)


async def _ask(
    world: Stored, labels: tuple[tuple[str, str], ...] = B1, when: float | None = None, rule: str = "overheat"
) -> Answer:
    return await ask(world.path, Asked(rule, labels, None if when is None else at(when)), world.now)


async def test_a_pending_that_was_dropped_says_when_by_which_sample_and_after_how_long(world: Stored) -> None:
    world.sends([90, 91, 84.2])
    await world.write()
    text = "\n".join(lines(await _ask(world)))
    assert "not met: temp 84.2 needs > 85: 0.8 short" in text
    assert "pending → inactive  temp 84.2 is not > 85; by the sample of" in text
    assert "dropped after 20s of 30s" in text


@pytest.mark.parametrize("snapshot", [False, True])
async def test_the_answer_is_the_running_engines(world: Stored, snapshot: bool) -> None:
    world.sends([90, 91, 92, 93])
    await world.write(snapshot=snapshot)
    answer = await _ask(world)
    assert answer.explanation == world.engine.explain("overheat", answer.key, world.now)


async def test_an_earlier_instant_is_replayed(world: Stored) -> None:
    world.sends([90, 91, 92, 93, 60, 60, 60])
    await world.write()
    told = (await _ask(world, when=15)).explanation
    assert told is not None
    assert told.verdict == "pending: held 15s of 30s, fires in 15s if it stays so"
    firing = await _ask(world, when=35)
    assert firing.explanation is not None
    assert firing.explanation.state.value == "firing"
    assert [change.after for change in firing.changes] == ["firing", "pending"]


async def test_before_the_journal_the_stored_transitions_answer_and_it_is_said(world: Stored) -> None:
    world.sends([90, 91, 92, 93])
    await world.write(snapshot=True)
    world.sends([60, 60, 60], start=40)
    await world.write()
    answer = await _ask(world, when=31)
    assert answer.explanation is None
    text = "\n".join(lines(answer))
    assert "overheat for site=A device=b1: firing, as of" in text
    assert "this is from the stored transitions" in text
    assert "for 30s" in text
    assert json.loads(json.dumps(document(answer)))["explanation"] is None


async def test_before_the_store_there_is_nothing(world: Stored) -> None:
    world.sends([90])
    await world.write()
    with pytest.raises(ConfigError, match="the store begins later"):
        await _ask(world, when=-60)


async def test_a_bad_value_is_found_in_the_journal(world: Stored) -> None:
    world.sends([90, 300])
    await world.write()
    told = (await _ask(world)).explanation
    assert told is not None
    assert "temp is unknown: bad value in the newest message: out of range" in told.verdict


async def test_refused_messages_of_the_key_are_told(world: Stored) -> None:
    world.sends([90])
    world.raw("site/A/dev/b1/env", b"{")
    world.raw("site/A/dev/b2/env", b"{")
    await world.write()
    (remark,) = (await _ask(world)).remarks
    assert remark.startswith("1 messages of this key were refused; the last one: not JSON")


async def test_an_engine_that_does_not_run_is_suspected(world: Stored) -> None:
    world.sends([90])
    await world.write()
    world.now += 30 * MINUTE
    (remark,) = (await _ask(world)).remarks
    assert remark == "the engine's last input was 30m ago: does it run? --at looks at an earlier instant"


async def test_a_key_never_seen_is_answered_with_those_like_it(world: Stored) -> None:
    world.send(0, device="boiler-01", temp=20)
    world.send(1, device="x", temp=20)
    await world.write()
    answer = await _ask(world, (("site", "A"), ("device", "boiler-02")))
    assert answer.explanation is not None
    assert not answer.explanation.known
    assert [key.device for key in answer.near] == ["boiler-01"]
    assert "no message of this key was ever taken" in "\n".join(lines(answer))


async def test_what_is_unique_of_a_key_is_enough_in_any_order(world: Stored) -> None:
    world.send(0, device="b1", temp=20)
    world.send(1, device="b2", temp=20)
    await world.write()
    assert (await _ask(world, (("device", "b2"),))).key.device == "b2"
    assert (await _ask(world, tuple(reversed(B1)))).key.labels == B1
    with pytest.raises(ConfigError, match="it could be site=A,device=b1; site=A,device=b2"):
        await _ask(world, (("site", "A"),))
    with pytest.raises(ConfigError, match="none of the known keys fits"):
        await _ask(world, (("site", "Z"),))


@pytest.mark.parametrize(
    ("rule", "labels", "words"),
    [
        ("overhaet", B1, 'there is no rule "overhaet": did you mean "overheat"'),
        ("zzz", B1, "the running rules are overheat"),
        ("overheat", (("devise", "b1"),), 'no label "devise" in its key: did you mean "device"'),
    ],
)
async def test_a_name_that_is_not_known_is_said_with_the_nearest(
    world: Stored, rule: str, labels: tuple[tuple[str, str], ...], words: str
) -> None:
    world.sends([20])
    await world.write()
    with pytest.raises(ConfigError, match=words):
        await _ask(world, labels, rule=rule)


async def test_transitions_of_an_older_version_still_read(world: Stored) -> None:
    world.sends([90, 91, 84.2])
    await world.write()
    old = json.dumps({"condition": "temp > 85", "truth": True, "values": {"temp": 90}, "sample_time": at(20)})
    write(world.path, f"UPDATE transitions SET evidence = '{old}'")
    text = "\n".join(lines(await _ask(world)))
    assert "; dropped after 20s" in text
    assert document(await _ask(world))["changes"][0]["evidence"]["values"] == {"temp": 90}


async def test_a_program_gets_the_tree_and_the_evidence(world: Stored) -> None:
    world.sends([90, 91, 92, 93])
    await world.write()
    found = json.loads(json.dumps(document(await _ask(world))))
    told = found["explanation"]
    assert told["levels"][0]["tree"]["words"] == "temp 93 > 85"
    assert told["levels"][0]["hold"] == {"held_seconds": 30.0, "wanted_seconds": 30.0, "frozen": False}
    assert told["levels"][0]["clear"]["tree"]["words"] == "temp 93 needs < 70: 23 too much"
    assert found["changes"][0]["evidence"]["progress"] == {"held": 30 * SECOND, "wanted": 30 * SECOND, "frozen": False}
    assert found["changes"][0]["evidence"]["place"]["text"][0] == "overheat:"


QUIET = OVERHEAT + "    alert: false\n"


@pytest.mark.parametrize("snapshot", [False, True])
async def test_a_rule_without_an_alert_has_a_past_all_the_same(tmp_path: Path, snapshot: bool) -> None:
    world = Stored(tmp_path / "store.db", QUIET)
    world.sends([90, 91, 92, 93])
    await world.write(snapshot=snapshot)
    world.sends([60, 60, 60], start=40)
    await world.write()
    text = "\n".join(lines(await _ask(world, when=35)))
    assert "overheat for site=A device=b1: firing" in text
    assert "pending → firing  temp 93 > 85 for 30s" in text
    async with StoreView(world.path) as view:
        assert (await view.transitions(), await view.alerts(), (await view.totals()).transitions) == ([], [], 0)


async def test_of_such_a_rule_the_newest_changes_are_kept(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", "\n  odd: {from: env, when: temp > 50, alert: false}\n")
    world.sends([60 if n % 2 == 0 else 40 for n in range(250)])
    await world.write()
    async with StoreView(world.path) as view:
        kept = await view.history("odd", Key(B1).text, 1000)
    assert [row.number for row in kept] == list(range(250, 50, -1))


async def test_a_rule_that_raises_an_alert_no_more_keeps_what_it_did_before(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", OVERHEAT)
    world.sends([90, 91, 92, 93])
    world.put(Reload({"rules.yaml": world.streams + QUIET}))
    world.sends([60, 60, 60], start=40)
    await world.write()
    changes = (await _ask(world)).changes
    assert [change.after for change in changes] == ["resolved", "firing", "pending"]


STORED_WITH = """\
stored with the change of {at}, pending → firing
  critical: temp > 85
    ✔ temp 93 > 85
  for: 30s of 30s
  temp: 93 at {at}
  by rules.yaml:"""


def _with_record(answer: Answer) -> str:
    text = "\n".join(lines(answer))
    assert STORED_WITH.format(at=clock_words(at(30), answer.at)) in text, text
    return text


@pytest.mark.parametrize("alert", [OVERHEAT, QUIET])
async def test_a_change_on_record_is_told_with_all_that_was_stored_when_its_journal_is_gone(
    tmp_path: Path, alert: str
) -> None:
    world = Stored(tmp_path / "store.db", alert)
    world.sends([90, 91, 92, 93])
    await world.write(snapshot=True)
    world.sends([60, 60, 60], start=40)
    world.put(Reload({"rules.yaml": world.streams + alert.replace("temp > 85", "temp > 99")}))
    await world.write(snapshot=True)
    answer = await _ask(world, when=31)
    assert answer.explanation is None
    text = _with_record(answer)
    assert "    when: temp > 85" in text  # the lines of then, not of now
    stored = json.loads(json.dumps(document(answer)))["stored"]
    assert stored["tree"]["words"] == "temp 93 > 85"
    assert stored["progress"] == {"held_seconds": 30.0, "wanted_seconds": 30.0, "frozen": False}
    assert stored["samples"] == [{"name": "temp", "count": 1, "newest": [[instant_text(at(30)), 93.0]]}]
    assert stored["meaning"] in text
    assert stored["place"]["text"][0] == "overheat:"


async def test_a_change_of_an_earlier_instant_is_told_while_its_journal_is_kept(world: Stored) -> None:
    world.sends([90, 91, 92, 93])
    world.pass_time(40)
    await world.write()
    text = _with_record(await _ask(world, when=35))
    assert "the rule as it is below" in text
    assert "stored with" not in "\n".join(lines(await _ask(world)))


async def test_an_old_change_is_found_behind_hundreds_of_newer_ones(tmp_path: Path) -> None:
    world = Stored(tmp_path / "store.db", "\n  odd: {from: env, when: temp > 50}\n")
    world.sends([60 if n % 2 == 0 else 40 for n in range(250)])
    await world.write(snapshot=True)
    answer = await _ask(world, when=5, rule="odd")
    assert [(change.number, change.after) for change in answer.changes] == [(1, "firing")]


async def test_of_a_rule_that_is_gone_the_record_is_told(world: Stored) -> None:
    world.sends([90, 91, 92, 93])
    world.now = at(40)
    world.put(Reload({"rules.yaml": world.streams + "  other: {from: env, when: temp > 1}\n"}))
    world.pass_time(60)
    await world.write(snapshot=True)
    for when in (None, 31):
        answer = await _ask(world, (("device", "b1"),), when)
        text = "\n".join(lines(answer))
        assert ("no rule of this name was in use then" in text) is (when is None)
        assert ("resolved" if when is None else "firing") in text.splitlines()[0]
        assert answer.stored is not None
    with pytest.raises(ConfigError, match='there is no rule "overhaet"'):
        await _ask(world, rule="overhaet")


async def test_of_a_change_of_an_older_version_what_there_is_is_told(world: Stored) -> None:
    world.sends([90, 91, 92, 93])
    world.now = at(40)
    await world.write(snapshot=True)
    old = json.dumps({"condition": "temp > 85", "truth": True, "values": {"temp": 90}, "sample_time": None, "tree": 7})
    write(world.path, f"UPDATE transitions SET evidence = '{old}'")
    answer = await _ask(world, when=31)
    assert "critical: temp > 85\n    temp 90\n" in "\n".join(lines(answer))
    assert document(answer)["stored"]["tree"] is None
