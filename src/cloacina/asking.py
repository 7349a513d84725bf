"""What runners and clients ask of the database for their users: arguments, checked, become a request.

A request is a function of a connection in a transaction that writes. A client runs it where it is called, and a runner
in its writer's thread.
"""

from __future__ import annotations

import reprlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from cloacina.context import encode, encode_mapping
from cloacina.errors import InvalidOption
from cloacina.execution.ids import new_id
from cloacina.store import requests
from cloacina.store.requests import Message, Outcome
from cloacina.submission import encode_context
from cloacina.task import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cloacina.store.connection import Connection
    from cloacina.store.lookup import Target

Request: TypeAlias = "Callable[[Connection], Outcome]"

LARGEST_MESSAGE: Final = 1_048_576
"""How many characters of JSON a signal or an answer may have: it is kept in memory until a task reads it."""
LONGEST_KEY: Final = 256
"""How many characters a key may have, or the name of who sends something."""


def signal(execution: Target, name: str, payload: Any, key: str | None, sender: str | None, now: float) -> Request:
    """Return the request that sends a signal; see `Client.signal`."""
    target = check_target(execution)
    check_name(name, "name of a signal")
    text = None if payload is None else _encode(payload, "payload")
    message = Message(new_id(), now, check_key(sender, "sender"))
    return partial(requests.signal, target=target, message=message, name=name, payload=text, key=check_key(key))


def answer(question_id: str, value: Any, by: str | None, now: float) -> Request:
    """Return the request that answers a question; see `Client.answer`."""
    message = Message(new_id(), now, check_key(by, "by"))
    return partial(requests.answer, question_id=question_id, message=message, value=_encode(value, "answer"))


def cancel(execution: Target, database: Path | None, now: float) -> Request:
    """Return the request that cancels an execution; see `Client.cancel`."""
    message = Message(new_id(), now)
    return partial(requests.cancel, target=check_target(execution), message=message, database=database)


def retry(
    execution: Target,
    context: Mapping[str, Any] | None,
    database: Path | None,
    now: float,
    runner_id: str | None = None,
) -> Request:
    """Return the request that lets an execution go on; see `Client.retry`."""
    target, message = check_target(execution), Message(new_id(), now)
    text = None if context is None else encode_mapping(encode_context(None, context))
    return partial(requests.retry, target=target, message=message, context=text, database=database, runner_id=runner_id)


def check_key(key: str | None, name: str = "key") -> str | None:
    """Return a key, or another short text, checked; None when there is none.

    Raises:
        InvalidOption: It is no text, empty, or too long.
    """
    found = cast("object", key)
    if found is None or (isinstance(found, str) and 0 < len(found) <= LONGEST_KEY and "\0" not in found):
        return key
    message = f"{name} is {reprlib.repr(key)}; expected a text of 1 to {LONGEST_KEY} characters"
    raise InvalidOption(message)


def check_target(execution: Target) -> Target:
    """Return what names an execution, checked: its id, or its workflow's name and its key.

    Raises:
        InvalidOption: It is neither.
    """
    match cast("object", execution):
        case str() | (str(), str()):
            return execution
        case _:
            message = f"an execution is named by its id, or by (workflow, key); got {reprlib.repr(execution)}"
            raise InvalidOption(message)


def _encode(value: Any, what: str) -> str:
    text = encode(value, what)
    if len(text) > LARGEST_MESSAGE:
        size = f"{what} is JSON of {len(text)} characters, and may have {LARGEST_MESSAGE}"
        raise InvalidOption(f"{size}; store it elsewhere, and send where it is")
    return text
