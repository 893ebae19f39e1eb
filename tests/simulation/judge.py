"""The judge: whether what was seen in a run keeps the promises I1 to I12. Its own code, over facts and rows.

House rule: the engine is asked in one place only, for I5, where an uninterrupted one is given the very same inputs.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from iotrules.model.inputs import Messages
from iotrules.model.times import MILLISECOND
from tests.simulation.facts import Message
from tests.simulation.oracle import Episode, Reading, episodes
from tests.simulation.outcome import Outcome
from tests.simulation.plant import LASTING
from tests.simulation.uninterrupted import row_differences, state_differences

Fault: TypeAlias = str
"""`I4 brief~… was sent 2.1 s after it expired`: the promise, and how it was broken."""

_ACCOUNTED = ("applied", "duplicate", "late", "dead_letters", "shed", "waiting", "abandoned")


def judge(outcome: Outcome) -> list[Fault]:
    """Every promise that was broken; none if all is well."""
    found = [f"I12 {wrong}" for wrong in outcome.facts.wrong]
    for check in _CHECKS:
        found += check(outcome)
    return found


def _arrived(outcome: Outcome) -> list[Message]:
    """Every message in the journal, in its order."""
    return [
        (arrival.topic, arrival.payload)
        for _, given in sorted(outcome.facts.journal.items())
        if isinstance(given.value, Messages)
        for arrival in given.value.arrivals
    ]


def _acknowledged_is_kept(outcome: Outcome) -> Iterator[Fault]:
    durable = set(_arrived(outcome))
    for topic, payload in dict.fromkeys(outcome.facts.acknowledged):
        if (topic, payload) not in durable:
            yield f"I1 acknowledged, and not in the journal: {topic} {payload!r}"


def _taken_is_decided_on(outcome: Outcome) -> Iterator[Fault]:
    """Once all is well again, all that the broker has taken is in the journal, and acknowledged."""
    durable = set(_arrived(outcome))
    for topic, payload in dict.fromkeys(outcome.facts.taken):
        if (topic, payload) not in durable:
            yield f"I1 taken by the broker, and never decided on: {topic} {payload!r}"
    if outcome.unheard:
        yield f"I10 {outcome.unheard} messages are not acknowledged, though nothing has been wrong for long"


def _all_is_accounted_for(outcome: Outcome) -> Iterator[Fault]:
    totals: Counter[str] = Counter()
    for row in outcome.tables["counters"]:
        totals[row["counter"]] += row["total"]
    arrived = len(_arrived(outcome))
    if totals["received"] != arrived:
        yield f"I11 the store counts {totals['received']} messages received, its journal had {arrived}"
    became = {name: totals[name] for name in _ACCOUNTED}
    if sum(became.values()) != arrived:
        yield f"I11 of {arrived} messages {became}"
    if len(outcome.tables["dead_letters"]) != totals["dead_letters"]:
        yield f"I11 {len(outcome.tables['dead_letters'])} dead letters are kept, {totals['dead_letters']} counted"


def _alerts_are_right(outcome: Outcome) -> Iterator[Fault]:
    """The alerts of `hot` are those that its journaled messages make, worked out by other means."""
    expected = episodes(_arrived(outcome))
    found: dict[str, list[Episode]] = defaultdict(list)
    rows = [row for row in outcome.tables["transitions"] if row["rule"] == "hot"]
    for row in sorted(rows, key=lambda row: (row["key"], row["number"])):
        found[json.loads(row["key"])["device"]].append(Episode(row["at"] // MILLISECOND, row["after"]))
    for device in sorted(expected.keys() | found.keys()):
        if expected[device] != found[device]:
            yield f"I3 hot on {device}: expected {_words(expected[device])}, found {_words(found[device])}"
    opened = Counter((row["key"], row["episode"], row["after"]) for row in rows)
    for (key, episode, after), times in opened.items():
        if times > 1:
            yield f"I3 hot on {key}: episode {episode} {after} {times} times"


def _words(steps: list[Episode]) -> str:
    return ", ".join(f"{step.state} at {step.at}" for step in steps) or "nothing"


def _applied_is_counted(outcome: Outcome) -> Iterator[Fault]:
    """Duplicates and late messages are told apart from new ones as the oracle does."""
    applied = sum(1 for step in Reading.all_of(_arrived(outcome)) if step.applied)
    rows = outcome.tables["counters"]
    counted = sum(row["total"] for row in rows if (row["counter"], row["label"]) == ("applied", "env"))
    if applied != counted:
        yield f"I6 {counted} messages were applied, {applied} are new and in time"


def _commands_leave_once(outcome: Outcome) -> Iterator[Fault]:
    """Each firing of `hot` asks for one command, with one id; no id has two contents."""
    firings = {
        (json.loads(row["key"])["device"], row["episode"])
        for row in outcome.tables["transitions"]
        if row["rule"] == "hot" and row["after"] == "firing"
    }
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    contents: dict[str, bytes] = {}
    for published in outcome.facts.published:
        if not published.topic.endswith("/cmd"):
            continue
        command = json.loads(published.payload)
        if contents.setdefault(command["id"], published.payload) != published.payload:
            yield f"I4 {command['id']} was sent with two contents"
        if command["command"] == "shutdown":
            ids[published.topic.split("/")[3], command["reason"]["episode"]].add(command["id"])
    for what in sorted(firings | ids.keys()):
        if len(ids[what]) != 1 or what not in firings:
            yield f"I2 {what[0]}, episode {what[1]} of hot: commands {sorted(ids[what])}"
    yield from _events_are_one(outcome)


def _events_are_one(outcome: Outcome) -> Iterator[Fault]:
    """A function that is asked again is asked the same; only what the device remembers may have moved on."""
    events: dict[str, dict[str, Any]] = {}
    for function, event in outcome.facts.invoked:
        read = json.loads(event)
        del read["state"], read["state_version"]
        if events.setdefault(read["id"], read) != read:
            yield f"I2 {function} was given {read['id']} with two contents"


def _done(outcome: Outcome) -> Counter[str]:
    """How often each command was carried out."""
    return Counter(json.loads(executed.payload)["id"] for executed in outcome.facts.executed)


def _commands_are_carried_out_once(outcome: Outcome) -> Iterator[Fault]:
    """Each at most once, in time, by its own device; and none is sent after it has expired."""
    for name, times in _done(outcome).items():
        if times > 1:
            yield f"I4 {name} was carried out {times} times"
    for executed in outcome.facts.executed:
        command = json.loads(executed.payload)
        if f"device={executed.device}~" not in command["id"]:
            yield f"I4 {command['id']} was carried out by {executed.device}"
        if executed.at >= command["expires"] * MILLISECOND:
            yield f"I4 {command['id']} was carried out after it expired"
    for published in outcome.facts.published:
        if published.topic.endswith("/cmd"):
            command = json.loads(published.payload)
            late = published.engine_now - command["expires"] * MILLISECOND
            if late >= MILLISECOND:
                yield f"I4 {command['id']} was sent {late / 1e9:.1f} s after it expired"


def _lasting_commands_arrive(outcome: Outcome) -> Iterator[Fault]:
    done = _done(outcome)
    for row in outcome.tables["commands"]:
        if row["name"] in LASTING and not done[row["id"]]:
            yield f"I4 {row['id']} was never carried out; it is {row['state']}"


def _effects_are_settled(outcome: Outcome) -> Iterator[Fault]:
    for row in outcome.tables["ledger"]:
        if row["state"] == "pending":
            yield f"I3 {row['id']} is still pending after {row['attempts']} attempts"


def _state_is_uninterrupted(outcome: Outcome) -> Iterator[Fault]:
    for difference in state_differences(outcome):
        yield f"I5 {difference}"


def _rows_are_uninterrupted(outcome: Outcome) -> Iterator[Fault]:
    for difference in row_differences(outcome):
        yield f"I5 {difference}"


Check: TypeAlias = Callable[[Outcome], Iterator[Fault]]

_CHECKS: tuple[Check, ...] = (
    _acknowledged_is_kept,
    _taken_is_decided_on,
    _commands_are_carried_out_once,
    _state_is_uninterrupted,
    _all_is_accounted_for,
    _alerts_are_right,
    _applied_is_counted,
    _commands_leave_once,
    _lasting_commands_arrive,
    _effects_are_settled,
    _rows_are_uninterrupted,
)
