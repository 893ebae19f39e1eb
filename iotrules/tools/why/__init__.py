"""`iotrules why`: what the engine says about one rule and key, with what the store has on record about them."""

from iotrules.tools.why.asking import Answer, Asked, ask
from iotrules.tools.why.document import document
from iotrules.tools.why.text import lines

__all__ = ["Answer", "Asked", "ask", "document", "lines"]
