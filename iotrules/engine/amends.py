"""What is kept of a source so that its past can be decided again: a state of before, and the samples since.

House rule: a function of the samples that were applied, and bounded: there are two states, `REACH` samples apart, and
the older one goes with the samples up to the newer one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from iotrules.engine.lifecycle import RuleState
from iotrules.engine.sources import Held
from iotrules.engine.tracks import TrackState

REACH = 64
"""A late sample is put in its place if it is no older than the newest so many, or up to twice as many."""


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """A key as it was: its track (None: it had none yet), and what its rules remembered. `at`: its clock then, ns."""

    at: int
    track: bytes | None
    rules: dict[str, bytes]

    @classmethod
    def of(cls, track: TrackState | None, rules: Mapping[str, RuleState]) -> Checkpoint:
        """Encoded, so that nothing that happens later changes it."""
        encode = msgspec.msgpack.encode
        kept = {name: encode(rule_state) for name, rule_state in rules.items()}
        if track is None or not track.sampled:
            return cls(0, None, kept)
        return cls(track.clock, encode(track), kept)

    def track_state(self) -> TrackState | None:
        return None if self.track is None else msgspec.msgpack.decode(self.track, type=TrackState)

    def rule_states(self) -> dict[str, RuleState]:
        return {name: msgspec.msgpack.decode(body, type=RuleState) for name, body in self.rules.items()}


class Log(msgspec.Struct, array_like=True):
    """Of one source: `base` is before all samples, `newer` (if there is one) before those from `split` on."""

    base: Checkpoint
    samples: list[Held] = []
    newer: Checkpoint | None = None
    split: int = 0

    def wants_checkpoint(self) -> bool:
        """Is it time for another one, before the next sample?"""
        return len(self.samples) - self.split >= REACH

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take in the state as it is; what is too long ago goes."""
        if self.newer is not None:
            self.base = self.newer
            del self.samples[: self.split]
        self.newer, self.split = checkpoint, len(self.samples)

    def reaches(self, at: int) -> bool:
        """Can a sample of event time `at` still be put in its place?"""
        return self.base.track is None or at >= self.base.at

    def has(self, sample: Held) -> bool:
        """Has the very same been put there already?"""
        place = (sample.at, sample.number, sample.digest)
        return any((one.at, one.number, one.digest) == place for one in self.samples)

    def insert(self, sample: Held) -> None:
        """Put a sample in its place: by event time, at the same one by the device's count, then by content."""
        place = bisect_right(self.samples, _place(sample), key=_place)
        self.samples.insert(place, sample)
        if place < self.split:
            self.split += 1


def _place(sample: Held) -> tuple[int, int, int]:
    return sample.at, sample.number, sample.digest
