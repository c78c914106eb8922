"""Searches for inputs that break a promise, by the thousand: `python -m fuzz.differential`, `python -m fuzz.decode`."""
