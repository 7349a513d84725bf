"""Tables of pyproject.toml, read with care: every problem is kept, with its line, and all are told at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.errors import InvalidProject, join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloacina.packaging.project.toml_document import TomlDocument

_KINDS: Final[dict[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "a table",
    dt.datetime: "a date and time",
    dt.date: "a date",
    dt.time: "a time",
}


@dataclass(slots=True)
class Problems:
    """What is wrong with one file.

    Attributes:
        document: The file.
    """

    document: TomlDocument
    _found: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, text: str, *keys: str) -> None:
        """Keep a problem.

        Args:
            text: What was found, what was expected and what to do.
            keys: The table and the key that it is about. Its line is the key's; of an absent key, the table's.
        """
        lines = (self.document.line_of(*keys[:length]) for length in range(len(keys), 0, -1))
        self._found.append((next((line for line in lines if line is not None), 0), text))

    def raise_if_any(self) -> None:
        """Raise one error that tells all problems, in the order of their lines.

        Raises:
            InvalidProject: There are problems.
        """
        shown, found = self.document.shown, sorted(self._found, key=lambda problem: problem[0])
        if len(found) == 1:
            ((line, text),) = found
            raise InvalidProject(f"{shown}, line {line}: {text}" if line else f"{shown}: {text}")
        if found:
            lines = [f"  line {line}: {text}" if line else f"  {text}" for line, text in found]
            raise InvalidProject("\n".join([f"{shown} has {len(found)} problems:", *lines]))


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file, which gives values of the type that is asked for.

    A key that is absent or of another type gives None; the second is a problem.

    Attributes:
        path: The names of the table and of those around it.
        values: Its keys.
        problems: Takes what is wrong.
    """

    path: tuple[str, ...]
    values: Mapping[str, Any]
    problems: Problems

    def __contains__(self, key: str) -> bool:
        return key in self.values

    @property
    def name(self) -> str:
        """The table's name in its brackets."""
        return f"[{'.'.join(self.path)}]"

    def problem(self, key: str, text: str) -> None:
        """Keep a problem of a key; `text` follows its name, such as `is missing`."""
        self.problems.add(f"{self.name} {key} {text}", *self.path, key)

    def string(self, key: str, example: str) -> str | None:
        """Return a string."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        self.problem(key, f"is {describe(value)}; expected a string in quotes, such as {key} = {toml_string(example)}.")
        return None

    def strings(self, key: str, example: str) -> tuple[str, ...] | None:
        """Return the strings of an array."""
        values: object = self.values.get(key)
        if values is None:
            return None
        if not isinstance(values, list):
            expected = f"expected an array of strings, such as {key} = [{toml_string(example)}]."
            self.problem(key, f"is {describe(values)}; {expected}")
            return None
        strings: list[str] = []
        for value in cast("list[object]", values):
            if isinstance(value, str):
                strings.append(value)
            else:
                expected = f"expected strings in quotes, such as {toml_string(example)}."
                self.problem(key, f"holds {describe(value)}; {expected}")
        return tuple(strings)

    def refuse_unknown_keys(self, known: Iterable[str]) -> None:
        """Keep a problem for each key that is not one of `known`, with the one that is likeliest meant."""
        names = list(known)
        for key in self.values:
            if key not in names:
                self.problem(key, f"is no key of this table; {did_you_mean(key.replace('-', '_'), names)}")


def describe(value: object) -> str:
    """Return what a TOML value is, and the value where it is short: `3.11, a number`."""
    kind = _KINDS.get(type(value), "a value of another type")
    if isinstance(value, bool):
        return f"{str(value).lower()}, {kind}"
    if isinstance(value, str):
        return f"{toml_string(value)}, {kind}"
    return f"{value}, {kind}" if isinstance(value, int | float) else kind


def toml_string(text: str) -> str:
    """Return a text as a TOML string in quotes."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\u{ord(c):04X}") for c in text) + '"'


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return the advice for a name that is not one of the known ones: the nearest one, and all of them."""
    names = list(known)
    close = get_close_matches(wrong, names, n=1)
    advice = f"did you mean {close[0]!r}? " if close else ""
    return f"{advice}{'Known' if close else 'known'} are {join_names(names)}."
