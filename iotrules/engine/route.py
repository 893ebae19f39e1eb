"""From a topic to what it is: readings of streams, or the answer to a command. One look-up after the first message."""

from __future__ import annotations

from dataclasses import dataclass

from iotrules.model.levels import level_fault
from iotrules.model.rules import CommandTopics, RuleSet, Stream

MAX_CACHED = 100_000
"""Topics; whoever can publish can invent topics, so the cache is emptied when full."""


Labels = tuple[tuple[str, str], ...]
"""Captures in the topic's order, with their values."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a topic leads: to a stream's source, or it is an answer. `fault` says why it can't be used."""

    stream: Stream | None
    labels: Labels
    ack: Labels | None
    fault: str = ""


class Router:
    """Bounded cache over the patterns of a rule set."""

    __slots__ = ("_cache", "_commands", "_streams")

    def __init__(self, rules: RuleSet) -> None:
        self._streams = tuple(rules.streams.values())
        self._commands: CommandTopics | None = rules.commands
        self._cache: dict[str, Route] = {}

    def route(self, topic: str) -> Route:
        found = self._cache.get(topic)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = self._cache[topic] = self._resolve(topic)
        return found

    def _resolve(self, topic: str) -> Route:
        fault = next((fault for level in topic.split("/") if (fault := level_fault(level))), "")
        if fault:
            return Route(None, (), None, fault)
        for stream in self._streams:
            captured = stream.topic.match(topic)
            if captured is not None:
                return Route(stream, tuple(zip(stream.captures, captured, strict=True)), None)
        return Route(None, (), self._ack(topic))

    def _ack(self, topic: str) -> Labels | None:
        if self._commands is None:
            return None
        captured = self._commands.ack.match(topic)
        return None if captured is None else tuple(zip(self._commands.ack.captures, captured, strict=True))
