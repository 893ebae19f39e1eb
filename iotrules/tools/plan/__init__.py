"""`iotrules plan`: what other rule files would change, said before they are used. It writes and sends nothing."""

from iotrules.tools.plan.document import document
from iotrules.tools.plan.making import Plan, make_plan
from iotrules.tools.plan.text import lines

__all__ = ["Plan", "document", "lines", "make_plan"]
