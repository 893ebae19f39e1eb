"""Real telemetry through broker, rule and handler: an office's temperature over eleven months, hour by hour."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iotrules.model.times import SECOND
from tests.end_to_end.processes import REPOSITORY, Running, engine_arguments, query, running, total, wait_until
from tests.mosquitto import running_mosquitto

SERIES = "realKnownCause/ambient_temperature_system_failure.csv"


def _nab() -> Path:
    """Where the data are; they are nobody's to commit, so without them the test is skipped, in CI too."""
    place = os.environ.get("IOTRULES_NAB")
    if not place or not (Path(place) / "data" / SERIES).exists():
        pytest.skip("the NAB data are not here: set IOTRULES_NAB to the directory that holds data/ and windows.json")
    return Path(place)


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def test_both_failures_of_the_office_are_found_and_get_a_ticket(tmp_path: Path) -> None:
    nab = _nab()
    store = tmp_path / "store.db"
    rows = len((nab / "data" / SERIES).read_text().splitlines()) - 1
    with running_mosquitto("allow_anonymous true\nmax_queued_messages 100000\n") as broker:
        arguments = engine_arguments(
            broker.url, store, rules=REPOSITORY / "rules", functions=REPOSITORY / "lambdas" / "template.yaml"
        )
        with running(arguments, tmp_path / "engine.log") as engine:
            engine.wait_for('"event": "ready"')
            replay = ["sim", "--replay", str(nab / "data" / SERIES), "--speed", "0", "--broker", broker.url]
            with running(replay, tmp_path / "replay.log") as fleet:
                assert fleet.process.wait(100) == 0, fleet.said()
            _wait_until_done(store, rows, engine)
            assert engine.end() == 0, engine.said()
    fired = [at for (at,) in query(store, "SELECT at FROM transitions WHERE after = 'firing' ORDER BY at")]
    windows = json.loads((nab / "windows.json").read_text())[SERIES]
    assert all(any(_ns(first) <= at <= _ns(last) for at in fired) for first, last in windows)
    assert len(fired) <= 3  # and hardly anything else in eleven months
    assert query(store, "SELECT count(*) FROM invocations WHERE function = 'open_ticket' AND outcome = 'done'") == [
        (len(fired),)
    ]
    published = "SELECT count(*) FROM ledger WHERE kind = 'publish' AND target LIKE 'tickets/%' AND state = 'done'"
    assert query(store, published) == [(len(fired),)]


def _wait_until_done(store: Path, rows: int, engine: Running) -> None:
    def done() -> bool:
        seen = total(store, "applied", "replay") + total(store, "late", "replay")
        return seen >= rows and query(store, "SELECT count(*) FROM ledger WHERE state = 'pending'") == [(0,)]

    wait_until(done, 60, lambda: f"{rows} rows\n{query(store, 'SELECT * FROM counters')}\n{engine.said()[-2000:]}")
