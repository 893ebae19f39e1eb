"""What the engine decided, in the log: alerts, commands and refused messages, never every message."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from iotrules.model.decisions import ActiveAlert
from iotrules.model.inputs import Discard, Replay
from iotrules.ports import Entry

log = structlog.get_logger()


class LogObserver:
    """Writes one line for each thing that a person may want to find again."""

    def recovered(self, undelivered: int, alerts: Sequence[ActiveAlert]) -> None:
        if undelivered or alerts:
            log.info("going on", undelivered_effects=undelivered, active_alerts=len(alerts))

    def committed(self, entries: Sequence[Entry], seconds: float) -> None:
        for entry in entries:
            for change in entry.decision.transitions:
                log.info(
                    "alert",
                    rule=change.rule,
                    key=str(change.key),
                    state=change.after.value,
                    severity=change.severity.word,
                    episode=change.episode,
                    reason=change.reason,
                    muted=change.muted,
                    amended=change.amended,
                )
            for command in entry.decision.commands:
                log.info(
                    "command",
                    id=command.id,
                    name=command.name,
                    state=command.state.value,
                    detail=command.detail,
                )
            for settled in entry.decision.ledger:
                if settled.state != "done":
                    log.warning("effect", id=settled.effect, state=settled.state, detail=settled.detail)
            for letter in entry.decision.dead_letters:
                log.warning("dead letter", topic=letter.topic, reason=letter.reason, detail=letter.detail)
            _tell_of_letters(entry)
            _tell_of_unaccounted(entry)


def _tell_of_letters(entry: Entry) -> None:
    """Who did what to dead letters: the one lasting record of those that are gone."""
    match entry.value:
        case Replay(letters, who, why):
            stay = len(entry.decision.dead_letters)
            numbers = entry.decision.letters_gone
            log.info("dead letters replayed", by=who, why=why, asked=len(letters), stay=stay, gone=numbers)
        case Discard(numbers, who, why):
            log.info("dead letters dropped", by=who, why=why, gone=list(numbers))
        case _:
            pass


def _tell_of_unaccounted(entry: Entry) -> None:
    for (counter, label), count in entry.decision.counts.items():
        if counter == "unaccounted":
            log.error(
                "messages are not accounted for: a fault of the engine", sequence=entry.sequence, **{label: count}
            )
