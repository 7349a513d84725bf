"""How exceptions, classes and functions of others are named in messages: in words that cannot fail.

Types are looked at with `type` and `issubclass`, attributes of exceptions by the descriptors of `BaseException` itself:
`isinstance` and `getattr` ask the object, and that may raise or lie.
"""

from __future__ import annotations

from typing import Final, TypeGuard

from cloacina.errors import CloacinaError

LONGEST_MESSAGE: Final = 20_000
"""How many characters of what an exception says are kept."""

LONGEST_LINE: Final = 1_000
"""How many of them are shown in a log line, an event or a traceback: what is long is kept once."""

_LONGEST_NAME: Final = 300
_LONGEST_OMISSION: Final = 40
_NAMED_LEAVES: Final = 10

_members: Final = vars(BaseExceptionGroup)["exceptions"].__get__
_message: Final = vars(BaseExceptionGroup)["message"].__get__
_module: Final = vars(type)["__module__"].__get__
_name: Final = vars(type)["__name__"].__get__
_qualname: Final = vars(type)["__qualname__"].__get__


def shown(text: str, limit: int = LONGEST_LINE) -> str:
    """Return a text as it can be stored and shown anywhere.

    Args:
        text: Any text, also one of a class of its own. Of a file name that is not UTF-8, the bytes are written out.
        limit: How many characters are returned at most; of a longer text, its beginning and a quarter from its end.
    """
    text = _cut(str.__str__(text), limit)
    if text.isascii() and "\0" not in text:
        return text
    return _cut(text.encode(errors="backslashreplace").decode().replace("\0", "\\x00"), limit)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = limit // 4
    begin = limit - end - _LONGEST_OMISSION
    return f"{text[:begin]} … {len(text) - begin - end} more characters … {text[-end:]}"


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is a text, whatever it says its class is."""
    return issubclass(type(value), str)


def type_name(kind: type) -> str:
    """Return the name of an exception's class with its module, such as `ValueError` or `httpx.ConnectError`."""
    module, name = full_name(kind)
    return name if module == "builtins" else f"{module}.{name}"


def full_name(kind: type) -> tuple[str, str]:
    """Return the module and the qualified name of a class."""
    try:
        module = shown(_module(kind), _LONGEST_NAME)
    except BaseException:  # noqa: BLE001 - it may be anything
        module = "builtins"
    return module, shown(_qualname(kind), _LONGEST_NAME)


def short_name(kind: type) -> str:
    """Return the name of a class alone."""
    return shown(_name(kind), _LONGEST_NAME)


def describe(error: BaseException) -> str:
    """Return an exception as one line."""
    return _in_a_line(error, LONGEST_LINE)


def _in_a_line(error: BaseException, limit: int) -> str:
    name, text = short_name(type(error)), text_of(error, limit)
    return shown(f"{name}: {text}" if text else name, limit)


def text_of(error: BaseException, limit: int = LONGEST_MESSAGE) -> str:
    """Return what an exception says, a group by what its leaves say.

    Args:
        error: The exception.
        limit: How many characters of it are kept.
    """
    try:
        if issubclass(type(error), BaseExceptionGroup):
            return _text_of_group(error, limit)
        if issubclass(type(error), CloacinaError):
            message: object = getattr(error, "message", None)
            if is_text(message):
                return shown(message, limit)
            if type(error).__str__ is CloacinaError.__str__:
                return shown(BaseException.__str__(error), limit)
    except BaseException:  # noqa: BLE001 - of a class of the user's, the message may be anything
        return str_of(error, limit)
    return str_of(error, limit)


def str_of(error: BaseException, limit: int) -> str:
    """Return the `str` of an exception."""
    try:
        return shown(str(error), limit)
    except BaseException as failure:  # noqa: BLE001 - it must not hide the exception that is to be told
        return f"<its text cannot be shown: {short_name(type(failure))}>"


def leaves_of(error: BaseException) -> list[BaseException]:
    """Return the exceptions in a group and in the groups in it, each once; of another exception itself."""
    pending, seen = [error], set[int]()
    leaves: list[BaseException] = []
    while pending:
        found = pending.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if issubclass(type(found), BaseExceptionGroup):
            pending.extend(reversed(members_of(found)))
        else:
            leaves.append(found)
    return leaves


def members_of(group: BaseException) -> tuple[BaseException, ...]:
    """Return what stands in a group, whatever its class says."""
    members: tuple[BaseException, ...] = _members(group)
    return members


def name_of(function: object) -> str:
    """Return the name of a function, or the `repr` of another callable."""
    try:
        return shown(getattr(function, "__qualname__", None) or repr(function), _LONGEST_NAME)
    except BaseException:  # noqa: BLE001 - it must not hide what became of the wait
        return short_name(type(function))


def _text_of_group(group: BaseException, limit: int) -> str:
    leaves = leaves_of(group)
    named = leaves[:_NAMED_LEAVES]
    each = limit // (len(named) + 2)
    parts = [_in_a_line(leaf, each) for leaf in named]
    if len(leaves) > len(named):
        parts.append(f"… {len(leaves) - len(named)} more")
    count = "1 error" if len(leaves) == 1 else f"{len(leaves)} errors"
    return f"{count}: {'; '.join(parts)} ({shown(_message(group), each)})"
