"""The import check: a built package is imported as a worker would import it, and held against its manifest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloacina.errors import DependencyError, ImportCheckFailed, UnsupportedManifest
from cloacina.packaging.archive import extract_package
from cloacina.packaging.isolated.process import run_isolated
from cloacina.packaging.isolated.sdk import write_sdk
from cloacina.packaging.locking import Uv, run_uv
from cloacina.packaging.targets import Target, host_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloacina.packaging.isolated.process import Ended
    from cloacina.packaging.manifest.models import Manifest, TaskEntry

DEFAULT_DEADLINE: Final = 60.0
"""How many seconds an import may take."""

_PROBE: Final = Path(__file__).parent / "import_probe.py"
# A build without the global interpreter lock has another binary interface; its flags hold a `t`.
_WHO_ARE_YOU: Final = (
    "import sys; print(sys.implementation.name, *sys.version_info[:2], getattr(sys, 'abiflags', '') or '-')"
)
_ANSWER_SECONDS: Final = 30
_SHOWN: Final = 8  # lines of what the package printed, the last ones


@dataclass(frozen=True, slots=True)
class ImportCheck:
    """What came of the import check of one target.

    Attributes:
        target: The name of the target, such as ``linux-x86_64-cp311``; None if no target runs on this machine.
        is_checked: Whether the package was imported, and has the tasks of its manifest.
        reason: Why it was not imported, if it was not.
    """

    target: str | None
    is_checked: bool
    reason: str | None = None


def check_import(
    package: Path,
    manifest: Manifest,
    targets: Sequence[Target],
    folder: Path,
    *,
    uv: Uv | None = None,
    deadline: float = DEFAULT_DEADLINE,
) -> tuple[ImportCheck, ...]:
    """Import a package, in a process of its own for each of its targets that this machine can run.

    The process is started as a worker's is, with the standard library, the package, its dependencies and the SDK on its
    path and nothing else. What registers is compared with the manifest.

    Args:
        package: The file.
        manifest: What it holds by its own account.
        targets: The targets it was built for.
        folder: An existing folder for what is extracted, of which nothing is removed here.
        uv: What looks for other versions of Python than this one's. Without it only this one's is checked.
        deadline: For how many seconds an import may take.

    Returns:
        What was checked, and what was not and why; never empty.

    Raises:
        ImportCheckFailed: The package does not import, or registers other tasks than its manifest names.
    """
    host = host_target()
    chosen = [target for target in targets if host is not None and target.platform == host.platform]
    if not chosen:
        machine = "of another kind" if host is None else host.platform
        return (ImportCheck(None, is_checked=False, reason=f"this machine is {machine}, for which it was not built"),)
    folder = folder.resolve()
    sdk = write_sdk(folder / "sdk")
    checks: list[ImportCheck] = []
    for target in chosen:
        python = Path(sys.executable) if target == host else _find_python(target, uv, folder)
        if python is None:
            reason = f"there is no Python {target.python} on this machine"
            checks.append(ImportCheck(target.name, is_checked=False, reason=reason))
            continue
        root = folder / target.name
        extract_package(package, root, target=target)
        _import(root, sdk, manifest, target, python, folder / f"{target.name}-process", deadline)
        checks.append(ImportCheck(target.name, is_checked=True))
    return tuple(checks)


def _find_python(target: Target, uv: Uv | None, folder: Path) -> Path | None:
    """Return an interpreter of a target's version: one that uv finds, and that says so itself."""
    if uv is None:
        return None
    wanted = f"cpython@{target.python}"
    try:
        printed = run_uv(
            uv,
            ["python", "find", "--no-config", "--no-project", wanted],
            folder=folder,
            environment={
                "UV_PYTHON_SEARCH_PATH": os.pathsep.join([*_pyenv_folders(target), os.environ.get("PATH", "")])
            },
        )
        found = Path(printed.strip())
        answer = subprocess.run(  # noqa: S603 - an interpreter of this machine
            [found, "-I", "-S", "-c", _WHO_ARE_YOU], capture_output=True, check=True, timeout=_ANSWER_SECONDS, text=True
        ).stdout
    except (DependencyError, OSError, subprocess.SubprocessError):
        return None
    return found if answer.split() == ["cpython", *target.python.split("."), "-"] else None


def _pyenv_folders(target: Target) -> list[str]:
    """Return where pyenv has the interpreters of a version. What it puts on PATH runs only the one that is selected."""
    root = os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser()
    return [str(folder) for folder in sorted(Path(root, "versions").glob(f"{target.python}.*/bin"))]


