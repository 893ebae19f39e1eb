"""A snapshot that is taken while inputs come is, part by part, the one that would have been taken when it began."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotrules.engine import Engine
from iotrules.engine.bounds import Bounds
from iotrules.model.decisions import Decision
from iotrules.model.inputs import Input
from tests.engine.test_fused import STREAMS, Sent, _feeds, _group_rules, _of_many, _play, _rules
from tests.engine.world import ALL, STREAM, World


class Beside(Engine):
    """Goes with a twin that is stopped for each snapshot; this one begins a snapshot every so many inputs."""

    every = 1

    def __init__(self, *, fused: bool = True, bounds: Bounds) -> None:
        super().__init__(fused=fused, bounds=bounds)
        self._twin = Engine(fused=fused, bounds=bounds)
        self._inputs = 0
        self._expected: dict[str, bytes | None] = {}
        self._found: dict[str, bytes | None] = {}

    def process(self, value: Input, now: int, sequence: int) -> Decision:
        if self._inputs % self.every == 0:
            assert self._found | self.snapshot_parts(ALL) == self._expected
            self._expected = self._twin.take_snapshot()
            self.begin_snapshot()
            self._found = {}
        self._inputs += 1
        self._twin.process(value, now, sequence)
        decision = super().process(value, now, sequence)
        self._found |= self.snapshot_parts(1)
        return decision


@pytest.fixture(params=[1, 4])
def beside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Beside, "every", request.param)
    monkeypatch.setattr("tests.engine.world.Engine", Beside)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("stream", ["declared", "late", "amended"])
def test_of_single_keys(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STREAMS, "amended", STREAM.replace("ahead: 10s", "ahead: 10s, on_late: amend"))

    @settings(max_examples=15, deadline=None)
    @given(_rules(), _feeds, st.booleans())
    def holds(rules: str, feed: list[Sent], fused: bool) -> None:
        _play(stream, rules, feed, fused=fused)

    holds()


@pytest.mark.usefixtures("beside")
def test_of_groups_and_their_members() -> None:
    @settings(max_examples=15, deadline=None)
    @given(_group_rules(), _of_many, st.booleans())
    def holds(rules: str, feed: list[Sent], fused: bool) -> None:
        _play("declared", rules, feed, fused=fused)

    holds()


class Crowded(World):
    bounds = Bounds(keys=3)


@pytest.mark.usefixtures("beside")
def test_of_keys_that_go_and_come_again() -> None:
    world = Crowded("  r: {from: env, when: temp > 85, for: 5s, do: [{command: stop, expires: 1m}]}\n")
    for n in range(40):
        world.send(n, f"b{n * 7 % 5}", temp=90 if n % 3 else 20)
    world.use_registry("site,device\nA,b1\n")
    world.pass_time(600)
    assert world.streams == STREAM


def test_a_snapshot_begins_at_once_and_ends_in_slices() -> None:
    world = World("  r: {from: env, when: temp > 85}\n")
    for n in range(20):
        world.send(n, f"b{n}", temp=90)
    engine = world.engine
    engine.begin_snapshot()
    slices = []
    while parts := engine.snapshot_parts(500):
        slices.append(parts)
    assert len(slices) > 5
    assert max(sum(len(name) + len(body or b"") for name, body in one.items()) for one in slices) < 1000
    names = [name for one in slices for name in one]
    assert len(set(names)) == len(names) > 60
