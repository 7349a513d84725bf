"""Patterns as in a .gitignore: those of `include` and `exclude`, and those of .gitignore files themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Match:
    """The pattern that decides about a path: the last one that matches it.

    Attributes:
        index: Its place in the list of patterns.
        pattern: Its text.
        is_negated: Whether it begins with `!`, and so takes back what those before it say.
    """

    index: int
    pattern: str
    is_negated: bool


class Patterns:
    """A list of patterns, relative to one folder. Blank lines, comments and broken patterns match nothing.

    Args:
        lines: The patterns.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._places = [index for index, line in enumerate(lines) if line.strip() and _compile(line) is not None]
        self._lines = [lines[index] for index in self._places]
        self._spec = GitIgnoreSpec.from_lines(self._lines)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def decide(self, path: str, *, is_folder: bool = False) -> Match | None:
        """Return the pattern that decides about a path, or None when no pattern matches it.

        Args:
            path: The path, relative to the folder of the patterns, with `/` between its parts.
            is_folder: Whether it is a folder.
        """
        found = self._spec.check_file(f"{path}/" if is_folder else path)
        if found.include is None or found.index is None:
            return None
        return Match(self._places[found.index], self._lines[found.index], is_negated=not found.include)

    def match(self, path: str, *, is_folder: bool = False) -> str | None:
        """Return the pattern that holds for a path, or None when none does, or one with `!` takes it back."""
        match = self.decide(path, is_folder=is_folder)
        return None if match is None or match.is_negated else match.pattern


def what_is_wrong_with(pattern: str) -> str | None:
    """Return why a pattern of `include` or `exclude` can match nothing, or None when it can."""
    if not pattern.strip():
        return "which is empty"
    if pattern.startswith("#"):
        return "which is a comment in a list of patterns (write \\# for a name that begins with #)"
    if ".." in pattern.split("/"):
        return "which leaves the project's folder"
    if _compile(pattern) is None:
        return "which is no pattern as in a .gitignore"
    return None


def _compile(line: str) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines([line])
    except ValueError:  # what pathspec raises derives from it, under a name that differs between its versions
        return None
