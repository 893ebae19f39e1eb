"""The tables of docs/shipped-rules.md are the rules of rules/; only the reasons are written by hand."""

from __future__ import annotations

from iotrules.language import load_files, read_directory
from iotrules.model.rules import Absence, CommandStep, Hold, InvokeStep, PublishStep, Rule, Severity, Step, rungs_of
from iotrules.model.sequences import Sequence, sequence_text
from iotrules.model.times import duration_words
from tests.end_to_end.processes import REPOSITORY

TEXT = (REPOSITORY / "docs" / "shipped-rules.md").read_text()
RULES = load_files(read_directory(REPOSITORY / "rules")).rules
REASON = 3


def rows() -> dict[str, list[str]]:
    """The cells of each row that begins with a rule's name, by that name."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line[:3] == "| `"]
    return {cells[0].strip("`"): cells for cells in found}


def expected(rule: Rule) -> list[str]:
    """A row without its reason: name, severities, what is watched, what is done."""
    done = ", ".join(map(_step, rule.steps)) + (" (`dry_run`)" if rule.dry_run else "")
    return [f"`{rule.name}`", _severities(rule), _watched(rule), done or "alert"]


def _step(step: Step) -> str:
    match step:
        case CommandStep():
            said = f"command `{step.command}`"
        case InvokeStep():
            said = f"`{step.function}`"
        case PublishStep():
            said = "publishes"
    at = step.at.word if isinstance(step.at, Severity) else step.at.value
    return said if at == "firing" else f"{said} at {at}"


def _severities(rule: Rule) -> str:
    return ", ".join(rung.severity.word for rung in rungs_of(rule)) or rule.severity.word


def _watched(rule: Rule) -> str:
    if isinstance(rule.body, Absence):
        return f"silence{_hold(rule.body.hold)}"
    if isinstance(rule.body, Sequence):
        return f"`{sequence_text(rule.body)}`"
    conditions = [rung.condition for rung in rungs_of(rule)]
    return "; ".join(f"`{' '.join(one.text.split())}`{_hold(one.hold)}" for one in conditions)


def _hold(hold: Hold) -> str:
    if hold.nanoseconds is None:
        return f" for {hold.intervals:g} * interval"
    return f" for {duration_words(hold.nanoseconds)}" if hold.nanoseconds else ""


def test_every_rule_has_its_row_and_every_row_its_rule() -> None:
    assert sorted(rows()) == sorted(RULES)


def test_the_rows_say_what_the_rules_say() -> None:
    for name, rule in RULES.items():
        cells, wanted = rows()[name], expected(rule)
        said = cells[:REASON] + cells[REASON + 1 :]
        assert said == wanted, f"put this into docs/shipped-rules.md: {wanted}"
        assert cells[REASON], f"{name} has no reason"


def test_rules_stand_below_the_name_of_their_file() -> None:
    for section in TEXT.split("\n## ")[1:]:
        file = section.splitlines()[0]
        for name in [line.split("`")[1] for line in section.splitlines() if line[:3] == "| `"]:
            assert RULES[name].location.file.endswith(f"rules/{file}"), (file, name)
