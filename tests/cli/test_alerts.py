"""`iotrules alerts`: why nobody was notified stands beside the alert."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner

from iotrules.cli.alerts import command
from iotrules.stores.sqlite import SqliteStore
from tests.stores.entries import Author


async def _store(path: Path) -> None:
    author, store = Author("  r: {from: env, when: temp > 85, cooldown: 1h}"), SqliteStore(path)
    await store.open()
    entries = [author.begin(), *(author.message(temp=temp) for temp in (90, 60, 90))]
    entries.append(author.message("b2", temp=90))
    await store.commit(entries, author.engine.rules)
    await store.close()


def test_a_muted_alert_says_why(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    asyncio.run(_store(path))
    result = CliRunner().invoke(command, ["--store", str(path), "--json"])
    muted = {alert["device"]: alert["muted"] for alert in json.loads(result.output)["alerts"]}
    assert muted["b1"].startswith("cooldown until 2026-")
    assert muted["b2"] == ""
    lines = CliRunner().invoke(command, ["--store", str(path)]).output.splitlines()
    shown = {device: line for line in lines for device in ("b1", "b2") if f" {device} " in line}
    assert f"(muted: {muted['b1']})" in shown["b1"]
    assert "muted" not in shown["b2"]
