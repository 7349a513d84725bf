"""What the version control ignores: git's own answer in a work tree, the .gitignore files by themselves elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloacina.errors import ProjectError
from cloacina.packaging.project.patterns import Patterns
from cloacina.packaging.sources.git import git_answer, work_tree_above

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Ignored(Protocol):
    """Knows which files and folders are ignored below one folder."""

    def reason(self, path: Path, *, is_folder: bool) -> str | None:
        """Return why a file or a folder is ignored, or None when it is not."""
        ...

    def with_rules_in(self, folder: Path) -> Ignored:
        """Return what knows it below a folder that has a .gitignore."""
        ...


@dataclass(frozen=True, slots=True)
class ByGit:
    """What git answered.

    Attributes:
        reasons: Absolute paths, and why each is ignored.
    """

    reasons: Mapping[str, str]

    def reason(self, path: Path, *, is_folder: bool) -> str | None:  # noqa: ARG002 - git has looked
        """Return why a file or a folder is ignored, or None when it is not."""
        return self.reasons.get(str(path))

    def with_rules_in(self, folder: Path) -> ByGit:  # noqa: ARG002 - git has looked
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True)
class ByFiles:
    """What .gitignore files say, from the outermost folder to the innermost.

    What is tracked is known to git alone, so a file that a pattern matches counts as ignored.

    Attributes:
        rules: Of each file, the folder that it is about, its path as it is shown, and its patterns.
    """

    rules: tuple[tuple[Path, str, Patterns], ...] = ()

    def reason(self, path: Path, *, is_folder: bool) -> str | None:
        """Return why a file or a folder is ignored, or None when it is not."""
        for folder, shown, patterns in reversed(self.rules):
            match = patterns.decide(path.relative_to(folder).as_posix(), is_folder=is_folder)
            if match is not None:
                return None if match.is_negated else f"ignored ({shown}, line {match.index + 1}: {match.pattern})"
        return None

    def with_rules_in(self, folder: Path) -> ByFiles:
        """Return what knows it below a folder that has a .gitignore."""
        return self.with_rules_of(folder / ".gitignore", folder)

    def with_rules_of(self, file: Path, folder: Path) -> ByFiles:
        """Return the rules with those of a file, about what is in `folder`, behind them."""
        shown = os.path.relpath(file, self.rules[0][0] if self.rules else folder)
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise ProjectError(
                f"{shown} cannot be read ({error.strerror}), so it is not known which files are ignored."
            ) from error
        return ByFiles((*self.rules, (folder, shown, Patterns(text.split("\n")))))


def what_is_ignored(folder: Path) -> Ignored:
    """Return what knows which files are ignored in a folder.

    Args:
        folder: The folder, absolute and without links. Rules in it are not read yet: see `Ignored.with_rules_in`.

    Raises:
        ProjectError: The folder is in a git work tree, and git cannot or will not read it.
    """
    reasons = git_answer(folder)
    if reasons is not None:
        return ByGit(reasons)
    top = work_tree_above(folder)
    if top is None:
        return ByFiles()
    rules = ByFiles()
    if (exclude := top / ".git" / "info" / "exclude").is_file():
        rules = rules.with_rules_of(exclude, top)
    for above in reversed(folder.parents):
        if above.is_relative_to(top) and (above / ".gitignore").is_file():
            rules = rules.with_rules_in(above)
    # A scratch folder that the repository ignores is none of its business.
    return ByFiles() if rules.reason(folder, is_folder=True) else rules
