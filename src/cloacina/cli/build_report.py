"""What `cloacina build` tells when it is done: what is in the package, what is not and why, and what it is."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from cloacina.cli.refusal import plain
from cloacina.packaging.building.summaries import counted
from cloacina.packaging.sizes import readable_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloacina.packaging.building.result import BuildPlan, BuildResult
    from cloacina.packaging.discovery import Discovery
    from cloacina.packaging.locking import SelectedWheel
    from cloacina.packaging.sources import SourceSelection
    from cloacina.packaging.targets import Target

_LABEL: Final = 11
_SHOWN: Final = 6


def result_lines(result: BuildResult, *, is_verbose: bool) -> Iterator[str]:
    """Return the lines about a package that was built."""
    yield from _selection_lines(result.selection, is_verbose=is_verbose)
    yield f"Built {result.path}"
    yield _line("size", f"{readable_size(result.packed_size)}, {readable_size(result.unpacked_size)} unpacked")
    yield _line("fingerprint", result.fingerprint)
    yield _line("targets", ", ".join(target.name for target in result.targets))
    yield _line("tasks", _tasks(result.discovery))
    for check in result.import_checks:
        if check.is_checked:
            yield _line("import", f"checked on {check.target}")
        else:
            yield _line("import", f"not checked{f' on {check.target}' if check.target else ''}: {check.reason}")
    if result.signed_by is not None:
        yield _line("signed by", result.signed_by)
    if result.is_reproduced:
        yield _line("reproduced", "a second build in another folder gave the same bytes")


def plan_lines(plan: BuildPlan, *, is_verbose: bool) -> Iterator[str]:
    """Return the lines about what a build would do."""
    yield from _selection_lines(plan.selection, is_verbose=is_verbose)
    if plan.wheels is None:
        yield f"wheels      not known yet. {plan.stale_lock}"
    else:
        yield from _wheel_lines(plan.wheels)
    yield f"Would build {plan.output}"
    yield _line("targets", ", ".join(target.name for target in plan.targets))
    yield _line("tasks", _tasks(plan.discovery))


def result_document(result: BuildResult) -> dict[str, Any]:
    """Return what is known of a package that was built, for `--json`."""
    change = result.lock_change
    return {
        "file": str(result.path),
        "package": {"name": result.name, "version": result.version},
        "fingerprint": result.fingerprint,
        "packed_size": result.packed_size,
        "unpacked_size": result.unpacked_size,
        "targets": [target.name for target in result.targets],
        **_source_document(result.discovery, result.selection),
        "wheels": _wheels_document(result.wheels),
        "lock": None
        if change is None
        else {"added": change.added, "removed": change.removed, "changed": change.changed},
        "import_check": [
            {"target": check.target, "is_checked": check.is_checked, "reason": check.reason}
            for check in result.import_checks
        ],
        "signed_by": result.signed_by,
        "is_reproduced": result.is_reproduced,
        "notes": result.notes,
    }


def plan_document(plan: BuildPlan) -> dict[str, Any]:
    """Return what a build would do, for `--json`."""
    return {
        "file": str(plan.output),
        "package": {"name": plan.project.name, "version": plan.project.version},
        "targets": [target.name for target in plan.targets],
        **_source_document(plan.discovery, plan.selection),
        "wheels": None if plan.wheels is None else _wheels_document(plan.wheels),
        "stale_lock": plan.stale_lock,
    }


def _selection_lines(selection: SourceSelection, *, is_verbose: bool) -> Iterator[str]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for file in selection.files:
        top, slash, _ = file.path.partition("/")
        groups[file.path if is_verbose else f"{top}{slash}"].append(file.size)
    included = [
        name if not name.endswith("/") else f"{name} ({counted(len(sizes), 'file')}, {readable_size(sum(sizes))})"
        for name, sizes in groups.items()
    ]
    yield from _block("included", included if is_verbose else _shortened(included))
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for path, reason in selection.excluded:
        by_reason[reason].append(path)
    excluded = [
        f"{', '.join(paths if is_verbose else _shortened(paths))}: {reason}" for reason, paths in by_reason.items()
    ]
    yield from _block("excluded", excluded)


def _wheel_lines(wheels: Mapping[Target, Sequence[SelectedWheel]]) -> Iterator[str]:
    by_release: defaultdict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    for target, chosen in wheels.items():
        for wheel in chosen:
            by_release[wheel.name, wheel.version].setdefault(wheel.file_name, []).append(target.name)
    lines: list[str] = []
    for (name, version), files in sorted(by_release.items()):
        used_by = sorted(target for targets in files.values() for target in targets)
        only = "" if len(used_by) == len(wheels) else f", only for {', '.join(used_by)}"
        lines.append(f"{name} {version} ({counted(len(files), 'wheel')}{only})")
    yield from _block("wheels", lines or ["none: the project has no dependencies"])


def _source_document(discovery: Discovery, selection: SourceSelection) -> dict[str, Any]:
    return {
        "workflow": discovery.workflow,
        "tasks": [
            {
                "id": task.id,
                "function": task.function,
                "dependencies": task.dependencies,
                "file": task.file,
                "line": task.line,
            }
            for task in discovery.tasks
        ],
        "included": [{"path": file.path, "size": file.size, "mode": f"{file.mode:04o}"} for file in selection.files],
        "excluded": [{"path": path, "reason": reason} for path, reason in selection.excluded],
    }


def _wheels_document(wheels: Mapping[Target, Sequence[SelectedWheel]]) -> dict[str, Any]:
    return {
        target.name: [
            {"name": wheel.name, "version": wheel.version, "file": wheel.file_name, "sha256": wheel.sha256}
            for wheel in chosen
        ]
        for target, chosen in wheels.items()
    }


def _tasks(discovery: Discovery) -> str:
    of = f" of {discovery.workflow}" if discovery.workflow else ""
    return f"{len(discovery.tasks)}{of}: {', '.join(_shortened([task.id for task in discovery.tasks]))}"


def _block(label: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        # The name of a file may hold anything.
        yield f"{label if number == 0 else '':{_LABEL}} {plain(line)}"


def _line(label: str, text: str) -> str:
    return f"  {label:{_LABEL}} {text}"


def _shortened(names: Sequence[str]) -> list[str]:
    if len(names) <= _SHOWN:
        return list(names)
    return [*names[: _SHOWN - 1], f"and {len(names) - _SHOWN + 1} more"]
