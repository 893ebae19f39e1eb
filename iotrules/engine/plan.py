"""A rule set, compiled for the engine: what each stream's keys have to keep, and which rules look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iotrules.engine.buffers import Buffer, buffer_of, buffers_of
from iotrules.engine.covered import covers
from iotrules.engine.decoder import Decoder, decoder_of
from iotrules.engine.firings import Firings
from iotrules.engine.fuse import Fused, fuse
from iotrules.engine.muting import Inhibitors, inhibitors_of, rank
from iotrules.engine.registry import Directory
from iotrules.engine.route import Router
from iotrules.engine.sequence_plan import SequencePlan, compile_sequences
from iotrules.engine.sources import values_as_they_are
from iotrules.engine.ties import NO_TIES, Place, Ties, kept_under, places_of, streams_under, weave
from iotrules.engine.tracks import MAX_GAP_INTERVALS, NEVER, Track, TrackName
from iotrules.engine.wakeups import every_and_horizon
from iotrules.engine.windows import MAX_SAMPLES
from iotrules.model.decisions import Decision
from iotrules.model.expression import Expression, Window, fields, own_windows
from iotrules.model.guards import CONTINUE
from iotrules.model.rules import (
    NO_HOLD,
    Absence,
    Hold,
    Rule,
    RuleSet,
    Rung,
    Stream,
    conditions_of,
    holds_of,
    joined_stream,
    rungs_of,
)
from iotrules.model.times import SECOND


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with what the engine needs of it. `every` is None if time alone can't change its condition."""

    rule: Rule
    stream: Stream
    rungs: tuple[Rung, ...]
    every: int | None
    horizon: int
    counts_intervals: bool
    """Is a hold given in reporting intervals?"""
    inhibitors: Inhibitors
    rank: int
    """At one instant, rules of a lower rank move first: those that inhibit before those that they mute."""
    kept: str
    """What its tracks are kept under."""
    max_gap: int | None = None
    """As declared, by the rule or its stream; of a rule over members by the rule alone."""
    reads: frozenset[str] = frozenset()
    """The fields that its conditions read."""

    def silence_allowed(self, track: Track) -> int | None:
        """The longest silence of a key, ns, that breaks no hold; None while that is not known."""
        return track.max_gap(self.stream.interval) if self.max_gap is None else self.max_gap


@dataclass(frozen=True, slots=True, eq=False)
class TrackPlan:
    """One way in which a stream's messages are keyed, with what has to be kept for each key."""

    stream: Stream
    by: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    places: dict[Window, int]
    """Which buffer a window looks through."""
    rules: tuple[CompiledRule, ...]
    conditions: tuple[Expression, ...]
    """Of all rules: whatever their alerts depend on beside time."""
    parts: tuple[slice, ...]
    """Which of the conditions are whose, by the rule's index."""
    gaps_matter: bool
    """Does it have to be known how often a key reports?"""
    gap_factors: tuple[tuple[float, int], ...]
    """Where that is not declared: what the interval is multiplied with to tell a silence, and at least how many ns."""
    values_of: Callable[[Any], dict[str, Any]]
    firings: Firings
    waiting: dict[str, int]
    """Rules that wait for others that they ask for, with their indexes."""
    name: str
    """What its tracks are kept under: the stream's name, or that of a group or of joined streams."""
    ties: Ties

    @property
    def ranked(self) -> bool:
        """Is a rule inhibited by others?"""
        return any(compiled.rank for compiled in self.rules)

    @property
    def hears_again(self) -> bool:
        """Does a rule say for how long nothing was heard?"""
        return any(isinstance(compiled.rule.body, Absence) for compiled in self.rules)

    def users_of(self, buffer: int) -> list[str]:
        """The rules that look through a buffer."""
        return [
            compiled.rule.name
            for compiled, part in zip(self.rules, self.parts, strict=True)
            if any(self.places[window] == buffer for one in self.conditions[part] for window in own_windows(one))
        ]

    def fresh(self, track: Track) -> int | None:
        """How long a value is kept that messages lack, ns; None while that is not known."""
        declared = self.stream.fresh
        return track.max_gap(self.stream.interval) if declared is None else declared

    def count_evaluations(self, decision: Decision, by: int) -> None:
        """Every condition was looked at for so many samples."""
        for compiled in self.rules:
            if compiled.rungs:
                decision.count("evaluations", compiled.rule.name, by)

    def patience(self, track: Track) -> int:
        """After a silence of so many ns, time alone may have changed something. Never too much, maybe too little."""
        waits = [NEVER]
        for compiled in self.rules:
            body = compiled.rule.body
            gap = compiled.silence_allowed(track) if self.gaps_matter else None
            waits.append(NEVER if gap is None else gap)
            waits.append(NEVER if compiled.every is None else compiled.every)
            if isinstance(body, Absence):
                wanted = nanoseconds(body.hold, track.interval(self.stream.interval))
                waits += [NEVER if wanted is None else wanted, body.seen_within]
        return min(waits)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What is done with a stream's messages. `fused` is None where only the interpreter is to be used."""

    stream: Stream
    tracks: tuple[TrackPlan, ...]
    decoder: Decoder | None
    values_of: Callable[[Any], dict[str, Any]]
    firings: Firings
    sequenced: tuple[str, ...]
    """The sequences that look at its messages."""
    fused: bool
    """Are there to be generated functions?"""
    made: dict[tuple[TrackPlan, ...], Fused] = field(default_factory=dict)
    busy: list[tuple[tuple[TrackPlan, ...], list[int]]] = field(default_factory=list)
    """What took in messages since somebody last counted, and how many."""

    def taker(self, tracks: tuple[TrackPlan, ...]) -> Callable[..., bool] | None:
        """The generated function for sources whose tracks have these plans; None where there is to be none."""
        stream = self.stream
        if not self.fused or self.decoder is None or stream.late or stream.amends or stream.partial:
            return None  # samples that wait or are remembered, and values that are kept, go the careful way
        found = self.made.get(tracks)
        if found is None:
            found = self.made[tracks] = fuse(
                self.decoder, tracks, self.busy, self.firings, sequenced=bool(self.sequenced), linked=self.linked
            )
        return found.take

    @property
    def linked(self) -> bool:
        """Does a rule ask for another one's alerts, or is one asked for?"""
        names = [compiled.rule.name for track in self.tracks for compiled in track.rules]
        if self.firings.tables and any(track.ties.links for track in self.tracks):
            return True
        return any(self.firings.concerns(name) for name in (*names, *self.sequenced))

    def count_taken(self, decision: Decision) -> None:
        """Count what generated functions took in since the last call."""
        for tracks, tally in self.busy:
            taken, tally[0] = tally[0], 0
            decision.count("applied", self.stream.name, taken)
            for track in tracks:
                track.count_evaluations(decision, taken)
        self.busy.clear()


