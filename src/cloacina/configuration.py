"""How a runner is set up: by arguments, then by `CLOACINA_*` environment variables, then by defaults."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from cloacina.errors import InvalidOption
from cloacina.retry import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

Durability: TypeAlias = Literal["full", "fast"]
OnExit: TypeAlias = Literal["wait", "leave", "cancel"]

DEFAULT_DATABASE = "sqlite:///cloacina.db"
DEFAULT_MAX_CONCURRENT_TASKS = 4
DEFAULT_MAX_BLOCKING_WAITS = 1_000
DEFAULT_DURABILITY: Durability = "full"
DEFAULT_ON_EXIT: OnExit = "wait"
DEFAULT_GRACE = 10.0
DEFAULT_RETENTION = None

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# More digits than a century has seconds.
_AGE = re.compile(r"([0-9]{1,10})([smhdw])")


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings of a runner.

    Attributes:
        database: The address of the database, or the path of its file (`CLOACINA_DATABASE`).
        max_concurrent_tasks: The number of slots (`CLOACINA_MAX_CONCURRENT_TASKS`).
        max_blocking_waits: How many `def` tasks may be in a wait at once, each with its thread
            (`CLOACINA_MAX_BLOCKING_WAITS`).
        durability: `full` outlives a power failure, `fast` only the death of the process (`CLOACINA_DURABILITY`).
        on_exit: What becomes of executions when the runner is left: `wait`, `leave` or `cancel` (`CLOACINA_ON_EXIT`).
        grace: For how many seconds tasks at work may go on when executions are left (`CLOACINA_GRACE`).
        retention: For how many seconds executions are kept that have ended; None for ever (`CLOACINA_RETENTION`).
    """

    database: str | Path
    max_concurrent_tasks: int
    max_blocking_waits: int
    durability: Durability
    on_exit: OnExit = DEFAULT_ON_EXIT
    grace: float = DEFAULT_GRACE
    retention: float | None = DEFAULT_RETENTION

    @classmethod
    def read(
        cls,
        database: str | Path | None = None,
        max_concurrent_tasks: int | None = None,
        max_blocking_waits: int | None = None,
        durability: Durability | None = None,
        environment: Mapping[str, str] = os.environ,
        *,
        on_exit: OnExit | None = None,
        grace: float | timedelta | None = None,
        retention: float | timedelta | None = None,
    ) -> Configuration:
        """Return the settings in force: each argument that is not None, or its variable, or its default.

        Raises:
            InvalidOption: A value is of the wrong kind or out of its range; the message names its origin.
        """
        return cls(
            _database(database, environment),
            _count("max_concurrent_tasks", max_concurrent_tasks, DEFAULT_MAX_CONCURRENT_TASKS, environment),
            _count("max_blocking_waits", max_blocking_waits, DEFAULT_MAX_BLOCKING_WAITS, environment),
            _durability(durability, environment),
            _on_exit(on_exit, environment),
            _grace(grace, environment),
            _retention(retention, environment),
        )


def _database(value: str | Path | None, environment: Mapping[str, str]) -> str | Path:
    if value is None:
        return environment.get("CLOACINA_DATABASE") or DEFAULT_DATABASE
    if not isinstance(value, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        message = f"database is an address such as 'sqlite:///reports.db', or a path; got {value!r}"
        raise InvalidOption(message)
    return value


def _count(name: str, value: int | None, default: int, environment: Mapping[str, str]) -> int:
    origin, found = name, value
    if found is None:
        origin = f"CLOACINA_{name.upper()}"
        text = environment.get(origin)
        if not text:
            return default
        if not text.strip().isdecimal():
            message = f"{origin} is a whole number of at least 1; got {text!r}"
            raise InvalidOption(message)
        found = int(text)
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        message = f"{origin} is a whole number of at least 1; got {found!r}"
        raise InvalidOption(message)
    return found


def _durability(value: str | None, environment: Mapping[str, str]) -> Durability:
    origin, found = "durability", value
    if found is None:
        origin, found = "CLOACINA_DURABILITY", environment.get("CLOACINA_DURABILITY") or DEFAULT_DURABILITY
    if found not in {"full", "fast"}:
        message = f"{origin} is 'full' or 'fast'; got {found!r}"
        raise InvalidOption(message)
    return cast("Durability", found)


def _on_exit(value: str | None, environment: Mapping[str, str]) -> OnExit:
    origin, found = "on_exit", value
    if found is None:
        origin, found = "CLOACINA_ON_EXIT", environment.get("CLOACINA_ON_EXIT") or DEFAULT_ON_EXIT
    if found not in {"wait", "leave", "cancel"}:
        message = f"{origin} is 'wait', 'leave' or 'cancel'; got {found!r}"
        raise InvalidOption(message)
    return cast("OnExit", found)


def _grace(value: float | timedelta | None, environment: Mapping[str, str]) -> float:
    if value is not None:
        return seconds(value, "grace")
    text = environment.get("CLOACINA_GRACE")
    if not text:
        return DEFAULT_GRACE
    try:
        return seconds(float(text), "CLOACINA_GRACE")
    except ValueError as error:
        message = f"CLOACINA_GRACE is a number of seconds, 0 or more; got {text!r}"
        raise InvalidOption(message) from error


def _retention(value: float | timedelta | None, environment: Mapping[str, str]) -> float | None:
    if value is not None:
        return seconds(value, "retention")
    text = environment.get("CLOACINA_RETENTION")
    if not text:
        return DEFAULT_RETENTION
    age = read_age(text)
    if age is None:
        message = f"CLOACINA_RETENTION is a number and its unit, s, m, h, d or w, such as 30d; got {text!r}"
        raise InvalidOption(message)
    return seconds(age, "CLOACINA_RETENTION")


def read_age(text: str) -> timedelta | None:
    """Return a duration such as `30d`: a number and its unit, s, m, h, d or w. None when it is none, or has no end."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        return None
