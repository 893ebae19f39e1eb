"""The documents: their commands run, and nothing is missing from them."""
