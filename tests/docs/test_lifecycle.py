"""The diagram of an alert's life in docs/rules.md is the engine's table."""

from __future__ import annotations

from iotrules.engine.lifecycle import TABLE
from iotrules.model.decisions import AlertState
from tests.end_to_end.processes import REPOSITORY


def _diagram() -> str:
    arrows = [f"    {before.value} --> {after.value}: {signal.value}" for (before, signal), after in TABLE.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {AlertState.INACTIVE.value}", *arrows, "```"])


def test_the_diagram_is_the_table() -> None:
    assert _diagram() in (REPOSITORY / "docs" / "rules.md").read_text(), f"put this into docs/rules.md:\n{_diagram()}"
