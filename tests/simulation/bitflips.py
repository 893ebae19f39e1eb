"""A bit of a file that is another than was written, and how somebody restores it who has been told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.simulation.script import BitFlip


@dataclass(slots=True)
class Flip:
    """One flipped bit; `place` is -1 until it is made."""

    event: BitFlip
    place: int = -1
    before: int = 0

    @property
    def made(self) -> bool:
        return self.place >= 0

    def make(self, folder: Path) -> bool:
        """Flip it. False: there is nothing in the file."""
        chance, path = Random(self.event.chance), folder / self.event.file
        data = bytearray(path.read_bytes()) if path.exists() else bytearray()
        if not data:
            return False
        self.place = chance.randrange(len(data))
        self.before = data[self.place]
        data[self.place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        return True

    def mend(self, folder: Path) -> None:
        """Put back what was there."""
        path = folder / self.event.file
        data = bytearray(path.read_bytes()) if path.exists() else bytearray()
        if self.place < len(data):
            data[self.place] = self.before
            path.write_bytes(data)
