"""What a rule means, in words, and what the engine makes of it."""

from iotrules.tools.explaining.code import code_of
from iotrules.tools.explaining.meaning import explained

__all__ = ["code_of", "explained"]
