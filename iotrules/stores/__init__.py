"""Where decisions become durable, and where people's views of them are read."""
