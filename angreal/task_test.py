"""`angreal test`: run the tests, on this Python or on others."""

from __future__ import annotations

import os
import sys
from tempfile import TemporaryDirectory

import angreal

from project import (
    ROOT,
    arguments_after_dashes,
    find_python,
    refuse,
    run,
    run_together,
    supported_pythons,
    this_python,
    uv,
)

SUITES = sorted(folder.name for folder in (ROOT / "tests").iterdir() if folder.is_dir() and folder.name.isalpha())

# What depends on the version of Python. The other suites build, render and browse: once is enough.
SUITES_FOR_EACH_PYTHON: list[str] = [suite for suite in ("unit", "integration") if suite in SUITES]

# A test uses one core of a machine's, and many wait for something, so these run beside each other and the rest.
BESIDE_THE_REST = (("packaging", "docs"), ("browser",))

# Two minutes at most, for the work between.
QUICK = (
    ("tests/integration",),
    ("tests/unit", *(f"tests/docs/test_{name}.py" for name in ("docstrings", "pages", "reproducers"))),
)


@angreal.command(name="test", about="Run the tests; what follows `--` goes to pytest")
@angreal.argument(name="suites", multiple_values=True, required=False, help=f"{', '.join(SUITES)}; default: all")
@angreal.argument(
    name="quick",
    long="quick",
    is_flag=True,
    takes_value=False,
    help="In two minutes: unit, integration, and the samples of the documentation that take no longer",
)
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
    quick: bool = False,
    python: str | None = None,
    all_pythons: bool = False,
    other_pythons: bool = False,
    update: bool = False,
) -> None:
    """Run the tests, and leave with a failing exit code if any of the runs failed."""
    chosen = _chosen_suites(python) if suites else []
    if quick and (chosen or python or all_pythons or other_pythons):
        refuse("--quick chooses suites and a Python by itself; leave out either that or the others.")
    if python:
        versions = [python]
    elif all_pythons or other_pythons:
        versions = [this_python()] if all_pythons else []
        versions += [version for version in supported_pythons() if version != this_python()]
    else:
        versions = [this_python()]

    passed_on = [*arguments_after_dashes(), *(["--update-examples"] if update else [])]
    outcomes: dict[str, int | None] = {}
    with TemporaryDirectory() as folder:
        environment = _bytecode(folder)
        if this_python() in versions:
            outcomes[this_python()] = _run_here(_commands(chosen, passed_on, quick=quick), environment)
        outcomes |= _run_elsewhere(
            [version for version in versions if version != this_python()],
            chosen or SUITES_FOR_EACH_PYTHON,
            passed_on,
            environment,
        )

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


def _bytecode(folder: str) -> dict[str, str]:
    """Return variables with which the many processes of tests compile no module twice, where that would be forbidden.

    Args:
        folder: Where the byte code is kept: the tree of a caller who forbids it stays as it is.
    """
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}


def _commands(chosen: list[str], passed_on: list[str], *, quick: bool) -> list[list[str]]:
    pytest = [sys.executable, "-m", "pytest"]
    if quick:
        return [[*pytest, *paths, "-m", "not slow", *passed_on] for paths in QUICK]
    if chosen or passed_on:
        # One run, because what is passed on may be a debugger or a file to write.
        return [[*pytest, *_paths(chosen or SUITES), *passed_on]]
    beside = [[suite for suite in group if suite in SUITES] for group in BESIDE_THE_REST]
    rest = [suite for suite in SUITES if not any(suite in group for group in beside)]
    return [[*pytest, *_paths(group)] for group in (rest, *beside) if group]


def _run_here(commands: list[list[str]], environment: dict[str, str]) -> int:
    if len(commands) == 1:
        return run(commands[0], **environment)
    return max(run_together([(command, environment) for command in commands]))


def _run_elsewhere(
    versions: list[str], suites: list[str], passed_on: list[str], environment: dict[str, str]
) -> dict[str, int | None]:
    """Return the outcome of each version, None for one that is not on this machine."""
    interpreters = {version: find_python(version) for version in versions}
    commands = {
        version: (
            [
                uv(),
                "run",
                *("--quiet", "--python", str(interpreter), "--no-default-groups", "--group", "test"),
                *("python", "-m", "pytest", *_paths(suites), *passed_on),
            ],
            {**environment, "UV_PROJECT_ENVIRONMENT": str(ROOT / ".venvs" / version)},
        )
        for version, interpreter in interpreters.items()
        if interpreter is not None
    }
    ended = dict(zip(commands, run_together([*commands.values()]), strict=True))
    return {version: ended.get(version) for version in versions}
