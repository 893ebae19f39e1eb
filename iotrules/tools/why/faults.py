"""A key's newest messages, and what was wrong with their values: the engine counts that, the journal has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from iotrules.engine.decode import decode_object, read_fields, read_time
from iotrules.model.decisions import Key, Reading
from iotrules.model.errors import MessageError
from iotrules.model.explanation import SeenMessage
from iotrules.model.inputs import Arrival
from iotrules.model.rules import Rule, Stream
from iotrules.model.sequences import Sequence
from iotrules.tools.why.keys import key_of


def newest_faults(stream: Stream, by: tuple[str, ...], key: Key, arrivals: Iterable[Arrival]) -> dict[str, str]:
    """Field → reason, of the newest of these arrivals (newest first) that is of this key and can be read."""
    for arrival in arrivals:
        if key_of(stream, by, arrival.topic) != key:
            continue
        try:
            return dict(read_fields(stream, decode_object(arrival.payload))[1])
        except MessageError:
            continue
    return {}


def newest_messages(
    rule: Rule, streams: Mapping[str, Stream], key: Key, arrivals: Iterable[Arrival]
) -> dict[str, SeenMessage]:
    """Of a rule with `sequence`: by stream, the newest of these arrivals (newest first) that is of this key."""
    wanted = {one.stream for one in rule.body.patterns} if isinstance(rule.body, Sequence) else set()
    found: dict[str, SeenMessage] = {}
    for arrival in arrivals:
        for name in sorted(wanted - found.keys()):
            seen = _seen(streams[name], rule.by, key, arrival)
            found |= {name: seen} if seen else {}
        if len(found) == len(wanted):
            break
    return found


def _seen(stream: Stream, by: tuple[str, ...], key: Key, arrival: Arrival) -> SeenMessage | None:
    captured = stream.topic.match(arrival.topic)
    if captured is None or key_of(stream, by, arrival.topic) != key:
        return None
    try:
        document = decode_object(arrival.payload)
    except MessageError:
        return None
    at = read_time(stream.time, document) if stream.time else None
    values, faults = read_fields(stream, document)
    device = Key(tuple(zip(stream.captures, captured, strict=True)))
    own_time = arrival.received if at is None else at
    return SeenMessage(Reading(stream.name, device, own_time, arrival.received, values), dict(faults))
