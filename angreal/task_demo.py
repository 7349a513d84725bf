"""`angreal demo`: run the example that shows what the engine is for."""

from __future__ import annotations

import sys

import angreal

from project import arguments_after_dashes, run


@angreal.command(name="demo", about="Run examples/inbox.py; what follows `--` goes to it")
@angreal.argument(name="arguments", multiple_values=True, required=False, help="After `--`: arguments of the example")
def demo(arguments: str | None = None) -> None:  # noqa: ARG001 - angreal hands on only the first of several values
    """Run the example, and leave with its exit code."""
    sys.exit(run([sys.executable, "examples/inbox.py", *arguments_after_dashes()]))
