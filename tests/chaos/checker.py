"""The judge of a chaos run: pure functions over what was seen and what the store exports, one for each invariant.

House rules: nothing here comes from iotrules; a finding names its invariant and gives its smallest counter-example.
The invariants are those of docs/reliability.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.facts import Facts, Tables
from tests.chaos.history import Event, message_id
from tests.chaos.oracle import Expected
from tests.chaos.plant import Threshold

GRACE_MS = 1_500
"""A command may come this much after its expiry: brokers count in whole seconds."""

PROMPT_NS = 3_000_000_000
"""In less than that nobody has to be reached: the machine has other work."""

ENDED = ("firing", "resolved")
MAX_RSS_GROWTH, MAX_DESCRIPTORS = 400 * 1024 * 1024, 400
OUTSIDE = ("P",)
"""Sites of strangers, whose messages may say anything."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant that does not hold; `example` is its smallest counter-example."""

    invariant: str
    what: str
    example: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}: {self.example}"


@dataclass(frozen=True, slots=True)
class Case:
    """All that is judged. `dumps`: the store's, and that of an uninterrupted run over the same journal."""

    facts: Facts
    expected: Expected
    tables: Tables
    rules: Sequence[Threshold]
    dumps: tuple[dict[str, str], dict[str, str]] = ({}, {})
    broker_kept: bool = True
    """False: the broker was killed, and may have lost what it had acknowledged."""
    waits_p99_ms: float | None = None
    """What I7 allows; None: too much else runs here to judge it."""


def judge(case: Case) -> list[Finding]:
    """Every invariant that does not hold."""
    checks = (
        acked_telemetry, effect_once, only_from_ledger, alerts, sinks, commands, equivalence, duplicates, isolation,
        bounded, hot_reload, fail_safe, honest_errors,
    )  # fmt: skip
    return [finding for check in checks for finding in check(case)]


def acked_telemetry(case: Case) -> Iterator[Finding]:
    """I1: what the engine acknowledged is in the journal; and what the broker took comes there in the end."""
    acked = case.facts.acknowledged.keys() - {"unknown"} - case.expected.logged
    ours = [name for name in acked if name in case.facts.sent or name in case.facts.poison]
    yield from _finding("I1", "acknowledged by the engine, and not in its journal", ours)
    if case.broker_kept:
        lost = case.facts.taken & case.facts.sent.keys() - case.expected.logged
        yield from _finding("I1", "taken by the broker, and never in the journal", lost)


def effect_once(case: Case) -> Iterator[Finding]:
    """I2: a journal row, its transitions and its effects are there together, or not at all."""
    strange = [row for row in _rows(case, "transitions", "ledger") if row["sequence"] not in case.expected.sequences]
    yield from _finding("I2", "written without its input", (str(_brief(row)) for row in strange))
    does = {rule.name: rule.does for rule in case.rules if rule.does}
    effects = Counter(_origin(row["id"]) for row in case.tables["ledger"] if row["id"].endswith("~0"))
    asked = Counter(
        (row["rule"], row["key"], row["number"])
        for row in case.tables["transitions"]
        if row["after"] == "firing" and row["before"] != "firing" and row["rule"] in does
    )
    yield from _finding("I2", "fired without its effect", (str(one) for one in asked.keys() - effects.keys()))
    yield from _finding("I2", "an effect of nothing that fired", (str(one) for one in effects.keys() - asked.keys()))


def only_from_ledger(case: Case) -> Iterator[Finding]:
    """I2, its second half: what had left before an engine died, its store knew of by then."""
    left = sorted((event["t"], event["body"]) for event in case.facts.engine_sent if event["topic"].endswith("/cmd"))
    known: set[str] = set()
    unknown: list[str] = []
    at = 0
    for death in (event for event in case.facts.harness if event["e"] == "died"):
        known.update(death["commands"])
        while at < len(left) and left[at][0] < death["t"]:
            name = json.loads(left[at][1])["id"]
            unknown += [name] if name not in known else []
            at += 1
    yield from _finding("I2", "left before it was durable", unknown)


