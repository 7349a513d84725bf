"""Real runner processes on one file, killed wherever it hurts: what was stored is not run again, and nothing is lost.

`python -m tests.chaos --rounds 200` looks for a seed that breaks a promise; see `__main__`.
"""
