"""Rules are changed while the engine runs: durable, subscribed to, told; and refused whole where they don't load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from iotrules.language import load_files
from iotrules.model.errors import ConfigError
from iotrules.model.inputs import Reload
from iotrules.model.rules import RuleSet
from iotrules.runtime.reloading import Outcome, Reloading, beside, file_marks
from tests.engine.world import OVERHEAT, STREAM
from tests.runtime.world import World

OTHER = (
    STREAM.replace("rules:", "")
    .replace("site/{site}/dev/{device}/env", "plant/{device}/air")
    .replace("site/{site}/dev/{device}/cmd", "plant/{device}/cmd")
)


def _files(rules: str, head: str = STREAM) -> Reload:
    return Reload({"rules.yaml": head + rules})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, OVERHEAT)


async def test_new_rules_are_durable_and_end_what_they_change(world: World) -> None:
    async with world.engine() as runtime:
        for at in range(0, 40, 10):
            world.send(at, temp=90)
        await world.until(lambda: world.states()[-1:] == ["firing"])
        before, after = await runtime.reload(_files(OVERHEAT.replace("> 85", "> 88")))
        assert (before.rules["overheat"].meaning, after.rules["overheat"].meaning) == (
            load_files(_files(OVERHEAT).files).rules["overheat"].meaning,
            load_files(_files(OVERHEAT.replace("> 85", "> 88")).files).rules["overheat"].meaning,
        )
        assert world.states() == ["pending", "firing", "resolved"]
        await world.crash()
    assert world.rows("SELECT condition FROM rules") == [("temp > 88",)]


async def test_a_commit_that_fails_is_tried_again_with_the_same_rules(world: World) -> None:
    async with world.engine() as runtime:
        world.store.fail_next = 1
        await runtime.reload(_files(OVERHEAT.replace("> 85", "> 88")))
        assert world.store.failures == 1
    assert world.rows("SELECT condition FROM rules") == [("temp > 88",)]


async def test_a_stream_of_the_new_rules_is_subscribed_to(world: World) -> None:
    hot = "rules:\n  hot: {from: env, when: temp > 50}\n"
    async with world.engine() as runtime:
        await runtime.reload(_files(hot, OTHER))
        world.broker.publish("plant/b1/air", b'{"temp": 60, "ts": 1790000000000, "boot": "x", "seq": 1}')
        await world.until(lambda: world.rows("SELECT rule FROM transitions"))
    assert world.rows("SELECT rule, after FROM transitions") == [("hot", "firing")]


class _Told:
    """What a Reloading was given to read, and what it reported."""

    def __init__(self) -> None:
        self.answers: list[Reload | Exception] = []
        self.outcomes: list[Outcome] = []
        self._changed = asyncio.Event()

    def read(self) -> Reload:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        load_files(answer.files)
        return answer

    async def use(self, files: Reload) -> tuple[RuleSet, RuleSet]:
        return load_files(_files(OVERHEAT).files), load_files(files.files)

    def told(self, outcome: Outcome, _rules: RuleSet | None) -> None:
        self.outcomes.append(outcome)
        self._changed.set()

    async def until_more_than(self, outcomes: int) -> None:
        async with asyncio.timeout(10):
            while len(self.outcomes) <= outcomes:
                self._changed.clear()
                await self._changed.wait()


async def _reload(*answers: Reload | Exception) -> tuple[list[Outcome], list[dict[str, object]]]:
    told = _Told()
    reloading = Reloading(told.read, told.use, told.told, _files(OVERHEAT))
    with structlog.testing.capture_logs() as logs:
        async with beside(reloading.run()):
            for number, answer in enumerate(answers):
                told.answers.append(answer)
                reloading.ask()
                await told.until_more_than(number)
    return told.outcomes, [dict(entry) for entry in logs]


async def test_what_changed_is_logged_as_plan_says_it() -> None:
    outcomes, logs = await _reload(_files(OVERHEAT.replace("> 85", "> 88")))
    assert outcomes == ["applied"]
    assert logs[0]["event"] == "rule changed"
    assert (logs[0]["rule"], logs[0]["change"], logs[0]["differences"]) == (
        "overheat", "meaning", ["when: temp > 85 → temp > 88"],
    )  # fmt: skip
    assert (logs[-1]["event"], logs[-1]["changed"]) == ("rules reloaded", 1)


async def test_files_that_do_not_load_are_refused_with_every_problem_and_its_place() -> None:
    bad = _files(OVERHEAT.replace("temp > 85", "tmp > 85").replace("critical", "crtical"))
    outcomes, logs = await _reload(bad, ConfigError("rules has no *.yaml files"), _files(OVERHEAT))
    assert outcomes == ["refused", "refused", "unchanged"]
    problems = [str(entry["problem"]) for entry in logs if entry["event"] == "rule file refused"]
    assert len(problems) == 2
    assert all(problem.startswith("rules.yaml:") for problem in problems)
    assert [entry["reason"] for entry in logs if entry["event"] == "rules not reloaded: the old ones stay"] == [
        "the files have problems (2)", "rules has no *.yaml files",
    ]  # fmt: skip


async def test_after_a_refusal_the_next_good_files_are_used() -> None:
    bad, good = _files("  r: {}\n"), _files(OVERHEAT.replace("> 85", "> 88"))
    assert (await _reload(bad, good, good))[0] == ["refused", "applied", "unchanged"]


async def test_an_error_beside_comes_out_at_the_end() -> None:
    async def fails() -> None:
        raise RuntimeError("a fault of ours")

    async def alongside() -> None:
        async with beside(fails()):
            await asyncio.sleep(0)  # it has failed in this turn of the event loop
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        await alongside()


def test_marks_change_with_what_is_written_appears_or_goes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yml"
    one.write_text("a")
    marks = [file_marks(tmp_path)]
    one.write_text("ab")
    marks.append(file_marks(tmp_path))
    two.write_text("c")
    marks.append(file_marks(tmp_path))
    one.unlink()
    marks.append(file_marks(tmp_path))
    assert len({str(sorted(mark.items())) for mark in marks}) == 4
    assert file_marks(two) == marks[-1]
    (tmp_path / "notes.txt").write_text("d")
    assert file_marks(tmp_path) == marks[-1]


@pytest.mark.parametrize("name", ["registry.csv", "registry.yaml", "registry.yml"])
def test_marks_change_with_the_registry_of_the_directory(tmp_path: Path, name: str) -> None:
    marks = [file_marks(tmp_path)]
    (tmp_path / name).write_text("device\nb1\n")
    marks.append(file_marks(tmp_path))
    (tmp_path / name).write_text("device\n")
    marks.append(file_marks(tmp_path))
    assert len({str(sorted(mark.items())) for mark in marks}) == 3


def test_marks_change_with_a_registry_that_stands_elsewhere(tmp_path: Path) -> None:
    rules, registry = tmp_path / "rules", tmp_path / "devices.csv"
    rules.mkdir()
    assert file_marks(rules, registry) == {}
    registry.write_text("device\nb1\n")
    before = file_marks(rules, registry)
    registry.write_text("device\n")
    assert file_marks(rules, registry).keys() == before.keys() == {str(registry)}
    assert file_marks(rules, registry) != before
