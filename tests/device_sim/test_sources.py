"""Real data: this computer, and recorded series with all that can be wrong with them."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.sources import (
    BadRow,
    ReplayItem,
    Row,
    open_host,
    parse_time,
    read_file,
    read_host,
    read_rows,
    replay_topic,
    topic_level,
)
from iotrules.model.errors import ConfigError

JULY_4 = 1_372_896_000_000


def rows(text: str, names: tuple[str, str] | None = None) -> list[ReplayItem]:
    return list(read_rows(text.splitlines(keepends=True), names, "f.csv"))


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\n2013-07-04 00:00:00,1.5\n",
        "\n\nvalue,timestamp\n1.5,2013-07-04 00:00:00\n",
        "Time,Sensor,Value\n2013-07-04T00:00:00Z,a,1.5\n",
        "2013-07-04 02:00:00+02:00,1.5\n",
        "when,reading\n2013-07-04 00:00:00,1.5\n",
        "1372896000,1.5",
        "1372896000000, 1.5\n",
        '"timestamp","value"\r\n"2013-07-04 00:00:00","1.5"\r\n',
    ],
)
def test_one_value_is_read_in_every_usual_notation(text: str) -> None:
    assert rows(text) == [Row(JULY_4, 1.5)]


def test_columns_can_be_given_by_name() -> None:
    assert rows("a,b,c\n7,1372896000,1.5\n", ("b", "c")) == [Row(JULY_4, 1.5)]


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"f\.csv has no column 'x': its first row is a, b"):
        rows("a,b\n1,2\n", ("x", "b"))


def test_bad_rows_are_told_with_their_line_and_skipped() -> None:
    found = rows(
        "timestamp,value\n"
        "2013-07-04 00:00:00,1\n"
        "2013-07-04 00:00:00\n"
        "yesterday,1\n"
        "\n"
        "2013-07-04 00:00:00,warm\n"
        "2013-07-04 00:00:00,nan\n"
        '"2013-07-04 00:00:00,1\n'
        "1e400,1\n"
        "2013-07-04 00:00:00,2\n"
    )
    assert [item for item in found if isinstance(item, Row)] == [Row(JULY_4, 1), Row(JULY_4, 2)]
    assert [item.line for item in found if isinstance(item, BadRow)] == [3, 4, 6, 7, 8, 9]
    assert "not a number: 'warm'" in [item.reason for item in found if isinstance(item, BadRow)]


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for item in rows(text):
        assert isinstance(item, Row | BadRow)


@given(st.text(max_size=40))
def test_a_time_is_whole_milliseconds_or_a_reason(text: str) -> None:
    assert isinstance(parse_time(text), int | str)


def test_bytes_that_are_no_text_are_bad_rows(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"\xef\xbb\xbftimestamp,value\n\xff\xfe,1\n2013-07-04 00:00:00,1\n")
    found = list(read_file(file, None))
    assert found[1:] == [Row(JULY_4, 1)]
    assert isinstance(found[0], BadRow)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv can't be read: No such file"):
        list(read_file(tmp_path / "gone.csv", None))


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("host-1.lan", "host-1.lan"),
        ("a/b+c#d", "a-b-c-d"),
        ("Ärger 1", "rger-1"),
        ("$SYS", "SYS"),
        ("///", "unnamed"),
    ],
)
def test_names_become_safe_topic_levels(name: str, level: str) -> None:
    assert topic_level(name) == level


def test_the_topic_of_a_replay_comes_from_its_file() -> None:
    assert replay_topic(Path("/data/nyc taxi#1.csv")) == "replay/nyc-taxi-1/value"


def test_this_computer_tells_its_load() -> None:
    source = open_host("a/b", "boot1", 1000)
    first, second = read_host(source, 2000), read_host(source, 3000)
    body = msgspec.json.decode(first.payload)
    assert first.topic == "host/a-b/system"
    assert list(body) == ["ts", "boot", "seq", "cpu", "memory", "disk", "net_rx", "net_tx", "load1"]
    assert (body["ts"], body["boot"], body["seq"], second.seq) == (2000, "boot1", 1, 2)
    assert 0 < body["memory"] < 100
    assert body["net_rx"] >= 0
