"""Tests of the transports; a package, so that its modules' names are its own."""
