"""Asking git what it ignores."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from cloacina.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

# These say where a repository is, whatever folder git is started in, or what a path means. A git hook sets some.
_MISLEADING: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_INDEX_FILE",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
_FOREIGN: Final = ("dubious ownership", "unsafe repository")
_NO_WORK_TREE: Final = ("not a git repository", "must be run in a work tree")
_NOT_INSTALLED: Final = "xcrun: error"  # what macOS puts in git's place says this


def git_answer(folder: Path) -> dict[str, str] | None:
    """Return what git ignores below a folder: absolute paths, and why each is ignored.

    A file that is tracked is not ignored, whatever the patterns say; a folder of which everything is ignored stands for
    what is in it. The answer is git's own, so it counts .gitignore files at every level, `.git/info/exclude` and the
    user's `core.excludesFile`. Submodules and other repositories below are not part of it.

    Args:
        folder: The folder, absolute and without links.

    Returns:
        The answer, or None when git has none to give: it is not installed, the folder is in no work tree, or it is
        ignored itself, as a scratch folder is, so that the repository says nothing about what is in it.

    Raises:
        ProjectError: git cannot or will not read the work tree.
    """
    program = shutil.which("git")
    if program is None:
        return None
    top = _run(program, folder, "rev-parse", "--show-toplevel")
    if top.returncode != 0:
        if any(text in top.stderr for text in (*_NO_WORK_TREE, _NOT_INSTALLED)):
            return None
        raise _failure(folder, top.stderr)
    if _run(program, folder, "check-ignore", "--quiet", "--", ".").returncode == 0:
        return None
    listed = _run(program, folder, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    if listed.returncode != 0:
        raise _failure(folder, listed.stderr)
    paths = [path for path in listed.stdout.split("\0") if path]
    answer = {os.path.join(folder, path.rstrip("/")): "ignored by git" for path in paths}  # noqa: PTH118 - text
    if paths:
        answer |= _patterns(program, folder, paths)
    return answer


def work_tree_above(folder: Path) -> Path | None:
    """Return the folder, or the nearest one above it, that holds `.git`."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def _patterns(program: str, folder: Path, paths: list[str]) -> dict[str, str]:
    """Return for ignored paths which pattern, in which line of which file, each is ignored by."""
    # It answers with 1 when there is no pattern for any: each is a folder of which everything is ignored.
    # A path that began with a colon would be taken for a pattern with options.
    given = "\0".join(f"./{path}" for path in paths)
    asked = _run(program, folder, "check-ignore", "--stdin", "--verbose", "-z", given=given)
    if asked.returncode not in {0, 1}:
        raise _failure(folder, asked.stderr)
    fields = iter(asked.stdout.split("\0"))
    return {
        os.path.join(folder, path[2:].rstrip("/")): f"ignored by git ({source}, line {line}: {pattern})"  # noqa: PTH118
        for source, line, pattern, path in zip(fields, fields, fields, fields, strict=False)
    }


def _run(program: str, folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    environment["LC_ALL"] = "C"  # messages in English
    return subprocess.run(  # noqa: S603 - the program was looked up, and the arguments are made here
        # A file system monitor is a program that the repository's configuration names.
        [program, "-c", "core.fsmonitor=false", *arguments],
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


def _failure(folder: Path, stderr: str) -> ProjectError:
    said = next((line for line in stderr.splitlines() if line.startswith(("fatal:", "error:"))), stderr.strip())
    unknown = "so it is not known which files are ignored"
    if any(text in stderr for text in _FOREIGN):
        top = work_tree_above(folder) or folder
        return ProjectError(
            f"git does not read the work tree of the project, because it belongs to another user, {unknown}. Build as"
            f" its owner, or trust it: git config --global --add safe.directory {top}"
        )
    return ProjectError(f"git cannot read the work tree of the project ({said}), {unknown}. Mend it: git status.")
