"""The life of a command in docs/rules.md is the engine's; the requests of the control socket are described."""

from __future__ import annotations

import re

import pytest

from iotrules.engine.commands import LIFE
from iotrules.model.decisions import CommandState, Decision
from iotrules.model.inputs import Input
from iotrules.runtime.control import operator_requests
from tests.end_to_end.processes import REPOSITORY

RULES = (REPOSITORY / "docs" / "rules.md").read_text()
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("state", LIFE)
def test_what_may_come_after_a_state_is_what_the_engine_allows(state: CommandState) -> None:
    (row,) = re.findall(rf"^\| `{state.value}` \|[^|]*\| ([^|]*) \|$", RULES, re.MULTILINE)
    assert row == ", ".join(f"`{after.value}`" for after in LIFE[state])


def test_every_state_is_described() -> None:
    section = RULES[RULES.index("## A command's life") :]
    for state in CommandState:
        assert f"`{state.value}`" in section[: section.index("\n## ", 3)]


def test_every_request_of_the_control_socket_is_described() -> None:
    async def ask(_: Input) -> Decision:
        return Decision()

    for name in operator_requests(ask):
        assert f"| `{name}` |" in OPERATIONS
