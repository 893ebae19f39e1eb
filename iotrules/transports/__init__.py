"""Adapters of the Transport port, and the brokers that can be started beside us."""
