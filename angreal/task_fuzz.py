"""`angreal fuzz`: look for bytes that the reader of packages fails on."""

from __future__ import annotations

import sys

import angreal

from project import ROOT, arguments_after_dashes, run, this_python, uv


@angreal.command(name="fuzz", about="Fuzz the reader of packages; what follows `--` goes to libFuzzer")
@angreal.argument(name="seconds", long="seconds", help="How long to look; default: 60")
@angreal.argument(name="arguments", multiple_values=True, required=False, help="After `--`: arguments of libFuzzer")
def fuzz(seconds: str | None = None, arguments: str | None = None) -> None:  # noqa: ARG001 - angreal hands on only the first of several values
    """Fuzz, and leave with a failing exit code if something was found, whose input is kept beside the environment."""
    # atheris is not there for every platform and Python, so it is in no environment but this one.
    python = [uv(), "run", "--quiet", "--no-default-groups", "--group", "test", "--group", "fuzz", "python"]
    program = str(ROOT / "tests" / "_fuzz" / "fuzz_reading.py")
    environment = str(ROOT / ".venvs" / f"fuzz-{this_python()}")
    limits = [f"-max_total_time={seconds or 60}", "-max_len=16384", f"-artifact_prefix={environment}-"]
    limits += arguments_after_dashes()
    sys.exit(run([*python, program, *limits], UV_PROJECT_ENVIRONMENT=environment))
