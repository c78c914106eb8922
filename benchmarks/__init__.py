"""Measurements of the real thing: `python -m benchmarks.NAME`. Each says first what its figures do not show."""