def _import(
    root: Path, sdk: Path, manifest: Manifest, target: Target, python: Path, folder: Path, deadline: float
) -> None:
    if manifest.python is None:
        raise UnsupportedManifest(
            f"The package is of the language {manifest.language!r}. Expected 'python': nothing else can be imported"
        )
    entry_module = manifest.python.entry_module
    folder.mkdir()
    request = {
        "root": str(root),
        "sdk": str(sdk),
        "entry_module": entry_module,
        "functions": [task.function for task in manifest.tasks],
    }
    ended = run_isolated(python, _PROBE, request, folder, deadline=deadline)
    on = f"on {target.name}"
    if ended.report is None:
        raise ImportCheckFailed(f"Importing {entry_module} {on} {_end(ended, deadline)}{_tail(ended.output)}")
    if (error := ended.report.get("error")) is not None:
        raise ImportCheckFailed(f"Importing {entry_module} {on} failed:{_lines(_error_lines(error))}\n{_hint(error)}")
    if differences := _differences(manifest.tasks, ended.report):
        raise ImportCheckFailed(
            f"Importing {entry_module} {on} registers other tasks than its source declares:{_lines(differences)}\n"
            "Declare tasks at the top level of modules, so that what is read from the source is what runs"
        )


def _end(ended: Ended, deadline: float) -> str:
    if ended.exit_code is None:
        return (
            f"did not end within {deadline:g} s. An import has to declare tasks and nothing more: what it waits for "
            "belongs into a task"
        )
    if ended.exit_code < 0:
        return (
            f"ended the process by {signal.Signals(-ended.exit_code).name}. A compiled dependency crashed: try another "
            "version of it"
        )
    return f"ended the process with code {ended.exit_code}. An import must not end the process that imports"


def _error_lines(error: Mapping[str, Any]) -> list[str]:
    return [*error["lines"], f"{error['type']}: {error['message']}".rstrip(": ")]


def _hint(error: Mapping[str, Any]) -> str:
    missing: str | None = error["missing_module"]
    if missing is not None and not missing.startswith("cloacina."):
        name = missing.partition(".")[0]
        return (
            f"If {name!r} is a library, add what provides it to [project] dependencies; if it is a module of the "
            "project, add its file to [tool.cloacina] include"
        )
    if error["type"] == "KeyError" and any("environ" in line for line in error["lines"]):
        return (
            "A package is imported with few variables of the environment: read others in a task, when they are needed"
        )
    return "A package is imported without the rest of the project: correct the import, or move it into a task"


def _differences(tasks: Iterable[TaskEntry], report: Mapping[str, Any]) -> list[str]:
    """Return how what was registered differs from the manifest, a line for each difference."""
    expected = {task.id: task for task in tasks}
    registered: dict[str, Mapping[str, Any]] = {facts["id"]: facts for facts in report["tasks"]}
    counts = Counter(facts["id"] for facts in report["tasks"])
    found = [f"{task_id!r} is registered {count} times" for task_id, count in counts.items() if count > 1]
    if len(workflows := report["workflows"]) > 1:
        found.append(f"there are {len(workflows)} workflows: {_names(workflows)}")
    found += [f"{task_id!r} is not registered" for task_id in expected if task_id not in registered]
    found += [f"{task_id!r} is registered, and not in the source" for task_id in registered if task_id not in expected]
    for task_id in expected.keys() & registered.keys():
        found += _differences_of(expected[task_id], registered[task_id], report["functions"])
    return sorted(found)


def _differences_of(task: TaskEntry, facts: Mapping[str, Any], functions: Mapping[str, str | None]) -> Iterator[str]:
    if set(facts["dependencies"]) != set(task.dependencies):
        yield f"{task.id!r} depends on {_names(facts['dependencies'])}; its source says {_names(task.dependencies)}"
    for field, unit in (("retries", "retries"), ("timeout_seconds", "seconds of timeout")):
        if facts[field] != (said := getattr(task, field)):
            yield f"{task.id!r} has {facts[field] or 'no'} {unit}; its source says {said or 'none'}"
    if functions.get(task.function) != task.id:
        yield f"{task.id!r} is not what {task.function} leads to after the import"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


def _tail(output: str) -> str:
    lines = output.strip().splitlines()[-_SHOWN:]
    return f". It printed:{_lines(lines)}" if lines else ""
