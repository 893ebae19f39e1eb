"""What runs inside an execution environment and what handlers import: standard library only, quick to start."""