def alerts(case: Case) -> Iterator[Finding]:
    """I3: exactly the alerts that the messages ask for, each episode raised once and resolved once."""
    ended = [row for row in case.tables["transitions"] if row["after"] in ENDED and not _outside(row["key"])]
    twice = Counter((row["rule"], row["key"], row["episode"], row["after"]) for row in ended)
    yield from _finding("I3", "twice in one episode", (str(one) for one, times in twice.items() if times > 1))
    ended = [row for row in ended if not row["rule"].endswith("/gap")]  # what nobody can read lacks in the count
    known = {rule.name for rule in case.rules} | case.expected.rule_names
    found: dict[tuple[str, str], list[tuple[str, int | None]]] = {}
    for row in sorted(ended, key=lambda row: row["number"]):
        at = row["at"] if row["after"] == "firing" else None
        found.setdefault((row["rule"], _device(row["key"])), []).append((row["after"], at))
    strange = [row["rule"] for row in ended if row["rule"] not in known]
    yield from _finding("I3", "an alert that no rule of the plant raises", strange)
    skipped = {
        rule.name for rule in case.rules if rule.stream == "slow" and case.expected.counts["perhaps late", "slow"]
    }
    wanted = {key: alert.story for key, alert in case.expected.alerts.items() if alert.story}
    differing = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
    examples = (_difference(key, wanted.get(key, []), found.get(key, [])) for key in differing if key[0] not in skipped)
    yield from _finding("I3", "other alerts than the messages ask for", examples)


def sinks(case: Case) -> Iterator[Finding]:
    """I3, its second half: what left the ledger arrived, and at the end nothing waits."""
    restless = (json.dumps(event["what"]) for event in case.facts.harness if event["e"] == "not quiet")
    yield from _finding("I3", "never quiet", restless)
    pending = [row["id"] for row in case.tables["ledger"] if row["state"] == "pending"]
    yield from _finding("I3", "still to be delivered when all was quiet", pending)
    arrived = Counter(event["topic"] for event in case.facts.sinks)
    told = Counter(row["target"] for row in case.tables["ledger"] if row["kind"] == "publish")
    lacking = [f"{topic}: {arrived[topic]} of {times}" for topic, times in told.items() if arrived[topic] < times]
    yield from _finding("I3", "a sink did not hear of it", lacking if case.broker_kept else [])
    done = {row["id"] for row in case.tables["ledger"] if row["kind"] == "invoke" and row["state"] == "done"}
    noted = {event["id"] for event in case.facts.invocations}
    counted = {name for name in done if name.split("~", 1)[0] == "count"}
    yield from _finding("I3", "invoked according to the store alone", counted - noted)


def commands(case: Case) -> Iterator[Finding]:
    """I4: each command reaches its own device in time, is executed once, and is never retained."""
    executed = [event for event in case.facts.commands if event["verdict"] == "executed"]
    known = {row["id"]: row for row in case.tables["commands"]}
    twice = Counter((event["d"], event["id"]) for event in executed)
    yield from _finding("I4", "executed twice", (str(one) for one, times in twice.items() if times > 1))
    yield from _finding("I4", "executed, and unknown to the store", (e["id"] for e in executed if e["id"] not in known))
    foreign = (str(_brief(e)) for e in executed if e["id"] in known and known[e["id"]]["device"] != e["d"])
    yield from _finding("I4", "executed by another device", foreign)
    retained = (event["topic"] for event in case.facts.engine_sent if event["retain"])
    yield from _finding("I4", "published retained", retained)
    stale = [e for e in case.facts.commands if str(e["id"]) in known and e["w"] > int(e["expires"] or 0) + GRACE_MS]
    sent_late = [e["id"] for e in stale if _sent_after_expiry(case.facts, e)]
    yield from _finding("I4", "sent after it had expired", sent_late)
    bodies = [_body(event) for event in case.facts.engine_sent if _is_order(event)]
    unknown = [body["id"] for body in bodies if body["id"] not in known]
    yield from _finding("I4", "sent, and unknown to the store", unknown)
    yield from _finding(
        "I4", "failed by the word of another device", (n for n, r in known.items() if r["state"] == "failed")
    )
    yield from _unreached(case, {event["id"] for event in executed})


