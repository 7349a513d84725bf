"""What the developer's commands share: where the project is, its Pythons, and how another program is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent


def run(command: list[str], **environment: str) -> int:
    """Show a command, run it in the project's folder, and return its exit code."""
    _show(command)
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode


def run_together(commands: Sequence[tuple[list[str], Mapping[str, str]]]) -> list[int]:
    """Run commands at the same time, and return their exit codes.

    What the first prints is shown as it comes, what another prints when those before it have ended.

    Args:
        commands: Each with the variables that its environment has in addition.
    """
    with ExitStack() as stack:
        processes: list[tuple[subprocess.Popen[bytes], list[str], BinaryIO | None]] = []
        for command, environment in commands:
            captured = stack.enter_context(TemporaryFile()) if processes else None
            if captured is None:
                _show(command)
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=captured,
                stderr=subprocess.STDOUT if captured is not None else None,
            )
            # However this is left, nothing that it has started goes on.
            stack.callback(process.kill)
            processes.append((process, command, captured))
        for process, command, output in processes:
            process.wait()
            if output is not None:
                _show(command)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout.buffer)
                sys.stdout.flush()
        return [process.returncode for process, _, _ in processes]


def _show(command: list[str]) -> None:
    print(f"\n$ {shlex.join([Path(command[0]).name, *command[1:]])}", flush=True)


def run_module(module: str, *arguments: str) -> int:
    """Run a Python module with the interpreter of the development environment."""
    return run([sys.executable, "-m", module, *arguments])


def arguments_after_dashes() -> list[str]:
    """Return what stands behind `--` on the command line, which is meant for another program."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def refuse(message: str) -> NoReturn:
    """Say what is wrong with a command, and leave with exit code 2."""
    # angreal passes the code of a SystemExit on, but not its text.
    print(message, file=sys.stderr)
    sys.exit(2)


def uv() -> str:
    """Return the path of uv, or leave when it is not there."""
    # `uv run` tells the programs that it starts where it is; it need not be on the PATH.
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        refuse("uv was not found. Install it (`pip install uv`) and start this command with `uv run`.")
    return found


def supported_pythons() -> list[str]:
    """Return the versions of Python that pyproject.toml claims to support, oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    matches = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in project["classifiers"]]
    return [match[1] for match in matches if match]


def this_python() -> str:
    """Return the version of the Python that runs the development environment, such as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def find_python(version: str) -> Path | None:
    """Return the interpreter of a version on this machine, or None. Nothing is downloaded."""
    search = [uv(), "python", "find", "--system", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(search, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    # pyenv puts only the selected versions on the PATH; the others lie beside them.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for folder in (pyenv, Path(sys.base_prefix).parent):
        if candidates := sorted(folder.glob(f"{version}.*/bin/python{version}")):
            return candidates[-1]
    return None
