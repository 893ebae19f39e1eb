"""All rules of a stream as one generated function over local variables.

House rule: it is built from checked trees only. No text of a rule gets into it: names are numbered, constants are
numbers that Python wrote, or bound. The plain interpreter (`evaluate`) is what it is held to.
"""

from iotrules.engine.fuse.stream import Fused, Keyed, fuse

__all__ = ["Fused", "Keyed", "fuse"]
