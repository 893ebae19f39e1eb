"""`iotrules demo`: every part as its user would start it, each in a process of its own, and what came of it."""