def _unreached(case: Case, executed: set[str]) -> Iterator[Finding]:
    """Commands that a device did not get, though it was there and the way was open for half of their time.

    A broker that was killed may have lost what it was given, and to whom it had to give it.
    """
    given = set() if case.broker_kept else {_body(event)["id"] for event in case.facts.engine_sent if _is_order(event)}
    rows = [row for row in case.tables["commands"] if row["id"] not in executed | given]
    there = [row for row in rows if row["device"] not in case.facts.unsteady]
    windows = list(blocked(case.facts))
    missed = [row["id"] for row in there if _open(windows, row) > max(PROMPT_NS, (row["expires"] - row["issued"]) / 2)]
    yield from _finding("I4", "never executed, though the device was there", missed)


def blocked(facts: Facts) -> Iterator[tuple[int, int]]:
    """(from, to) in wall clock ns, when the engine, the broker or the way between them was not there."""
    since: dict[str, int] = {}
    for event in facts.harness:
        if event["e"] == "down":
            since.setdefault(event["what"], event["w"])
        elif event["e"] == "up" and event["what"] in since:
            yield since.pop(event["what"]), event["w"]


def equivalence(case: Case) -> Iterator[Finding]:
    """I5: state, alerts, effects as after an uninterrupted run over the same journal, byte for byte."""
    left, right = case.dumps
    differing = [name for name in left.keys() | right.keys() if left.get(name) != right.get(name)]
    examples = (
        f"{name}: {left.get(name, 'nothing')[:400]} instead of {right.get(name, 'nothing')[:400]}" for name in differing
    )
    yield from _finding("I5", "other than an uninterrupted run leaves", examples)


def duplicates(case: Case) -> Iterator[Finding]:
    """I6: what came twice counts once, and what came in time is not late."""
    counters = _counters(case.tables)
    for stream in ("env", "slow"):
        doubt = case.expected.counts["perhaps late", stream]
        for word in ("applied", "duplicate", "late"):
            wanted, found = case.expected.counts[word, stream], counters[word, stream]
            if abs(wanted - found) > doubt:
                yield Finding("I6", f"{word} messages of {stream}", f"{found} counted, {wanted} in the journal")


