"""Deterministic simulation: the real engine, runtime and store in virtual time, and everything that may go wrong."""
