"""Real processes, a real broker, real signals."""
