"""The command line: `cloacina run`, `cloacina explain`. One module a command group."""

from __future__ import annotations

from cloacina.cli.program import main

__all__ = ["main"]
