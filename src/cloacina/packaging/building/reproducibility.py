"""Builds a second time under other circumstances, and compares the bytes.

The second build is a process of its own (`python -m cloacina.packaging.building.reproducibility`) that differs in all
that must not matter: the folder of the source and the length of its path, the files' times and permissions, the folder
for temporary files, language, time zone, and the seed of hashes. The lock is read from the project itself, since it may
name other folders by their place beside it.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloacina.errors import CloacinaError, NotReproducible, errors_by_code
from cloacina.packaging.archive import Member, read_package
from cloacina.packaging.building.making import BuildOptions, make_archive
from cloacina.packaging.building.progress import NoProgress
from cloacina.packaging.isolated.process import kill_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloacina.packaging.building.making import Made
    from cloacina.packaging.building.snapshot import Snapshot
    from cloacina.packaging.project import Project

_SHOWN: Final = 10
_OTHER_MTIME: Final = 1_000_000_000  # 2001
_OTHER_UMASK: Final = 0o077


def check_reproducible(
    project: Project, first: Made, folder: Path, options: BuildOptions, signatures: Sequence[Member]
) -> None:
    """Build a project again, from a copy in another folder, and compare.

    Args:
        project: The project.
        first: The first build.
        folder: A private folder; it must not exist.
        options: How the first one was built.
        signatures: The files with signatures that the first one holds. The second one is given the same.

    Raises:
        NotReproducible: The two differ; the message names the files.
        PackageError: The second build failed.
    """
    copy = folder / "a" / "copy" / "in" / "another" / "folder"
    _copy_sources(first.snapshot, copy)
    temporary = folder / "temporary"
    temporary.mkdir()
    request = {
        "project": str(project.root),
        "sources": str(copy),
        "private": str(temporary / "private"),
        "platforms": project.platforms,
        "pythons": project.pythons,
        "offline": options.offline,
        "allow_untested_uv": options.allow_untested_uv,
        "signatures": {member.path: b64encode(_bytes(member)).decode() for member in signatures},
    }
    report = _run(request, temporary)
    if "error" in report:
        kind = errors_by_code()[report["error"]["code"]]
        raise kind(f"The second build, from a copy of the project, failed: {report['error']['message']}")
    compare(first.archive, Path(report["archive"]))


def compare(first: Path, second: Path) -> None:
    """Compare two packages byte by byte.

    Raises:
        NotReproducible: They differ; the message names the files in them that do.
    """
    if filecmp.cmp(first, second, shallow=False):
        return
    ours, theirs = (
        {entry.path: (entry.sha256, entry.mode) for entry in read_package(path).contents} for path in (first, second)
    )
    differing = sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
    lines = [f"\n  {path}{_how(path, ours, theirs)}" for path in differing[:_SHOWN]]
    if len(differing) > _SHOWN:
        lines.append(f"\n  and {len(differing) - _SHOWN} more")
    if not differing:
        raise NotReproducible(
            "Two builds hold the same files, and their archives differ. The library that compresses may be of another "
            "version"
        )
    raise NotReproducible(
        f"Two builds differ in {len(differing)} file{'s'[: len(differing) > 1]}:{''.join(lines)}\n"
        "Leave out what is written while building, with [tool.cloacina] exclude"
    )


def _how(path: str, first: dict[str, tuple[str, int]], second: dict[str, tuple[str, int]]) -> str:
    if path not in first:
        return " (only in the second build)"
    if path not in second:
        return " (only in the first build)"
    return " (its permissions)" if first[path][0] == second[path][0] else ""


def _copy_sources(snapshot: Snapshot, copy: Path) -> None:
    (copy / snapshot.source_root.relative_to(snapshot.root)).mkdir(parents=True)
    for taken in snapshot.files:
        target = copy / taken.file.relative_to(snapshot.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(taken.file, target)
        # Only whether it may be executed is a property of the file.
        target.chmod(taken.mode & 0o700)
        os.utime(target, (_OTHER_MTIME, _OTHER_MTIME))


def _run(request: dict[str, Any], temporary: Path) -> dict[str, Any]:
    environment = os.environ | {
        "TMPDIR": str(temporary),
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "20011" if os.environ.get("PYTHONHASHSEED") == "10007" else "10007",
        # A repository around the folder of temporary files says nothing about the copy.
        "GIT_CEILING_DIRECTORIES": str(temporary.parent),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cloacina.packaging.building.reproducibility"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        umask=_OTHER_UMASK,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(json.dumps(request).encode())
    finally:
        kill_group(process)
    if process.returncode:
        raise RuntimeError("the second build ended without a report")
    report: dict[str, Any] = json.loads(output)
    return report


def _moved(project: Project, root: Path) -> Project:
    return replace(project, root=root, source_root=root / project.source_root.relative_to(project.root))


def _bytes(member: Member) -> bytes:
    return b"".join(member.chunks())


def _main() -> None:
    request = json.load(sys.stdin.buffer)
    private = Path(request["private"])
    private.mkdir(parents=True)
    options = BuildOptions(
        platforms=tuple(request["platforms"]),
        pythons=tuple(request["pythons"]),
        locked=True,
        offline=request["offline"],
        allow_untested_uv=request["allow_untested_uv"],
    )
    signatures = [Member(path, b64decode(content)) for path, content in request["signatures"].items()]
    report: dict[str, Any]
    try:
        project = options.read(Path(request["project"]))
        made = make_archive(
            project,
            private,
            options,
            sign=lambda _: signatures,
            progress=NoProgress(),
            sources=_moved(project, Path(request["sources"])),
        )
        report = {"archive": str(made.archive)}
    except CloacinaError as error:
        report = {"error": {"code": error.code, "message": error.message}}
    print(json.dumps(report))  # noqa: T201 - the report is what this program is run for


if __name__ == "__main__":
    _main()
