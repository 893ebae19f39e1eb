"""The judge on histories made by hand: a good one that passes, and for each invariant a small change that does not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import Case, judge
from tests.chaos.facts import Facts, Tables
from tests.chaos.oracle import Alert, Expected
from tests.chaos.plant import Threshold

KEY = '{"site":"A","device":"d1"}'
NAME = "trip~site=A,device=d1~7~1~0~0"
TELL = "tell~site=A,device=d1~7~1~0~0"
RULES = (
    Threshold("trip", "env", "temp", 92, 60, does=("command",)),
    Threshold("tell", "env", "temp", 88, 60, does=("publish",)),
)
SECOND = 1_000_000_000


def transition(rule: str, number: int, after: str, at: int) -> dict[str, Any]:
    before = "inactive" if after == "firing" else "firing"
    return {
        "rule": rule,
        "key": KEY,
        "number": number,
        "episode": 7,
        "sequence": 7,
        "before": before,
        "after": after,
        "at": at,
    }


def good() -> Case:
    """A message that trips a rule, the command, its execution; all of it in the store."""
    facts = Facts()
    facts.sent = {"m1": 0, "m2": SECOND}
    facts.taken = {"m1", "m2"}
    facts.acknowledged = {"m1": 1_000_000, "m2": SECOND + 1_000_000}
    facts.acknowledgements = [1_000_000, SECOND + 1_000_000]
    command = {"d": "d1", "id": NAME, "command": "shutdown", "w": 1500, "expires": 20_000, "t": SECOND, "topic": "t"}
    facts.commands = [{**command, "retain": False, "verdict": "executed"}]
    body = json.dumps({"id": NAME, "expires": 20_000})
    facts.engine_sent = [{"t": SECOND, "topic": "site/A/dev/d1/cmd", "retain": False, "body": body}]
    facts.sinks = [{"topic": "chaos/sink/d1", "body": "{}"}]
    facts.harness = [
        {"t": 1, "e": "rules", "good": True},
        {"t": 2, "e": "measured", "pid": 1, "rss": 1 << 20, "fds": 20},
        {"t": 2 * SECOND, "e": "died", "commands": [NAME]},
    ]  # fmt: skip
    expected = Expected(logged={"m1", "m2"}, sequences={7}, reloads=1, rule_names={"trip", "tell"})
    expected.counts = Counter({("received", ""): 2, ("applied", "env"): 2})
    for rule in ("trip", "tell"):
        expected.alerts[rule, "d1"] = Alert(story=[("firing", 5), ("resolved", None)])
    tables: Tables = {
        "transitions": [
            transition(rule, 1 + n, after, 5)
            for rule in ("trip", "tell")
            for n, after in enumerate(("firing", "resolved"))
        ],
        "ledger": [
            {"id": NAME, "sequence": 7, "kind": "command", "target": "site/A/dev/d1/cmd", "state": "done"},
            {"id": TELL, "sequence": 7, "kind": "publish", "target": "chaos/sink/d1", "state": "done"},
        ],
        "commands": [{"id": NAME, "device": "d1", "state": "succeeded", "issued": 0, "expires": 20 * SECOND}],
        "dead_letters": [],
        "counters": [
            {"counter": "received", "label": "", "total": 2}, {"counter": "applied", "label": "env", "total": 2},
        ],
    }  # fmt: skip
    return Case(facts, expected, tables, RULES, ({"alerts 0": "x"}, {"alerts 0": "x"}), waits_p99_ms=100)


def test_a_good_history_passes() -> None:
    assert judge(good()) == []


def unlogged(case: Case) -> None:
    case.expected.logged.discard("m2")


def without_effect(case: Case) -> None:
    case.tables["ledger"] = [row for row in case.tables["ledger"] if row["id"] != TELL]


def effect_of_nothing(case: Case) -> None:
    case.tables["ledger"].append({**case.tables["ledger"][1], "id": TELL.replace("~1~0~0", "~9~0~0")})


def without_input(case: Case) -> None:
    case.expected.sequences.clear()


def left_too_early(case: Case) -> None:
    case.facts.harness[-1]["commands"] = []


def fired_twice(case: Case) -> None:
    case.tables["transitions"].append(transition("tell", 3, "firing", 9))


def never_fired(case: Case) -> None:
    case.tables["transitions"] = case.tables["transitions"][2:]
    case.tables["ledger"] = case.tables["ledger"][1:]


def pending(case: Case) -> None:
    case.tables["ledger"][1]["state"] = "pending"


def untold(case: Case) -> None:
    case.facts.sinks.clear()


def executed_twice(case: Case) -> None:
    case.facts.commands *= 2


def executed_elsewhere(case: Case) -> None:
    case.facts.commands[0]["d"] = "d2"


def unknown_command(case: Case) -> None:
    case.facts.commands[0]["id"] = "another"


def retained(case: Case) -> None:
    case.facts.engine_sent[0]["retain"] = True


def sent_too_late(case: Case) -> None:
    case.facts.commands[0] |= {"w": 30_000, "t": 30 * SECOND, "verdict": "expired"}
    case.facts.engine_sent[0]["t"] = 30 * SECOND


def never_executed(case: Case) -> None:
    case.facts.commands.clear()


def failed_by_a_stranger(case: Case) -> None:
    case.tables["commands"][0]["state"] = "failed"


def another_dump(case: Case) -> None:
    case.dumps[1]["alerts 0"] = "y"


def counted_twice(case: Case) -> None:
    case.tables["counters"][1]["total"] = 3


def called_late(case: Case) -> None:
    case.tables["counters"].append({"counter": "late", "label": "env", "total": 1})


def slow(case: Case) -> None:
    case.facts.acknowledged["m1"] = SECOND


def grown(case: Case) -> None:
    case.facts.harness.append({"t": 3, "e": "measured", "pid": 1, "rss": 900 << 20, "fds": 20})


def open_files(case: Case) -> None:
    case.facts.harness.append({"t": 3, "e": "measured", "pid": 1, "rss": 1 << 20, "fds": 1000})


def bad_rules_used(case: Case) -> None:
    case.expected.reloads = 2


def silent_about_the_disk(case: Case) -> None:
    case.facts.harness.append({"t": 3, "e": "disk full", "said": False})


def gone_for_good(case: Case) -> None:
    case.facts.harness.append({"t": 3 * SECOND, "e": "disk free"})


def ended(case: Case) -> None:
    case.facts.harness.append({"t": 3, "e": "engine ended by itself", "code": 1, "expected": False})


def no_dead_letter(case: Case) -> None:
    case.expected.dead["m1"] = 1


def taken_for_good(case: Case) -> None:
    case.facts.poison["m1"] = {"bad": True, "size": 10}


def unaccounted(case: Case) -> None:
    case.tables["counters"][0]["total"] = 3


BAD: list[tuple[str, Callable[[Case], None]]] = [
    ("I1", unlogged), ("I2", without_effect), ("I2", effect_of_nothing), ("I2", without_input), ("I2", left_too_early),
    ("I3", fired_twice), ("I3", never_fired), ("I3", pending), ("I3", untold), ("I4", executed_twice),
    ("I4", executed_elsewhere), ("I4", unknown_command), ("I4", retained), ("I4", sent_too_late),
    ("I4", never_executed), ("I4", failed_by_a_stranger), ("I5", another_dump), ("I6", counted_twice),
    ("I6", called_late), ("I7", slow), ("I8", grown), ("I8", open_files), ("I9", bad_rules_used),
    ("I10", silent_about_the_disk), ("I10", gone_for_good), ("I10", ended), ("I11", no_dead_letter),
    ("I11", taken_for_good), ("I11", unaccounted),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "spoil"), BAD, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_bad_history_is_named(invariant: str, spoil: Callable[[Case], None]) -> None:
    case = good()
    spoil(case)
    assert invariant in {finding.invariant for finding in judge(case)}


def test_the_smallest_counter_example_is_given() -> None:
    case = good()
    case.facts.acknowledged |= {"abc": 1, "ab": 1}
    case.facts.sent |= {"abc": 0, "ab": 0}
    (finding,) = judge(case)
    assert str(finding) == "I1: acknowledged by the engine, and not in its journal: ab (and 1 more)"


def test_what_a_killed_broker_lost_is_not_held_against_the_engine() -> None:
    case = good()
    case.facts.taken.add("m3")
    case.facts.sent["m3"] = 0
    assert [finding.invariant for finding in judge(case)] == ["I1"]
    assert judge(replace(case, broker_kept=False)) == []


def test_a_command_that_no_way_led_to_is_not_missed() -> None:
    case = good()
    never_executed(case)
    case.facts.harness += [
        {"t": 3, "e": "down", "what": "engine", "w": 0},
        {"t": 4, "e": "up", "what": "engine", "w": 15 * SECOND},
    ]
    assert judge(case) == []