@dataclass(frozen=True, slots=True)
class Plan:
    rules: dict[str, CompiledRule]
    tracks: dict[tuple[str, tuple[str, ...]], TrackPlan]
    streams: dict[str, StreamPlan]
    router: Router
    set: RuleSet
    firings: Firings
    directory: Directory
    sequences: SequencePlan
    minds_stops: bool
    """Does a stop of the engine make a difference to any rule?"""
    joins: dict[str, tuple[TrackPlan, ...]]
    """By stream: the tracks of joined streams that its messages reach."""
    narrowed: dict[tuple[TrackPlan, tuple[int, ...]], TrackPlan] = field(default_factory=dict)
    """For keys that not all rules look at, by the indexes of those that do."""
    amended: dict[str, Plan | None] = field(default_factory=dict)
    """By stream: the rules whose past can be decided again, compiled alone once that is needed."""

    def track_for(self, name: TrackName) -> TrackPlan | None:
        """What has to be kept for one key."""
        whole = self.tracks.get(name[:2])
        if whole is None:
            return None
        looking = tuple(index for index, compiled in enumerate(whole.rules) if covers(compiled.rule, name[2]))
        if len(looking) == len(whole.rules):
            return whole
        found = self.narrowed.get((whole, looking))
        if found is None:
            members = [whole.rules[index] for index in looking]
            found = self.narrowed[whole, looking] = _track_plan(
                whole.stream, whole.by, members, whole.values_of, self.firings, whole.name, whole.ties
            )
        return found


def compile_rules(rules: RuleSet, *, fused: bool = True) -> Plan:
    """Everything derived from the rule set, once, when it is loaded. Without `fused` the interpreter does all."""
    inhibitors = inhibitors_of(rules.rules)
    sequences = compile_sequences(rules, inhibitors)
    plain = [rule for rule in rules.rules.values() if rule.name not in sequences.rules]
    compiled = {rule.name: _compile(rule, rules.streams, inhibitors) for rule in plain}
    ties = weave(rules, {rule.name: conditions_of(rule) for rule in plain})
    grouped: dict[Place, list[CompiledRule]] = defaultdict(list, {place: [] for place in ties})
    for one in sorted(compiled.values(), key=lambda one: one.rank):
        grouped[one.kept, one.rule.by].append(one)
    firings = Firings(rules.rules.values(), inhibitors, {name: one.kept for name, one in compiled.items()})
    streams = {
        name: _stream_plan(stream, grouped, ties, firings, sequences.names(name), fused)
        for name, stream in rules.streams.items()
    }
    tracks = {(name, track.by): track for name, plan in streams.items() for track in plan.tracks}
    for (name, by), members in grouped.items():
        if name not in streams:
            stream = members[0].stream if members else rules.streams[streams_under(name)[0]]
            tracks[name, by] = _track_plan(stream, by, members, values_as_they_are, firings, name, ties[name, by])
    joins = {name: tuple(_joins(name, tracks.values())) for name in streams}
    minds_stops = any(rule.downtime != CONTINUE for rule in rules.rules.values())
    directory = Directory(rules.registry)
    return Plan(compiled, tracks, streams, Router(rules), rules, firings, directory, sequences, minds_stops, joins)


