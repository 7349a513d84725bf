"""`angreal bench`: measure the engine against a floor in the same run."""

from __future__ import annotations

import sys

import angreal

from project import arguments_after_dashes, run_module


@angreal.command(name="bench", about="Run the benchmarks; what follows `--` goes to them")
@angreal.argument(
    name="arguments", multiple_values=True, required=False, help="After `--`: arguments of the benchmarks"
)
def bench(arguments: str | None = None) -> None:  # noqa: ARG001 - angreal hands on only the first of several values
    """Run the benchmarks, and leave with their exit code."""
    sys.exit(run_module("benchmarks", *arguments_after_dashes()))
