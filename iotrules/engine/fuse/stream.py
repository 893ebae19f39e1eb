"""The generated function of a stream: from the bytes of an ordinary message to what its rules have to decide.

It takes a message that its decoder reads, no older than those before it of its source, and next in its count; all
else it leaves, untouched, to the careful way. Of the rules it looks at the truths alone: where they are what they were
when each rule last looked and nothing changed, and no hold is over, there is nothing to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from iotrules.engine.buffers import Buffer
from iotrules.engine.decode import MAX_PAYLOAD
from iotrules.engine.decoder import FAILURES, Decoder
from iotrules.engine.firings import Firings
from iotrules.engine.functions import DomainError
from iotrules.engine.fuse.emit import Emitter, Operand
from iotrules.engine.fuse.windows import Windows, windows_of
from iotrules.engine.fuse.writing import Writer
from iotrules.engine.sources import ALL_CAME, KEPT_WHOLE
from iotrules.engine.ties import Ties
from iotrules.model.expression import Expression, Window, fields
from iotrules.model.rules import Stream

_ARGUMENTS = "source, payload, received, now, samples, touched, moment"


class Keyed(Protocol):
    """What is asked of a plan for one way in which a stream's messages are keyed."""

    @property
    def stream(self) -> Stream: ...
    @property
    def by(self) -> tuple[str, ...]: ...
    @property
    def buffers(self) -> tuple[Buffer, ...]: ...
    @property
    def places(self) -> dict[Window, int]: ...
    @property
    def conditions(self) -> tuple[Expression, ...]: ...
    @property
    def ties(self) -> Ties: ...
    @property
    def ranked(self) -> bool: ...
    @property
    def hears_again(self) -> bool: ...
    @property
    def gap_factors(self) -> tuple[tuple[float, int], ...]: ...


