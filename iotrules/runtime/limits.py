"""The `limit` of streams: which messages are taken in, which wait for their turn, and which are shed.

House rule: only what a rule file says is shed, it is counted, and it is acknowledged with the commit that holds the
count. Commands' answers belong to no stream, so none of them is ever shed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from iotrules.model.inputs import Shed
from iotrules.model.rules import Limit, RuleSet
from iotrules.model.times import SECOND
from iotrules.ports import AckToken
from iotrules.runtime.fairness import Pair

MAX_TOPICS = 100_000
"""Topics whose rate is known; with more, the count begins anew for all but those of which something waits."""

MAX_KEPT = 200
"""Messages that wait for their turn: the broker sends a bounded number that is not acknowledged. Others are shed."""


@dataclass(slots=True)
class Bucket:
    """How many messages of a topic may come now, as of `at` (ns); `kept` waits for its turn."""

    limit: Limit
    left: float
    at: int
    kept: Pair | None = None

    def fill(self, now: int) -> None:
        gained = max(0, now - self.at) / SECOND * self.limit.rate
        self.left, self.at = min(self.limit.burst, self.left + gained), max(now, self.at)

    @property
    def due(self) -> int:
        """When there is room for one more, ns."""
        return self.at + math.ceil(max(0.0, 1 - self.left) / self.limit.rate * SECOND)


class Limits:
    """Of the rules in use. Buckets are not kept over a restart: they are full then."""

    def __init__(self) -> None:
        self._rules: RuleSet | None = None
        self._limited = False
        self._buckets: dict[str, Bucket | None] = {}
        self._keeping: dict[str, Bucket] = {}
        self._counts: dict[str, int] = {}
        self._tokens: list[AckToken] = []

    def use(self, rules: RuleSet) -> list[Pair]:
        """Go by these rules; what waited under others is to be taken in."""
        if rules is self._rules:
            return []
        freed = [bucket.kept for bucket in self._keeping.values() if bucket.kept is not None]
        self._rules, self._limited = rules, any(stream.limit for stream in rules.streams.values())
        self._buckets.clear()
        self._keeping.clear()
        return freed

    def admit(self, batch: Sequence[Pair]) -> Sequence[Pair]:
        """Those that are taken in now, in order."""
        return list(self._admitted(batch)) if self._limited else batch

    def release(self, now: int) -> list[Pair]:
        """Those that have waited until there is room for them."""
        due = [topic for topic, bucket in self._keeping.items() if bucket.due <= now]
        found = []
        for topic in due:
            bucket = self._keeping.pop(topic)
            bucket.fill(now)
            bucket.left -= 1
            if bucket.kept is not None:
                found.append(bucket.kept)
            bucket.kept = None
        return found

    @property
    def next_due(self) -> int | None:
        """When something that waits may be taken in, ns."""
        return min((bucket.due for bucket in self._keeping.values()), default=None)

    def take_shed(self) -> tuple[Shed | None, list[AckToken]]:
        """What was shed since the last call, and how to acknowledge it once that is durable."""
        if not self._counts:
            return None, []
        tokens, self._tokens = self._tokens, []
        counts, self._counts = self._counts, {}
        return Shed(tuple(sorted(counts.items()))), tokens

    def _admitted(self, batch: Sequence[Pair]) -> Iterator[Pair]:
        for pair in batch:
            topic = pair[0].topic
            bucket = self._buckets.get(topic) if topic in self._buckets else self._new_bucket(topic, pair[0].received)
            if bucket is None:
                yield pair
                continue
            bucket.fill(pair[0].received)
            if bucket.kept is not None and bucket.left >= 1:
                bucket.left -= 1
                yield bucket.kept
                bucket.kept = None
                del self._keeping[topic]
            if bucket.left >= 1:
                bucket.left -= 1
                yield pair
            elif bucket.limit.keep_newest and (bucket.kept is not None or len(self._keeping) < MAX_KEPT):
                if bucket.kept is not None:
                    self._shed(bucket.kept)
                bucket.kept = pair
                self._keeping[topic] = bucket
            else:
                self._shed(pair)

    def _shed(self, pair: Pair) -> None:
        self._counts[pair[0].topic] = self._counts.get(pair[0].topic, 0) + 1
        self._tokens.append(pair[1])

    def _new_bucket(self, topic: str, now: int) -> Bucket | None:
        if len(self._buckets) >= MAX_TOPICS:
            self._buckets = dict(self._keeping)
        streams = () if self._rules is None else self._rules.streams.values()
        limit = next((one.limit for one in streams if one.limit and one.topic.match(topic) is not None), None)
        bucket = self._buckets[topic] = None if limit is None else Bucket(limit, limit.burst, now)
        return bucket
