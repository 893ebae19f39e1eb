"""Bounded telemetry history: decoded readings of committed batches, for charts and the fleet page."""