def isolation(case: Case) -> Iterator[Finding]:
    """I7: a healthy device's message is acknowledged soon, whatever others send."""
    found = waits(case.facts)
    if case.waits_p99_ms is not None and found and (p99 := found[len(found) * 99 // 100] / 1e6) > case.waits_p99_ms:
        yield Finding("I7", "messages wait for their acknowledgement", f"p99 {p99:.0f} ms, not {case.waits_p99_ms:.0f}")


def waits(facts: Facts) -> list[int]:
    """From each message's being sent to the engine's acknowledgement, ns, the shortest first."""
    return sorted(facts.acknowledged[name] - at for name, at in facts.sent.items() if name in facts.acknowledged)


def bounded(case: Case) -> Iterator[Finding]:
    """I8: memory and descriptors of each engine stay under their caps."""
    samples = [event for event in case.facts.harness if event["e"] == "measured"]
    first = {event["pid"]: event["rss"] for event in reversed(samples)}
    grown = (
        f"{e['rss'] >> 20} MB, {first[e['pid']] >> 20} at first"
        for e in samples
        if e["rss"] > first[e["pid"]] + MAX_RSS_GROWTH
    )
    yield from _finding("I8", "memory", grown)
    yield from _finding("I8", "descriptors", (str(e["fds"]) for e in samples if e["fds"] > MAX_DESCRIPTORS))


def hot_reload(case: Case) -> Iterator[Finding]:
    """I9: good files are used once each, bad ones never; which rules met a message is judged with the alerts."""
    good = sum(event["e"] == "rules" and event["good"] for event in case.facts.harness)
    if case.expected.reloads > good:
        yield Finding("I9", "rule files that nobody wrote were used", f"{case.expected.reloads} reloads of {good}")


def fail_safe(case: Case) -> Iterator[Finding]:
    """I10: an engine that can't write acknowledges nothing, stays alive, and goes on by itself."""
    for event in case.facts.harness:
        if event["e"] == "disk free" and not any(at > event["t"] for at in case.facts.acknowledgements):
            yield Finding("I10", "did not go on when there was room again", f"t {event['t']}")
        if event["e"] == "disk full" and not event["said"]:
            yield Finding("I10", "said nothing of a disk that is full", f"t {event['t']}")
        if event["e"] == "engine ended by itself" and not event["expected"]:
            yield Finding("I10", "the engine ended", f"exit code {event['code']}")


def honest_errors(case: Case) -> Iterator[Finding]:
    """I11: what nobody can read is in the dead letters with its bytes, and all that came is accounted for."""
    dead = Counter(message_id(row["topic"].encode(), row["payload"][:4096]) for row in case.tables["dead_letters"])
    lacking = [name for name, times in case.expected.dead.items() if dead[name] < times]
    yield from _finding("I11", "unreadable, and not in the dead letters", lacking)
    unread = (name for name, event in case.facts.poison.items() if event["bad"] and event["size"] <= 4096)
    silent = [name for name in unread if name in case.facts.acknowledged and not dead[name]]
    yield from _finding("I11", "acknowledged, unreadable, and not in the dead letters", silent)
    counters = _counters(case.tables)
    received = sum(times for (word, _), times in counters.items() if word == "received")
    accounted = sum(times for (word, _), times in counters.items() if word in ("applied", "duplicate", "late"))
    accounted += len(case.tables["dead_letters"])
    if received != accounted:
        yield Finding("I11", "received is not applied + duplicate + late + dead", f"{received} != {accounted}")
    if received != case.expected.counts["received", ""]:
        yield Finding("I11", "received", f"{received} counted, {case.expected.counts['received', '']} in the journal")


def _finding(invariant: str, what: str, examples: Iterable[str]) -> Iterator[Finding]:
    """One finding for all examples, with the smallest."""
    found = sorted((str(one) for one in examples), key=lambda one: (len(one), one))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield Finding(invariant, what, f"{found[0]}{more}")


def _rows(case: Case, *tables: str) -> Iterator[dict[str, Any]]:
    return (row for table in tables for row in case.tables[table])


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "d", "rule", "key", "number", "sequence") if name in row}


def _origin(effect: str) -> tuple[str, str, int]:
    """(rule, key as JSON, transition's number) of an effect's id: RULE~LABELS~EPISODE~NUMBER~STEP~N."""
    rule, labels, _, number, *_ = effect.split("~")
    return rule, json.dumps(dict(pair.split("=", 1) for pair in labels.split(",")), separators=(",", ":")), int(number)


def _device(key: str) -> str:
    return str(json.loads(key).get("device", ""))


def _outside(key: str) -> bool:
    return json.loads(key).get("site") in OUTSIDE


def _difference(key: tuple[str, str], wanted: list[tuple[str, int | None]], found: list[tuple[str, int | None]]) -> str:
    """The first step at which two stories part."""
    pairs = enumerate(zip([*wanted, None], [*found, None], strict=False))
    step, (should, did) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    return f"{key[0]} of {key[1]}, step {step}: {did} instead of {should}"


def _sent_after_expiry(facts: Facts, command: dict[str, Any]) -> bool:
    """The engine itself published it too late (not: a broker that kept it, or somebody who replays it)."""
    sent = [e for e in facts.engine_sent if _is_order(e) and _body(e)["id"] == command["id"]]
    offset = command["w"] * 1_000_000 - command["t"]
    return any(event["t"] + offset > (int(command["expires"]) + GRACE_MS) * 1_000_000 for event in sent)


def _counters(tables: Tables) -> Counter[tuple[str, str]]:
    return Counter({(row["counter"], row["label"]): row["total"] for row in tables["counters"]})


def _is_order(event: Event) -> bool:
    return str(event["topic"]).endswith("/cmd")


def _body(event: Event) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(event["body"])
    return body


def _open(windows: list[tuple[int, int]], row: dict[str, Any]) -> int:
    """ns of a command's time in which the way was open."""
    begin, end = row["issued"], row["expires"]
    return int(end - begin - sum(max(0, min(end, until) - max(begin, since)) for since, until in windows))
