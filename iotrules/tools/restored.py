"""The engine as a store remembers it, at its newest input or at an earlier instant: for asking, never for running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from iotrules.engine import Engine
from iotrules.model.errors import StateError
from iotrules.model.inputs import Arrival, Input, Messages
from iotrules.stores.kept import Kept


@dataclass(frozen=True, slots=True)
class Restored:
    """`now` is that of the newest input in it (None: only a snapshot, or nothing); `inputs` are those replayed."""

    engine: Engine
    now: int | None
    sequence: int
    inputs: tuple[Input, ...]

    def arrivals(self) -> Iterator[Arrival]:
        """The messages of the inputs that were replayed, newest first."""
        for value in reversed(self.inputs):
            if isinstance(value, Messages):
                yield from reversed(value.arrivals)


def restore(kept: Kept, upto: int | None = None) -> Restored:
    """The engine after the inputs up to `upto` (ns). StateError if what is kept can't be used."""
    replayed = [entry for entry in kept.journal if upto is None or entry[1] <= upto]
    engine = Engine()
    try:
        engine.restore(dict(kept.snapshot))
        for sequence, now, value in replayed:
            engine.process(value, now, sequence)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise StateError(f"the store's snapshot or journal can't be used: {error!r}") from error
    before = kept.sequence - len(kept.journal)
    newest = replayed[-1] if replayed else None
    return Restored(
        engine, newest[1] if newest else None, newest[0] if newest else before, tuple(e[2] for e in replayed)
    )


def begins(kept: Kept) -> int | None:
    """The earliest instant (ns) that can be restored: any if nothing was dropped; None if only the newest can."""
    if not kept.snapshot:
        return 0
    return kept.journal[0][1] if kept.journal else None
