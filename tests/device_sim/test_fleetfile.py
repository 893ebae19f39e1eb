"""Fleet files: what is wrong with one is said with its place."""

import pytest

from device_sim.documents import number_id, parse_duration
from device_sim.fleetfile import load_fleet, read_fleet
from iotrules.model.errors import ConfigError, FileError

GROUP = """
fleet:
  boilers:
    count: 3
    sites: [A]
    id: "b{n}"
    topic: dev/{device}/env
"""
PUMPS = GROUP.replace("\nfleet:\n", "").replace("boilers", "pumps")


def problem(text: str) -> str:
    with pytest.raises(FileError) as error:
        load_fleet(text, "f.yaml")
    return str(error.value)


def test_a_small_file_has_defaults_for_the_rest() -> None:
    group = load_fleet(GROUP, "f.yaml").fleet["boilers"]
    assert group.device_ids() == ["b1", "b2", "b3"]
    assert (group.interval, group.commands) == (1_000_000_000, None)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (GROUP + "    colour: red\n", "8:5", "colour"),
        (GROUP.replace("count: 3", "count: 0"), "4:12", "greater than or equal to 1"),
        (GROUP.replace("count: 3", "count: many"), "4:12", "whole number"),
        (GROUP.replace("{n}", ""), "6:9", "{n}"),
        (GROUP.replace("{n}", "{n.__class__}"), "6:9", "{n}"),
        (GROUP.replace("[A]", "[A/B]"), "5:13", "not a site"),
        (GROUP.replace("{device}", "{colour}"), "7:12", "{colour}"),
        (GROUP.replace("dev/{device}", "dev/+"), "7:12", "{device}"),
        (GROUP + "    interval: 5\n", "8:15", "not a duration"),
        (GROUP + "    interval: 1s\n    jitter: 2s\n", "3:3", "jitter must be shorter"),
        (GROUP + "    commands: dev/{device}/cmd\n", "3:3", "belong together"),
        (GROUP + "faults: [{device: b9, kind: offline, at: 5s}]\n", "8:19", "no device b9"),
        (GROUP + "faults: [{device: b1, kind: ofline, at: 5s}]\n", "8:", "offline"),
        (GROUP + "faults: [{device: b1, kind: overheat, at: 5s}]\n", "8:10", '"to" is missing'),
        (
            GROUP + "faults: [{device: b1, kind: overheat, at: 5s, to: .inf}]\n",
            "8:51",
            ".inf is not a number",
        ),
        (GROUP + PUMPS, "11:9", "has a device b1 too"),
        ("seed: 1\n", "1:1", '"fleet" is missing'),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, place: str, words: str) -> None:
    said = problem(text)
    assert said.startswith(f"f.yaml:{place}")
    assert words in said


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml can't be read"):
        read_fleet("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "ns"), [("1s", 10**9), ("100ms", 10**8), ("2m30s", 150 * 10**9), ("1.5h", 5400 * 10**9)]
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1y", 5, None, True])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("pattern", "id"), [("b{n}", "b7"), ("b-{n:02}", "b-07"), ("{n:03}x", "007x")])
def test_ids(pattern: str, id: str) -> None:
    assert number_id(pattern, 7) == id