K = TypeVar("K", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Fused:
    """The function, its text, and the objects that this finds under its own names."""

    take: Callable[..., bool]
    code: str
    bound: dict[str, Any]


def fuse(
    decoder: Decoder,
    tracks: tuple[K, ...],
    busy: list[tuple[tuple[K, ...], list[int]]],
    firings: Firings,
    *,
    sequenced: bool,
    linked: bool,
) -> Fused:
    """The function for a stream whose rules are kept in these ways. `linked`: rules ask for alerts of others.

    With the first message that it takes it enters itself and its tally into `busy`; whoever counts empties both.
    """
    writer = Writer()
    tally = [0]
    writer.bound |= {"busy": busy, "entry": (tracks, tally)}
    writer.bound |= {"decode": decoder.decode, "FAILURES": FAILURES, "Fault": DomainError, "tally": tally}
    writer.bound["ALL_CAME"] = ALL_CAME
    with writer.block(f"def take({_ARGUMENTS}):"):
        _open(writer, decoder)
        _refuse_what_is_not_next(writer, decoder)
        _body(writer, decoder, tracks, firings)
        if sequenced:
            writer.line("moment.take_reading(samples[-1], moment)")
        if linked:
            asked = writer.bind(firings)
            with writer.block(f"if {asked}.looks or {asked}.changes:"):
                writer.line("moment.reread(moment)")
        with writer.block("if not tally[0]:"):
            writer.line("busy.append(entry)")
        writer.line("tally[0] += 1")
        writer.line("return True")
    code = writer.text()
    namespace = dict(writer.bound)
    exec(compile(code, f"<{decoder.stream.name}>", "exec"), namespace)  # noqa: S102 - our own text: see the house rule
    return Fused(namespace["take"], code, writer.bound)


def _open(writer: Writer, decoder: Decoder) -> None:
    by_content = decoder.time is not None and not decoder.ids
    with writer.block(f"if len(payload) > {KEPT_WHOLE if by_content else MAX_PAYLOAD}:"):
        writer.line("return False")
    with writer.block("try:"):
        with writer.block("if not payload.isascii():"):
            writer.line("payload.decode()")
        writer.line("m = decode(payload)")
    with writer.block("except FAILURES:"):
        writer.line("return False")


def _refuse_what_is_not_next(writer: Writer, decoder: Decoder) -> None:
    time = decoder.stream.time
    writer.line("newest = source.watermark")
    if time is None:
        writer.line("at = newest + received - source.wall if received > source.wall else newest")
    else:
        writer.line(f"at = m.{decoder.time} * {decoder.scale}" if decoder.scale != 1 else f"at = m.{decoder.time}")
        older = "<" if decoder.ids else "<="  # without a count, one of the same time may be the same
        with writer.block(f"if at {older} newest or at > received + {time.ahead}:"):
            writer.line("return False")
    if decoder.ids:
        head = "".join(f"m.{place}, " for place in decoder.ids[:-1])
        writer.line(f"number = m.{decoder.ids[-1]}")
        with writer.block(f"if number != source.top + 1 or ({head}) != source.head:"):
            writer.line("return False")


def _body(writer: Writer, decoder: Decoder, tracks: Sequence[Keyed], firings: Firings) -> None:
    """Loads and arguments first: a fault in them leaves the message untouched."""
    if tracks:
        writer.line(f"{''.join(f't{index}, ' for index in range(len(tracks)))}= source.tracks")
        writer.line("labels = source.labels")
    for index, track in enumerate(tracks):
        shared = set(track.by) < set(track.stream.captures)
        writer.line(f"at{index} = at" + (f" if at >= t{index}.clock else t{index}.clock" if shared else ""))
    local = _load_fields(writer, decoder, tracks)
    windows = [Windows(writer, track.stream, f"at{index}") for index, track in enumerate(tracks)]
    emitters = [
        Emitter(writer, f"t{index}", local, windows[index].read, firings.tables) for index in range(len(tracks))
    ]
    arguments = _arguments(writer, emitters, tracks)
    _take_in(writer, decoder)
    for index in range(len(tracks)):
        _touch(writer, f"t{index}")
    for index in range(len(tracks)):
        _catch_up(writer, f"t{index}", f"at{index}")
    for index, track in enumerate(tracks):
        _sample(writer, index, track, arguments[index], windows[index])
    for index, (track, emitter) in enumerate(zip(tracks, emitters, strict=True)):
        _truths(writer, index, track, emitter)
    if any(track.ties.links for track in tracks) or (len(tracks) > 1 and any(track.ranked for track in tracks)):
        _decide_together(writer, tracks)
    else:
        for index in range(len(tracks)):
            _decide(writer, index)
    for index in range(len(tracks)):
        _notice_less_lag(writer, f"t{index}", f"at{index}")


def _notice_less_lag(writer: Writer, t: str, at: str) -> None:
    """Messages that are under way for less long than before bring nearer, on our clock, what the key waits for.

    At once, however little: what a tick decides must not depend on when the key was last scheduled, which a restart
    does anew. Being woken too soon is harmless, so it is by an eighth of the time left: then a backlog, of which each
    message is under way for less long, doesn't have the key scheduled with each.
    """
    with writer.block(f"if {at} - now > {t}.aligned and {t}.wakes and {t}.wake_at > now:"):
        writer.line(f"nearer = {at} - now - {t}.aligned + ({t}.wake_at - now >> 3)")
        writer.line(f"moment.state.wake_track({t}, {t}.wake_at - nearer)")
        writer.line(f"{t}.aligned += nearer")


def _load_fields(writer: Writer, decoder: Decoder, tracks: Sequence[Keyed]) -> dict[str, str]:
    """A local variable for each field that something reads."""
    nodes = [
        node
        for track in tracks
        for node in (*track.conditions, *track.ties.votes, *(buffer.argument for buffer in track.buffers))
    ]
    read = frozenset[str]().union(*(fields(node) for node in nodes))
    local = {}
    for index, (name, place) in enumerate(decoder.fields.items()):
        if name in read:
            local[name] = f"f{index}"
            writer.line(f"f{index} = m.{place}  # {name}")
    return local


def _arguments(writer: Writer, emitters: list[Emitter], tracks: Sequence[Keyed]) -> list[list[Operand]]:
    """What goes into the windows, worked out before anything is changed."""
    before = len(writer.lines)
    with writer.block("try:"):
        found = [
            [emitter.value(buffer.argument) for buffer in track.buffers if buffer.keep]
            for emitter, track in zip(emitters, tracks, strict=True)
        ]
    if len(writer.lines) == before + 1:  # there was nothing to work out
        writer.lines.pop()
        return found
    with writer.block("except Fault:"):
        writer.line("return False")
    return found


def _take_in(writer: Writer, decoder: Decoder) -> None:
    """From here on the message is taken."""
    _touch(writer, "source")
    writer.line("source.watermark = at")
    writer.line("source.wall = received")
    if decoder.ids:
        writer.line("source.top = number")
        writer.line("source.came = (source.came << 1 | 1) & ALL_CAME")
    elif decoder.time is not None:
        writer.line("source.last = payload")
    writer.line("samples.append((source.origin, at, received, m))")


def _touch(writer: Writer, one: str) -> None:
    """It is going to change: a snapshot in progress has to have it first."""
    with writer.block(f"if {one}.dirty is not touched:"):
        writer.line(f"touched.take({one})")


def _catch_up(writer: Writer, t: str, at: str) -> None:
    """Time passes for all keys of a message before one of them is looked at."""
    with writer.block(f"if {at} - {t}.clock > {t}.patience or {t}.due < {at}:"):
        writer.line(f"moment.catch_up({t}, {at} - 1, moment)")


def _sample(writer: Writer, index: int, track: Keyed, arguments: list[Operand], windows: Windows) -> None:
    t, at = f"t{index}", f"at{index}"
    if track.gap_factors:
        _note_gap(writer, t, at, track.gap_factors)
    if track.hears_again:
        writer.line(f"{t}.silence = {at} - {t}.clock")
    writer.line(f"{t}.clock = {at}")
    writer.line(f"{t}.clock_wall = now")
    writer.line(f"{t}.labels = labels")
    writer.line(f"{t}._values = m")
    writer.line(f"{t}.revised = 0")
    if track.buffers:
        _fill_windows(writer, index, track, arguments, windows)


def _note_gap(writer: Writer, t: str, at: str, factors: tuple[tuple[float, int], ...]) -> None:
    """Keep up how often the key reports; where that shortens what silence is allowed, say so."""
    with writer.block(f"if {at} > {t}.clock:"):
        writer.line(f"{t}.note_gap({at} - {t}.clock)")
        writer.line(f"gap = {t}.ranked[(len({t}.ranked) - 1) // 2]")
        shortened = " or ".join(f"{factor!r} * gap < {t}.patience > {least}" for factor, least in factors)
        with writer.block(f"if {shortened}:"):
            writer.line(f"moment.impatient({t}, moment)")


def _fill_windows(writer: Writer, index: int, track: Keyed, arguments: list[Operand], windows: Windows) -> None:
    names = "".join(f"w{index}_{place}, " for place in range(len(track.buffers)))
    writer.line(f"{names}= t{index}.windows")
    windows.begin(track.buffers)
    given, asked = iter(arguments), windows_of(track.places, track.buffers)
    for place, buffer in enumerate(track.buffers):
        window = f"w{index}_{place}"
        if not buffer.keep:
            windows.ask(window, asked[place])
            continue
        argument = next(given)
        if buffer.apart:
            argument = _apart(writer, f"t{index}", buffer, argument)
        windows.take(window, buffer, argument, asked[place])


def _apart(writer: Writer, t: str, buffer: Buffer, argument: Operand) -> Operand:
    name = writer.name("x")
    writer.line(f"{name} = moment.apart({t}, {writer.bind(buffer.name)}, {argument.text}, moment)")
    return Operand(name, unknown=True)


def _truths(writer: Writer, index: int, track: Keyed, emitter: Emitter) -> None:
    with writer.block("try:"):
        truths = [emitter.value(condition) for condition in track.conditions]
        writer.line(f"v{index} = ({''.join(f'{truth.text}, ' for truth in truths)})")
        votes = [emitter.value(argument) for argument in track.ties.votes]
        writer.line(f"b{index} = ({''.join(f'{answer.text}, ' for answer in votes)})")
    with writer.block("except Fault:"):
        writer.line(f"v{index} = b{index} = None")


def _decide(writer: Writer, index: int) -> None:
    with writer.block(f"if {_unsettled(index)}:"):
        writer.line(f"moment.settle(((t{index}, v{index}),), moment)")
    with writer.block(f"elif t{index}.unknown:"):
        writer.line(f"moment.unknowns(t{index}, moment)")


def _decide_together(writer: Writer, tracks: Sequence[Keyed]) -> None:
    """Where rules of different tracks inhibit one another, or look over members, their order counts."""
    voting = [f"*moment.vote(t{index}, b{index}, moment)" for index, track in enumerate(tracks) if track.ties.links]
    unsettled = [_unsettled(index) for index in range(len(tracks))]
    if voting:
        writer.line(f"groups = ({', '.join(voting)},)")
        unsettled.append("groups")
    with writer.block(f"if {' or '.join(unsettled)}:"):
        pairs = "".join(f"(t{index}, v{index}), " for index in range(len(tracks)))
        writer.line(f"moment.settle(({pairs}{'*groups' if voting else ''}), moment)")
    with writer.block("else:"):
        for index in range(len(tracks)):
            with writer.block(f"if t{index}.unknown:"):
                writer.line(f"moment.unknowns(t{index}, moment)")


def _unsettled(index: int) -> str:
    t, at, v = f"t{index}", f"at{index}", f"v{index}"
    return f"{v} != {t}.truths or {at} >= {t}.due or {t}.restless or {at} < {t}.looked or {v} is None"
