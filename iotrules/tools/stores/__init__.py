"""What `iotrules store` does: verify, repair, export and compact a store."""
