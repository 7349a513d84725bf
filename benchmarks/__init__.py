"""Measurements of Cloacina, each against a floor in the same run: `python -m benchmarks`."""