def _joins(stream: str, tracks: Iterable[TrackPlan]) -> Iterator[TrackPlan]:
    return (track for track in tracks if any(one.stream == stream for one in track.ties.joined))


def _stream_plan(
    stream: Stream,
    grouped: Mapping[Place, list[CompiledRule]],
    ties: Mapping[Place, Ties],
    firings: Firings,
    sequenced: tuple[str, ...],
    fused: bool,
) -> StreamPlan:
    """Streams that are joined are read the careful way: their messages reach other tracks than their own."""
    decoder = decoder_of(stream)
    values_of = values_as_they_are if decoder is None else decoder.values_of
    keyed = [(by, members) for (name, by), members in grouped.items() if name == stream.name]
    tracks = tuple(
        _track_plan(stream, by, members, values_of, firings, stream.name, ties.get((stream.name, by), NO_TIES))
        for by, members in keyed
    )
    alone = all(one.stream != stream.name for tie in ties.values() for one in tie.joined)
    return StreamPlan(stream, tracks, decoder, values_of, firings, sequenced, fused and alone)


def _track_plan(
    stream: Stream,
    by: tuple[str, ...],
    members: list[CompiledRule],
    values_of: Callable[[Any], dict[str, Any]],
    firings: Firings,
    name: str,
    ties: Ties,
) -> TrackPlan:
    conditions: list[Expression] = []
    parts = []
    for member in members:
        first = len(conditions)
        conditions += conditions_of(member.rule)
        parts.append(slice(first, len(conditions)))
    read = (*conditions, *ties.votes)
    buffers = buffers_of(read, MAX_SAMPLES if stream.max_samples is None else stream.max_samples)
    index = {buffer.name: place for place, buffer in enumerate(buffers)}
    places = {window: index[buffer_of(window).name] for node in read for window in own_windows(node)}
    places |= places_of(conditions, ties.questions)
    gaps_matter = stream.partial or any(_needs_gaps(member) for member in members)
    return TrackPlan(
        stream, by, buffers, places, tuple(members), tuple(conditions), tuple(parts), gaps_matter,
        _gap_factors(members) if gaps_matter and stream.interval is None else (), values_of, firings,
        {member.rule.name: place for place, member in enumerate(members) if member.rule.name in firings.ranks},
        name, ties,
    )  # fmt: skip


def _gap_factors(members: list[CompiledRule]) -> tuple[tuple[float, int], ...]:
    holds = [member.rule.body.hold for member in members if isinstance(member.rule.body, Absence)]
    return ((MAX_GAP_INTERVALS, SECOND), *((hold.intervals, 0) for hold in holds if hold.intervals is not None))


def _needs_gaps(compiled: CompiledRule) -> bool:
    """Does anything of the rule depend on how often a key reports?"""
    if isinstance(compiled.rule.body, Absence) or compiled.every is not None:
        return True
    return any(hold != NO_HOLD for hold in holds_of(compiled.rule.body))


def nanoseconds(hold: Hold, interval: int | None) -> int | None:
    """How long a hold is; None while the key's reporting interval is not known yet."""
    if hold.nanoseconds is not None:
        return hold.nanoseconds
    return None if interval is None or hold.intervals is None else round(hold.intervals * interval)


def _compile(rule: Rule, streams: Mapping[str, Stream], inhibitors: Mapping[str, Inhibitors]) -> CompiledRule:
    stream = joined_stream([streams[name] for name in rule.joined or (rule.stream,)])
    conditions = conditions_of(rule)
    every, horizon = every_and_horizon(conditions)
    if every is not None:
        every = rule.every or stream.every or every
    counts = any(hold.intervals is not None for hold in holds_of(rule.body))
    above, order = inhibitors.get(rule.name, ()), rank(rule.name, inhibitors)
    reads = frozenset[str]().union(*(fields(condition) for condition in conditions))
    gap = rule.max_gap or (None if rule.across else stream.max_gap)
    kept = kept_under(rule, stream)
    return CompiledRule(rule, stream, rungs_of(rule), every, horizon, counts, above, order, kept, gap, reads)
