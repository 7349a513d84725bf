"""From a project to the files that its package holds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloacina.errors import InvalidProject
from cloacina.packaging.project.patterns import Patterns
from cloacina.packaging.sources.checks import Refusals
from cloacina.packaging.sources.defaults import why_left_out
from cloacina.packaging.sources.ignored import what_is_ignored
from cloacina.packaging.sources.never import HEAD, reason_by_content, reason_by_entries, reason_by_name

if TYPE_CHECKING:
    from cloacina.packaging.project import Project
    from cloacina.packaging.sources.ignored import Ignored

_DEEPEST: Final = 64  # folders in folders; names of that many do not fit into a package
_NO_MATCH: Final = "it matches no file"
_EXECUTABLE: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to pack.

    Attributes:
        path: Where it stands below `workflow/`, with `/` between the parts.
        file: Where it is now.
        mode: 0o755 when anybody may execute it, else 0o644.
        size: Its bytes.
    """

    path: str
    file: Path
    mode: int
    size: int


@dataclass(frozen=True, slots=True)
class SourceSelection:
    """What is packed of a project.

    Attributes:
        files: The files, sorted by the bytes of their paths.
        excluded: What is left out, and why: paths in the project, sorted. A folder ends in `/` and stands for all that
            is in it.
    """

    files: tuple[SourceFile, ...]
    excluded: tuple[tuple[str, str], ...]


def select_sources(project: Project) -> SourceSelection:
    """Find the files of a project that its package holds.

    With a folder `src`, that is everything in it; without, the modules and packages of the project's folder, but for
    tests, documentation and the like. `include` adds files, `exclude` leaves some out. Never packed are files that the
    version control ignores, what Python and other tools have written, virtual environments, and files that may hold
    secrets. Folders of that kind are not looked into.

    Files below the source root keep the paths by which they are imported; other files keep their paths in the project.

    Args:
        project: The project.

    Raises:
        UnpackableFile: A file that would be packed is a link, cannot be read, is too large, or has a name that some
            system cannot hold; the message has all such files.
        InvalidProject: A pattern of `include` matches nothing, or the entry module is left out.
        ProjectError: The project is in a git work tree, and git cannot or will not read it.

    Example:
        ```python
        from pathlib import Path

        from cloacina.packaging.project import read_project
        from cloacina.packaging.sources import select_sources

        Path("pyproject.toml").write_text(
            '''
            [project]
            name = "sales-report"
            version = "1.0"
            requires-python = ">=3.11"

            [tool.cloacina]
            entry_module = "tasks"
            '''
        )
        for name in ("tasks.py", ".env", "notes.txt"):
            Path(name).touch()
        selection = select_sources(read_project(Path()))
        print([file.path for file in selection.files])
        #> ['tasks.py']
        print(dict(selection.excluded)[".env"])
        #> may hold secrets
        ```
    """
    search = _Search(project)
    search.visit(project.root, "", what_is_ignored(project.root))
    search.refusals.check_together([(file.path, search.shown(file)) for file in search.files])
    search.refusals.raise_if_any()
    search.check_include()
    search.check_entry_module()
    files = sorted(search.files, key=lambda file: file.path.encode())
    return SourceSelection(tuple(files), tuple(sorted(search.excluded)))


