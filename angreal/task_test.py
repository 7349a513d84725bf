"""`angreal test`: run the tests, on this Python or on others."""

from __future__ import annotations

import sys

import angreal

from project import (
    ROOT,
    arguments_after_dashes,
    find_python,
    refuse,
    run,
    run_module,
    supported_pythons,
    this_python,
    uv,
)

SUITES = sorted(folder.name for folder in (ROOT / "tests").iterdir() if folder.is_dir() and folder.name.isalpha())

# What depends on the version of Python. The other suites build, render and browse: once is enough.
SUITES_FOR_EACH_PYTHON: list[str] = [suite for suite in ("unit", "integration") if suite in SUITES]


@angreal.command(name="test", about="Run the tests; what follows `--` goes to pytest")
@angreal.argument(name="suites", multiple_values=True, required=False, help=f"{', '.join(SUITES)}; default: all")
@angreal.argument(name="python", long="python", help="Run on this version of Python, such as 3.12")
@angreal.argument(
    name="all_pythons",
    long="all-pythons",
    is_flag=True,
    takes_value=False,
    help="Run on every supported Python of this machine: all suites on this one, unit and integration on the others",
)
@angreal.argument(
    name="other_pythons",
    long="other-pythons",
    is_flag=True,
    takes_value=False,
    help="As --all-pythons, but without this one",
)
@angreal.argument(
    name="update",
    long="update",
    is_flag=True,
    takes_value=False,
    help="Write what the samples of the documentation really print into their pages",
)
def test(
    suites: str | None = None,
    python: str | None = None,
    all_pythons: bool = False,
    other_pythons: bool = False,
    update: bool = False,
) -> None:
    """Run the tests, and leave with a failing exit code if any of the runs failed."""
    chosen = _chosen_suites(python) if suites else []
    if python:
        versions = [python]
    elif all_pythons or other_pythons:
        versions = [this_python()] if all_pythons else []
        versions += [version for version in supported_pythons() if version != this_python()]
    else:
        versions = [this_python()]

    passed_on = [*arguments_after_dashes(), *(["--update-examples"] if update else [])]
    outcomes: dict[str, int | None] = {}
    for version in versions:
        if version == this_python():
            outcomes[version] = run_module("pytest", *_paths(chosen or SUITES), *passed_on)
        else:
            outcomes[version] = _run_elsewhere(version, chosen or SUITES_FOR_EACH_PYTHON, passed_on)

    if len(versions) != 1 or None in outcomes.values():
        print()
        for version, outcome in outcomes.items():
            words = {0: "passed", None: "not on this machine"}.get(outcome, f"failed, exit code {outcome}")
            print(f"Python {version}: {words}")
    missing_what_was_asked_for = bool(python) and None in outcomes.values()
    sys.exit(max((outcome or 0 for outcome in outcomes.values()), default=0) or missing_what_was_asked_for)


def _chosen_suites(python: str | None) -> list[str]:
    # angreal hands on only the first of several values, so they are read from the command line itself.
    words = sys.argv[2 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[2:]
    chosen = [word for word in words if not word.startswith("-") and word != python]
    if unknown := [word for word in chosen if word not in SUITES]:
        refuse(f"There is no suite {', '.join(unknown)}; there are {', '.join(SUITES)}. Put `--` before pytest's own.")
    return chosen


def _paths(suites: list[str]) -> list[str]:
    return [f"tests/{suite}" for suite in suites]


def _run_elsewhere(version: str, suites: list[str], passed_on: list[str]) -> int | None:
    interpreter = find_python(version)
    if interpreter is None:
        return None
    return run(
        [
            uv(),
            "run",
            *("--quiet", "--python", str(interpreter), "--no-default-groups", "--group", "test"),
            *("python", "-m", "pytest", *_paths(suites), *passed_on),
        ],
        UV_PROJECT_ENVIRONMENT=str(ROOT / ".venvs" / version),
    )
