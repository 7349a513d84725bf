"""`cloacina lock`: choose the versions of a project's dependencies, and check that every target has their wheels."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.unwinding import Interrupted, interruption_unwinds
from cloacina.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloacina.packaging.locking import Lock, LockChange
    from cloacina.packaging.project import Project


def lock(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="The project's folder, with its pyproject.toml.")
    ] = Path(),
    *,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Choose the newest versions, instead of keeping those that still fit.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if uv.lock does not fit pyproject.toml.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use uv's cache only.")] = False,
    allow_untested_uv: Annotated[
        bool, typer.Option("--allow-untested-uv", help="Use a version of uv that Cloacina was not tested with.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Write the versions of all dependencies to uv.lock, and check that every target has a wheel of each."""
    if check and upgrade:
        raise CommandError("--check changes nothing, and --upgrade changes uv.lock; give one of them")
    # What locks takes a while to import, and most other commands don't need it.
    from rich.console import Console  # noqa: PLC0415

    from cloacina.packaging.locking import export_lock, find_lock_file, find_uv, update_lock  # noqa: PLC0415
    from cloacina.packaging.project import read_project  # noqa: PLC0415

    found = read_project(project)
    targets = found.targets()
    uv = find_uv(allow_untested=allow_untested_uv)
    try:
        with interruption_unwinds():
            change = None
            if not check:
                with Console(stderr=True).status("Resolving dependencies", spinner="line"):
                    change = update_lock(found, uv, offline=offline, upgrade=upgrade)
                if not as_json:
                    # Also when a wheel turns out to be missing: the file is written by now.
                    print("\n".join(_change_lines(change)), flush=True)
            locked = export_lock(found, uv, targets, offline=offline)
            path = find_lock_file(found, uv) if change is None else change.path
    except Interrupted as interruption:
        print("interrupted: uv.lock is as it was", file=sys.stderr)
        return interruption.exit_code
    if as_json:
        is_unicode = sys.stdout.encoding.lower().startswith("utf")
        print(json.dumps(_document(found, path, change, locked), indent=2, ensure_ascii=not is_unicode))
    else:
        if change is None:
            print(f"{_shown(path)} fits pyproject.toml")
        print("\n".join(_wheel_lines(locked)))
    return ExitCode.OK


def _change_lines(change: LockChange) -> Iterator[str]:
    path = _shown(change.path)
    if not change.is_written:
        yield f"{path} fits already"
    elif change.is_empty:
        yield f"{path} is updated; every version is as it was"
    else:
        yield f"{path} is updated"
    yield from (f"  added    {name} {new}" for name, _, new in change.added)
    yield from (f"  removed  {name} {old}" for name, old, _ in change.removed)
    yield from (f"  changed  {name} {old} -> {new}" for name, old, new in change.changed)


def _wheel_lines(locked: Lock) -> Iterator[str]:
    if not any(locked.wheels.values()):
        yield f"There is nothing to pack beside the project itself, for {len(locked.wheels)} targets"
        return
    yield "Every dependency has a wheel for every target:"
    width = max(len(target.name) for target in locked.wheels)
    for target, wheels in locked.wheels.items():
        yield f"  {target.name:<{width}}  {len(wheels)} {'wheel' if len(wheels) == 1 else 'wheels'}"


def _document(project: Project, path: Path, change: LockChange | None, locked: Lock) -> dict[str, object]:
    return {
        "project": {"name": project.name, "version": project.version},
        "lock_file": str(path),
        "is_changed": change is not None and change.is_written,
        "added": [] if change is None else [{"name": name, "version": new} for name, _, new in change.added],
        "removed": [] if change is None else [{"name": name, "version": old} for name, old, _ in change.removed],
        "changed": []
        if change is None
        else [{"name": name, "from": old, "to": new} for name, old, new in change.changed],
        "targets": [
            {
                "name": target.name,
                "wheels": [{"name": wheel.name, "version": wheel.version, "file": wheel.file_name} for wheel in wheels],
            }
            for target, wheels in locked.wheels.items()
        ],
    }


def _shown(path: Path) -> str:
    """Return a path as seen from the current folder, where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        # On another drive of Windows there is no such path.
        return str(path)
    return min(relative, str(path), key=len)
