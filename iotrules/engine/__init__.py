"""The product: inputs in, decisions out. Deterministic; no clock, no I/O, no logging. Time is an argument, in ns."""

from iotrules.engine.core import Engine

__all__ = ["Engine"]
