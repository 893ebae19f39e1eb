"""Real processes, real faults, and a judge that knows nothing of the engine: docs/reliability.md."""
