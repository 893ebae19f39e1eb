"""The dashboard: a process of its own that reads the stores, and can't slow the engine."""
