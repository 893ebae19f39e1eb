"""Prometheus metrics of the engine, added up per commit.

House rule: labels come from closed sets (rules, functions, reasons, states), never from devices, topics or text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from iotrules import __version__
from iotrules.model.decisions import ActiveAlert, AlertState, CommandState, Decision, LedgerChange, Transition
from iotrules.model.rules import RuleSet, Severity, is_about_rule
from iotrules.model.sequences import Sequence as Steps
from iotrules.model.times import SECOND
from iotrules.ports import Entry

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SEQUENCE_EVENTS = ("late", "repeated", "evicted")
DURATION_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900)

BEYOND_BOUNDS = (
    "keys_evicted", "keys_refused", "episodes_refused", "pending_refused", "device_states_evicted", "commands_refused",
    "invocations_refused",
)  # fmt: skip
"""Counters of the engine: see docs/operations.md for each bound."""


class EngineMetrics:
    """An observer that keeps the registry behind `/metrics`."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the package has no type for it
        self.registry = CollectorRegistry()
        counter, gauge = self._counter, self._gauge
        self._received = counter("messages_received", "Messages taken from the broker.", ["source"])
        self._applied = counter("messages_applied", "Messages applied to their device.", ["stream"])
        self._dropped = counter("messages_dropped", "Messages that change nothing, by reason.", ["reason"])
        self._early = counter("messages_early", "Messages decided on before their late was over.", ["stream"])
        self._amended = counter(
            "messages_amended", "Messages that came too late and were put in their place.", ["stream"]
        )
        self._ahead = counter("clock_ahead", "Messages whose time was too far ahead of ours to be used.", ["stream"])
        self._missing = counter("messages_missing", "Messages that devices counted and that never came.", ["stream"])
        self._shed = counter("messages_shed", "Messages over the limit of their stream, not taken in.", ["stream"])
        self._unaccounted = counter(
            "messages_unaccounted", "Messages that became nothing, or two things: a fault of the engine.", []
        )
        self._rejected = counter("messages_rejected", "Messages put into the dead letters, by reason.", ["reason"])
        self._evaluations = counter("rule_evaluations", "Conditions evaluated.", ["rule"])
        self._unknown = counter("rule_unknown", "Conditions that could not be known.", ["rule"])
        self._errors = counter("rule_errors", "Conditions that failed in arithmetic or by policy.", ["rule"])
        self._sequences = counter(
            "sequence_events", "Late messages, further matches and evicted runs of sequences.", ["rule", "event"]
        )
        self._beyond = counter("beyond_bounds", "What was refused or forgotten for want of room.", ["what"])
        self._transitions = counter("alert_transitions", "Alert transitions.", ["rule", "severity", "to"])
        self._active = gauge("alerts_active", "Alerts pending or firing since the start.", ["severity", "state"])
        self._invocations = counter("function_invocations", "Attempts to run a function.", ["function", "outcome"])
        self._cold = counter("function_cold_starts", "Attempts that started an environment.", ["function"])
        self._duration = self._histogram("function_duration_seconds", "Run time of a function.", DURATION_BUCKETS)
        self._commands = counter("commands", "Command states entered.", ["status"])
        self._commit = self._histogram("commit_seconds", "Deciding and committing one batch.", LATENCY_BUCKETS)
        self._alert_lag = self._histogram(
            "event_to_alert_seconds", "From the deciding sample's event time to the firing.", LATENCY_BUCKETS
        )
        self._reloads = counter("rule_reloads", "Changed rule files, taken or refused.", ["outcome"])
        self._is_active = gauge("active", "1: this engine is the active one on its store, 0: it waits or ends.", [])
        self._epoch = gauge("epoch", "Of the store's lease: goes up with each engine that becomes active.", [])
        self._takeovers = counter("takeovers", "Engines after which this one became active.", ["how"])
        self._undelivered = gauge("queue_depth", "Effects in the ledger that are not settled.", [])
        self._expired = counter("store_expired", "Rows that the store let go of, being old or too many.", ["table"])
        self._unavailable = gauge("store_unavailable", "1 while nothing can be stored, so nothing is taken.", [])
        self._active_alerts: dict[tuple[str, str], tuple[str, str]] = {}
        Info("iotrules_build", "The running program.", registry=self.registry).info({"version": __version__})

    def know(self, rules: RuleSet, functions: frozenset[str]) -> None:
        """Make the known series exist at 0, so that rates over them do from the first scrape."""
        self._received.labels("mqtt")
        for how in ("ended", "died", "stopped"):
            self._takeovers.labels(how)
        self._received.labels("replay")
        for outcome in ("applied", "unchanged", "refused"):
            self._reloads.labels(outcome)
        for stream in rules.streams:
            for metric in (self._applied, self._early, self._amended, self._ahead, self._missing, self._shed):
                metric.labels(stream)
        for reason in ("duplicate", "late"):
            self._dropped.labels(reason)
        for what in BEYOND_BOUNDS:
            self._beyond.labels(what)
        for rule in rules.rules.values():
            for metric in (self._evaluations, self._unknown, self._errors):
                metric.labels(rule.name)
            for event in _SEQUENCE_EVENTS if isinstance(rule.body, Steps) else ():
                self._sequences.labels(rule.name, event)
            for state in (AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED, AlertState.INACTIVE):
                self._transitions.labels(rule.name, rule.severity.word, state.value)
        for severity in Severity:
            for word in ("pending", "firing"):
                self._active.labels(severity.word, word)
        for function in functions:
            self._cold.labels(function)
            for outcome in ("done", "retry", "failed"):
                self._invocations.labels(function, outcome)
        for status in CommandState:
            self._commands.labels(status.value)

    def reloaded(self, outcome: Literal["applied", "unchanged", "refused"]) -> None:
        """Rule files were read again while running."""
        self._reloads.labels(outcome).inc()

    def store_trouble(self, unavailable: bool) -> None:
        """The store can't be written now, or can again."""
        self._unavailable.set(unavailable)

    def activated(self, epoch: int, after: str) -> None:
        """This engine is the active one now; `after`: what became of the one before, "" if there was none."""
        self._is_active.set(1)
        self._epoch.set(epoch)
        if after:
            self._takeovers.labels(after).inc()

    def ended(self) -> None:
        """This engine is not the active one any more."""
        self._is_active.set(0)

    def serve(self, host: str, port: int) -> int:
        """Answer `/metrics` on a thread; the port in use is returned. OSError if it is taken."""
        server, _ = prometheus_client.start_http_server(port, host, self.registry)
        return int(server.server_port)

    def recovered(self, undelivered: int, alerts: Sequence[ActiveAlert]) -> None:
        self._undelivered.set(undelivered)
        for labels in self._active_alerts.values():
            self._active.labels(*labels).dec()
        self._active_alerts = {
            (alert.rule, alert.key.text): (alert.severity.word, alert.state.value) for alert in alerts
        }
        for labels in self._active_alerts.values():
            self._active.labels(*labels).inc()

    def committed(self, entries: Sequence[Entry], seconds: float) -> None:
        if not entries:
            return
        self._commit.observe(seconds)
        for entry in entries:
            self._add(entry.decision)

    def _add(self, decision: Decision) -> None:
        for (counter, label), count in decision.counts.items():
            self._add_count(counter, label, count)
        for letter in decision.dead_letters:
            self._rejected.labels(letter.reason).inc()
        for transition in decision.transitions:
            self._add_transition(transition)
        for command in decision.commands:
            self._commands.labels(command.state.value).inc(command.entered)
        for change in decision.ledger:
            self._add_attempt(change)
        self._undelivered.inc(len(decision.effects))
        self._undelivered.dec(sum(change.state != "pending" for change in decision.ledger))

    def _add_count(self, counter: str, label: str, count: int) -> None:
        match counter:
            case "received":
                self._received.labels(label or "mqtt").inc(count)
            case "applied":
                self._applied.labels(label).inc(count)
            case "duplicate" | "late":
                self._dropped.labels(counter).inc(count)
            case "released_early":
                self._early.labels(label).inc(count)
            case "amended":
                self._amended.labels(label).inc(count)
            case "messages_missing":
                self._missing.labels(label).inc(count)
            case "shed":
                self._shed.labels(label).inc(count)
            case "unaccounted":
                self._unaccounted.inc(count)
            case "clock_ahead":
                self._ahead.labels(label).inc(count)
            case "evaluations":
                self._evaluations.labels(label).inc(count)
            case "unknown":
                self._unknown.labels(label).inc(count)
            case "sequence_late" | "sequence_repeated" | "sequence_evicted":
                self._sequences.labels(label, counter.removeprefix("sequence_")).inc(count)
            case "expired":
                self._expired.labels(label).inc(count)
            case _ if counter in BEYOND_BOUNDS:
                self._beyond.labels(counter).inc(count)
            case "rule_errors":
                self._errors.labels(label.partition(":")[0]).inc(count)

    def _add_attempt(self, change: LedgerChange) -> None:
        """One attempt to run a function, if that is what the ledger row was."""
        if change.usage is None:
            return
        outcome = "retry" if change.state == "pending" else change.state
        self._invocations.labels(change.function, outcome).inc()
        self._duration.observe(change.usage.duration_ms / 1000)
        if change.usage.cold:
            self._cold.labels(change.function).inc()

    def _add_transition(self, transition: Transition) -> None:
        severity, state = transition.severity.word, transition.after.value
        self._transitions.labels(transition.rule, severity, state).inc()
        name = (transition.rule, transition.key.text)
        before = self._active_alerts.pop(name, None)
        if before is not None:
            self._active.labels(*before).dec()
        if transition.after in (AlertState.PENDING, AlertState.FIRING):
            self._active_alerts[name] = (severity, state)
            self._active.labels(severity, state).inc()
        opened = transition.after is AlertState.FIRING and transition.before is not AlertState.FIRING
        if opened and not is_about_rule(transition.rule):
            self._alert_lag.observe(max(0, transition.decided - transition.at) / SECOND)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"iotrules_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"iotrules_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"iotrules_{name}", text, buckets=buckets, registry=self.registry)