class _Search:
    """One walk through a project.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._prefix = "" if project.source_root == project.root else f"{project.source_root.name}/"
        self._exclude = Patterns(project.exclude)
        self._include = Patterns(project.include)
        # Of each pattern of `include`, why the first path that it matches is not packed; None once one is.
        self._missed: dict[str, str | None] = {
            pattern: _NO_MATCH for pattern in project.include if not pattern.startswith("!")
        }
        self._matchers = {pattern: Patterns([pattern]) for pattern in self._missed}
        self.files: list[SourceFile] = []
        self.excluded: list[tuple[str, str]] = []
        self.refusals = Refusals(project.pythons)

    def visit(self, folder: Path, above: str, ignored: Ignored, left_out: str | None = None) -> None:
        """Look at everything in a folder.

        Args:
            folder: The folder.
            above: Its path in the project, with `/` at its end; empty for the project's own.
            ignored: What the version control ignores around it.
            left_out: Why what is in it is not packed, unless by `include`.
        """
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            if left_out is None:
                self.refusals.of_reading(above, error)
            else:
                self._leave_out(above, f"cannot be read ({error.strerror})")
            return
        names = {entry.name for entry in entries}
        if above and (reason := reason_by_entries(names)):
            self._leave_out(above, reason)
            return
        if above and ".git" in names:
            ignored = what_is_ignored(folder)  # a submodule, or another repository: with rules of its own
        if ".gitignore" in names:
            ignored = ignored.with_rules_in(folder)
        for entry in entries:
            self._consider(entry, above, ignored, left_out)

    def shown(self, file: SourceFile) -> str:
        """Return the path of a file in the project."""
        return file.file.relative_to(self._project.root).as_posix()

    def check_include(self) -> None:
        """Refuse a pattern of `include` that adds nothing: it is a slip of the pen, or hides one.

        Raises:
            InvalidProject: There is one; the message has all.
        """
        missed = [f"include {pattern!r}: {reason}" for pattern, reason in self._missed.items() if reason]
        if missed:
            raise InvalidProject(
                "[tool.cloacina] include adds no file to the package; correct or remove the pattern. "
                + "; ".join(missed)
                + "."
            )

    def check_entry_module(self) -> None:
        """Refuse to leave out the module that declares the tasks.

        Raises:
            InvalidProject: It is there, and is left out.
        """
        module = self._project.entry_module.replace(".", "/")
        packed = {file.path for file in self.files}
        candidates = [f"{module}.py", f"{module}/__init__.py"]
        if any(path in packed for path in candidates):
            return
        for path in (self._prefix + path for path in candidates):
            for left_out, reason in self.excluded:
                if path == left_out or (left_out.endswith("/") and path.startswith(left_out)):
                    raise InvalidProject(
                        f"[tool.cloacina] entry_module {self._project.entry_module!r} is in {path}, and"
                        f" {left_out} is left out: {reason}. Let it be packed, or name another module."
                    )

    def _consider(self, entry: os.DirEntry[str], above: str, ignored: Ignored, left_out: str | None) -> None:
        path, is_folder = above + entry.name, entry.is_dir(follow_symlinks=False)
        shown = f"{path}/" if is_folder else path
        if reason := self._never(entry, path, ignored, is_folder=is_folder):
            self._leave_out(shown, reason)
            return
        if not above:
            left_out = why_left_out(self._project, entry.name)
        if not is_folder and (left_out is None or self._include.match(path)):
            self._add(entry, path)
        elif is_folder and left_out is None:
            self.visit(Path(entry.path), shown, ignored)
        elif left_out is not None and not (is_folder and self._adds_from(Path(entry.path), shown, ignored, left_out)):
            self.excluded.append((shown, left_out))

    def _never(self, entry: os.DirEntry[str], path: str, ignored: Ignored, *, is_folder: bool) -> str | None:
        """Return why a file or a folder is left out even where `include` names it."""
        if reason := reason_by_name(entry.name, is_folder=is_folder):
            return reason
        if pattern := self._exclude.match(path, is_folder=is_folder):
            return f"exclude {pattern!r}"
        return ignored.reason(Path(entry.path), is_folder=is_folder)

    def _adds_from(self, folder: Path, path: str, ignored: Ignored, left_out: str) -> bool:
        """Add the files of `include` from a folder that is left out otherwise, and return whether there are any."""
        packed, lines = len(self.files), len(self.excluded)
        if self._include and path.count("/") < _DEEPEST:
            self.visit(folder, path, ignored, left_out)
        if len(self.files) == packed:
            del self.excluded[lines:]  # one line for the folder says it all
        return len(self.files) > packed

    def _add(self, entry: os.DirEntry[str], path: str) -> None:
        target = path.removeprefix(self._prefix)
        try:
            status = entry.stat(follow_symlinks=False)
            if self.refusals.of_file(path, target, Path(entry.path), status):
                return
            with open(entry.path, "rb") as opened:  # noqa: PTH123 - there may be thousands, and a Path costs as much
                head = opened.read(HEAD)
        except OSError as error:
            self.refusals.of_reading(path, error)
            return
        if reason := reason_by_content(entry.name, head):
            self._leave_out(path, reason)
            return
        for pattern in self._matching(path):
            self._missed[pattern] = None
        mode = 0o755 if status.st_mode & _EXECUTABLE else 0o644
        self.files.append(SourceFile(target, Path(entry.path), mode, status.st_size))

    def _leave_out(self, path: str, reason: str) -> None:
        """Leave out what `include` cannot add."""
        self.excluded.append((path, reason))
        for pattern in self._matching(path):
            if self._missed[pattern] == _NO_MATCH:
                self._missed[pattern] = f"{path} is left out: {reason}"

    def _matching(self, path: str) -> list[str]:
        name, is_folder = path.rstrip("/"), path.endswith("/")
        return [p for p, matcher in self._matchers.items() if matcher.match(name, is_folder=is_folder)]
