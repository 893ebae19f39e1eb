"""Comments that allow a finding of `iotrules lint`."""

from __future__ import annotations

import pytest

from iotrules.language import load_files
from iotrules.language.linting import lint
from tests.language.rule_files import HEAD

SHORT = """\
rules:
  ABOVE
  r: BESIDE
    from: env
    when: door
    for: 5s AT
  s: {absent: env, for: 1m}
"""


def allowed(*, above: str = "# a", beside: str = "", at: str = "") -> list[str]:
    rules = SHORT.replace("ABOVE", above).replace("BESIDE", beside).replace("AT", at)
    files = {"r.yaml": HEAD + rules}
    return [f"{one.code} {one.problem.line}" for one in lint(files, load_files(files))]


def test_a_comment_with_a_reason_allows_a_finding() -> None:
    comment = "# lint: allow L003 because one message is enough"
    assert allowed() == ["L003 30"]
    assert allowed(above=comment) == []
    assert allowed(beside=comment) == []
    assert allowed(at=comment) == []


def test_a_comment_allows_several() -> None:
    rules = "  # lint: allow L003, L009 because of this\n  r: {from: env, by: [site], when: door, for: 5s}\n"
    files = {"r.yaml": f"{HEAD}rules:\n{rules}"}
    assert lint(files, load_files(files)) == []


@pytest.mark.parametrize(
    "comment",
    ["# lint: allow L003", "# lint: allow L003 because", "# lint: allow L999 because x", "# lint: ignore"],
)
def test_a_comment_without_reason_or_sense_allows_nothing(comment: str) -> None:
    assert allowed(above=comment) == ["L010 26", "L003 30"]


def test_a_comment_that_allows_nothing_is_found() -> None:
    assert allowed(above="# lint: allow L004 because x") == ["L010 26", "L003 30"]
    assert allowed(at="# lint: allow L009 because x") == ["L003 30", "L010 30"]


def test_a_comment_at_a_rules_end_is_not_about_the_next() -> None:
    rules = "  a: {from: env, when: door} # lint: allow L003 because x\n  b: {from: env, when: not door, for: 5s}\n"
    files = {"r.yaml": f"{HEAD}rules:\n{rules}"}
    assert [one.code for one in lint(files, load_files(files))] == ["L010", "L003"]


def test_a_text_is_no_comment() -> None:
    for text in ('"a # lint: no"', "|\n      # lint: no", "a\n      b#lint:no"):
        files = {"r.yaml": f"{HEAD}rules:\n  r:\n    from: env\n    when: door\n    description: {text}\n"}
        assert lint(files, load_files(files)) == []
