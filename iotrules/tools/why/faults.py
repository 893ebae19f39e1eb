"""What was wrong with the values of a key's newest message: the engine counts that, the journal has the message."""

from __future__ import annotations

from collections.abc import Iterable

from iotrules.engine.decode import decode_object, read_fields
from iotrules.model.decisions import Key
from iotrules.model.errors import MessageError
from iotrules.model.inputs import Arrival
from iotrules.model.rules import Stream
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
