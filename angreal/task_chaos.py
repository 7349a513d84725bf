"""`angreal chaos`: kill runners wherever it hurts, and look whether all promises hold."""

from __future__ import annotations

import sys

import angreal

from project import arguments_after_dashes, run_module


@angreal.command(name="chaos", about="Kill, stop and starve runners; what follows `--` goes to `python -m tests.chaos`")
@angreal.argument(name="rounds", long="rounds", help="How many rounds of some seconds each; default: 200")
@angreal.argument(name="arguments", multiple_values=True, required=False, help="After `--`: arguments, see its --help")
def chaos(rounds: str | None = None, arguments: str | None = None) -> None:  # noqa: ARG001 - angreal hands on only the first of several values
    """Run rounds, and leave with a failing exit code if a promise did not hold, and how to replay that."""
    sys.exit(run_module("tests.chaos", "--rounds", rounds or "200", *arguments_after_dashes()))
