"""`cloacina signal`, when its words are plain: sent without importing what all other command lines are read with.

A webhook or a job of another system may start the command for each thing that happens. Anything but the plain case is
left to Typer, which also says what is wrong with it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from cloacina.cli.clients import DEFAULT_DATABASE, execution_named, open_client
from cloacina.cli.json_argument import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = frozenset({"--key", "--by", "--database"})
_FEWEST, _MOST = 2, 3


class PlainSignal(NamedTuple):
    """What `cloacina signal` is asked to do. Its arguments are those of the command."""

    execution: str
    name: str
    payload: str | None
    key: str | None
    by: str | None
    database: str

    def send(self) -> None:
        """Send the signal, and say so."""
        value = None if self.payload is None else read_json(self.payload, "PAYLOAD")
        with open_client(self.database) as client:
            is_new = client.signal(execution_named(self.execution), self.name, value, key=self.key, sender=self.by)
        print("sent" if is_new else "one with that key had been sent before")


def read_plain_signal(words: Sequence[str]) -> PlainSignal | None:
    """Return what the words of a command line ask for; None when they are not those of a plain `signal`.

    Args:
        words: What follows the program's name.
    """
    # On Windows the words may be patterns of files.
    if not words or words[0] != "signal" or os.name == "nt" or "_CLOACINA_COMPLETE" in os.environ:
        return None
    arguments: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-"):
            arguments.append(word)
            continue
        name, is_joined, value = word.partition("=")
        if not is_joined:
            value = next(rest, "-")
        if name not in _OPTIONS or name in options or value.startswith("-"):
            return None
        options[name] = value
    if not _FEWEST <= len(arguments) <= _MOST or not _is_text([*arguments, *options.values()]):
        return None
    execution, name, *more = arguments
    payload = more[0] if more else None
    database = options.get("--database") or os.environ.get("CLOACINA_DATABASE") or DEFAULT_DATABASE
    return PlainSignal(execution, name, payload, options.get("--key"), options.get("--by"), database)


def _is_text(words: Sequence[str]) -> bool:
    """Return whether words hold no bytes that could not be decoded, and are not empty."""
    try:
        return all(word.encode() for word in words)
    except UnicodeEncodeError:
        return False
