"""`angreal mutants`: look for changes of the code that no test notices."""

from __future__ import annotations

import sys

import angreal

from project import ROOT, run, this_python, uv


@angreal.command(name="mutants", about="Look for changes of the code that no test notices")
@angreal.argument(name="paths", multiple_values=True, required=False, help="Files and folders; default: the engine's")
@angreal.argument(name="sample", long="sample", help="How many changes to try; default: all of them")
@angreal.argument(name="seed", long="seed", help="Which ones; default: 0")
def mutants(paths: str | None = None, sample: str | None = None, seed: str | None = None) -> None:  # noqa: ARG001 - angreal hands on only the first of several values
    """Try changes, and leave with a failing exit code if no test notices one. A run that was broken off goes on."""
    python = [uv(), "run", "--quiet", "--no-default-groups", "--group", "test", "--group", "mutants", "python"]
    environment = str(ROOT / ".venvs" / f"mutants-{this_python()}")
    sys.exit(
        run(
            [*python, "-m", "mutation", "--results", f"{environment}-results", *sys.argv[2:]],
            UV_PROJECT_ENVIRONMENT=environment,
            PYTHONPATH=str(ROOT / "angreal"),
        )
    )
