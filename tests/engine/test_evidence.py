"""Every transition carries why: the tree, the samples, the timer, the rule's meaning and its lines; all bounded."""

from __future__ import annotations

import json

from msgspec import to_builtins

from iotrules.model.decisions import AlertState, Transition
from iotrules.model.evidence import Progress
from iotrules.model.times import SECOND
from tests.engine.world import OVERHEAT, START, World


def _transitions(world: World) -> list[Transition]:
    return [change for decision in world.decisions for change in decision.transitions]


def test_a_firing_keeps_the_tree_the_sample_the_hold_and_the_rule() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, temp=90 + at / 10)
    evidence = _transitions(world)[-1].evidence
    assert evidence.tree is not None
    assert (evidence.tree.text, evidence.tree.value, evidence.tree.words) == ("temp > 85", True, "temp 93 > 85")
    assert evidence.samples[0].newest == ((START + 30 * SECOND, 93.0),)
    assert evidence.progress == Progress(30 * SECOND, 30 * SECOND)
    assert evidence.meaning == world.engine.rules.rules["overheat"].meaning
    assert evidence.place is not None
    assert evidence.place.text[:2] == ("overheat:", "  from: env")
    assert world.engine.files.files["rules.yaml"].split("\n")[evidence.place.line - 1] == "  overheat:"


def test_a_dropped_pending_says_which_sample_lacked_what() -> None:
    world = World(OVERHEAT)
    world.send(0, temp=90)
    world.send(10, temp=84.2)
    dropped = _transitions(world)[-1]
    assert (dropped.before, dropped.after) == (AlertState.PENDING, AlertState.INACTIVE)
    assert dropped.evidence.tree is not None
    assert dropped.evidence.tree.words == "temp 84.2 needs > 85: 0.8 short"
    assert dropped.evidence.sample_time == START + 10 * SECOND


def test_an_end_keeps_the_tree_of_what_ended_it() -> None:
    world = World(OVERHEAT)
    for at in range(0, 40, 10):
        world.send(at, temp=90)
    for at in range(40, 70, 10):
        world.send(at, temp=60)
    ended = _transitions(world)[-1]
    assert ended.after is AlertState.RESOLVED
    assert ended.evidence.clear is not None
    assert (ended.evidence.clear.value, ended.evidence.clear.words) == (True, "temp 60 < 70")
    assert ended.evidence.progress == Progress(20 * SECOND, 20 * SECOND)


def test_silence_keeps_its_timer() -> None:
    world = World("  silent: {absent: env, for: 1m}\n")
    world.send(0, temp=20)
    (fired,) = world.pass_time(70)
    assert fired.evidence.progress == Progress(60 * SECOND, 60 * SECOND)
    assert fired.evidence.tree is None
    assert fired.evidence.place is not None


def test_neither_a_rule_nor_a_device_makes_a_transition_large() -> None:
    many = " or ".join(f"avg(temp, {n}s) > 1" for n in range(1, 38))
    comment = "".join(f"    # {'words ' * 60}\n" for _ in range(100))
    world = World(f"  r:\n{comment}    from: env\n    when: {many}\n")
    for at in range(10):
        world.send(at / 10, temp=20)
    (fired,) = _transitions(world)
    assert len(json.dumps(to_builtins(fired.evidence))) < 40_000
