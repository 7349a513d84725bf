"""What is wrong with a project's source: collected, and reported in one error, as a compiler does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloacina.errors import InvalidSource

if TYPE_CHECKING:
    from cloacina.errors import CloacinaError
    from cloacina.packaging.discovery.source import Place

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: Where.
        kind: The class of the error.
        message: What was found, what was expected, and what to do.
    """

    place: Place
    kind: type[CloacinaError]
    message: str


@dataclass(slots=True)
class Problems:
    """The problems of one project, in the order in which they were found."""

    _found: dict[Place, Problem] = field(default_factory=dict["Place", Problem])

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, kind: type[CloacinaError], message: str) -> None:
        """Take a problem; of several at one place the first counts, because it is the cause of the others."""
        self._found.setdefault(place, Problem(place, kind, message))

    def raise_all(self) -> None:
        """Raise one error that reports all problems, of the first one's class; do nothing when there is none."""
        # What a file that cannot be parsed declares is missed elsewhere too, which is no problem of its own.
        unreadable = [problem for problem in self._found.values() if problem.kind is InvalidSource]
        problems = _in_reading_order(unreadable or list(self._found.values()))
        if not problems:
            return
        kind = problems[0].kind
        if len(problems) == 1:
            raise kind(f"{problems[0].place}: {problems[0].message}")
        lines = [f"{len(problems)} problems in the source of the project:"]
        for problem in problems[:_SHOWN]:
            code = "" if problem.kind is kind else f" [{problem.kind.code}]"
            lines.append(f"  {problem.place}: {problem.message}{code}")
        if len(problems) > _SHOWN:
            lines.append(f"  and {len(problems) - _SHOWN} more")
        raise kind("\n".join(lines))


def _in_reading_order(problems: list[Problem]) -> list[Problem]:
    """Return problems file by file, in the order in which files were read, and from top to bottom in each."""
    files = list(dict.fromkeys(problem.place.file for problem in problems))
    return sorted(problems, key=lambda each: (files.index(each.place.file), each.place.line, each.place.column))
