"""The values that travel between the rooms: frozen, and free of I/O."""
