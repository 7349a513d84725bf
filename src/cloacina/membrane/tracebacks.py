"""Tracebacks of exceptions of others: bounded, and in words that cannot fail.

What is printed is a likeness of the exception. It has the frames, and a class of the same name; its texts are plain and
cut, and it has as many causes and members as can be read. So `traceback`, which knows best how a traceback looks, meets
nothing that raises, lies or has no end.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from traceback import TracebackException
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.membrane.words import LONGEST_LINE, full_name, is_text, members_of, short_name, shown, str_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_TRACEBACK: Final = 50_000
"""How many characters of a traceback are kept."""

_OWN_FOLDER: Final = str(Path(__file__).resolve().parent.parent) + os.sep

_EXCEPTIONS: Final = 60  # In all, causes and members together.
_LINKS: Final = 8  # At each end of a chain of causes.
_MEMBERS: Final = 10
_DEPTH: Final = 8
_FRAMES: Final = 50  # At each end of a stack.
_NOTES: Final = 20

_cause: Final = vars(BaseException)["__cause__"].__get__
_context: Final = vars(BaseException)["__context__"].__get__
_suppresses_context: Final = vars(BaseException)["__suppress_context__"].__get__
_traceback: Final = vars(BaseException)["__traceback__"].__get__

# What `traceback` shows more of than the text: where the syntax is wrong, and which name was meant.
_EXPLAINED: Final[dict[type[BaseException], tuple[str, ...]]] = {
    SyntaxError: ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset", "print_file_and_line"),
    NameError: ("name",),
    AttributeError: ("name", "obj"),
    ImportError: ("name", "name_from"),
}


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an exception with its causes, without the engine's own outer frames."""
    try:
        likeness = _Likenesses().of(error)
        told = TracebackException(type(likeness), likeness, likeness.__traceback__, compact=True)
        return shown("".join(told.format()), LONGEST_TRACEBACK)
    except BaseException as failure:  # noqa: BLE001 - the source of a frame may come from a loader of the user's
        return _bare(error, failure)


def _bare(error: BaseException, failure: BaseException) -> str:
    """Return a traceback without the lines of source, which could not be shown."""
    lines = ["Traceback (most recent call last):"]
    try:
        entry, _ = _users_part(_traceback(error))
        while entry is not None:
            code = entry.tb_frame.f_code
            lines.append(f'  File "{shown(code.co_filename)}", line {entry.tb_lineno}, in {shown(code.co_name)}')
            entry = entry.tb_next
    except BaseException as another:  # noqa: BLE001 - what is there is better than nothing
        failure = another
    told = f"{type_name(type(error))}: {str_of(error, LONGEST_LINE)}"
    return "\n".join([*lines, told, f"<the rest cannot be shown: {short_name(type(failure))}>", ""])


class _Likenesses:
    """Makes the likeness of one exception, with its causes and members."""

    def __init__(self) -> None:
        self._left = _EXCEPTIONS
        self._seen: set[int] = set()

    def of(self, error: BaseException, depth: int = 0) -> BaseException:
        """Return the likeness of an exception with its causes."""
        chain = self._chain(error)
        ends = max(1, min(_LINKS, self._left // 2))
        left_out = len(chain) - 2 * ends
        outer, rest = (chain[:ends], chain[-ends:]) if left_out > 0 else ([], chain)
        inner = self._of_chain(rest, None, depth)
        return self._of_chain(outer, _linked(_omission(left_out), inner, outer[-1]), depth) if outer else inner

    def _of_chain(self, chain: list[BaseException], inner: BaseException | None, depth: int) -> BaseException:
        for error in reversed(chain):
            inner = _linked(self._alone(error, depth), inner, error)
        return cast("BaseException", inner)

    def _chain(self, error: BaseException) -> list[BaseException]:
        """Return an exception and those that led to it, from the last to the first; each once, so it has an end."""
        chain: list[BaseException] = []
        link: BaseException | None = error
        while link is not None:
            self._seen.add(id(link))
            chain.append(link)
            cause = _cause(link)
            link = cause if cause is not None or _suppresses_context(link) else _context(link)
            if id(link) in self._seen:
                break
        return chain

    def _alone(self, error: BaseException, depth: int) -> BaseException:
        self._left -= 1
        kind: type = type(error)
        name, text = full_name(kind), str_of(error, LONGEST_LINE)
        likeness: Any
        if issubclass(kind, BaseExceptionGroup):
            likeness = _likeness_class(BaseExceptionGroup, *name)("", self._members(error, depth))
        else:
            base: Any = next((each for each in _EXPLAINED if issubclass(kind, each)), Exception)
            likeness = _likeness_class(base, *name)(text)
            for attribute in _EXPLAINED.get(base, ()):
                setattr(likeness, attribute, _plain(error, attribute))
        likeness.told = text
        likeness.__traceback__, left_out = _users_part(_traceback(error))
        for note in _notes(error):
            likeness.add_note(note)
        if left_out:
            likeness.add_note(f"… {left_out} frames in the middle of this traceback are left out …")
        return cast("BaseException", likeness)

    def _members(self, group: BaseException, depth: int) -> list[BaseException]:
        members = members_of(group)
        likenesses: list[BaseException] = []
        while len(likenesses) < min(len(members), _MEMBERS) and self._left > 0 and depth < _DEPTH:
            likenesses.append(self.of(members[len(likenesses)], depth + 1))
        if len(likenesses) < len(members):
            likenesses.append(_omission(len(members) - len(likenesses)))
        return likenesses


def _told(likeness: Any) -> str:
    text: str = likeness.told
    return text


@lru_cache(maxsize=256)
def _likeness_class(base: Any, module: str, name: str) -> Callable[..., Any]:
    return type(name, (base,), {"__module__": module, "__qualname__": name, "__str__": _told})


def _omission(number: int) -> BaseException:
    omission: Any = _likeness_class(Exception, "builtins", "…")()
    omission.told = "1 more exception" if number == 1 else f"{number} more exceptions"
    return cast("BaseException", omission)


def _linked(likeness: BaseException, inner: BaseException | None, error: BaseException) -> BaseException:
    """Let what led to an exception lead to its likeness, in the same way."""
    likeness.__context__ = inner
    if _cause(error) is not None:
        likeness.__cause__ = inner
    return likeness


def _plain(error: BaseException, attribute: str) -> Any:
    try:
        value: object = getattr(error, attribute, None)
    except BaseException:  # noqa: BLE001 - the text is told without it
        return None
    if is_text(value):
        return shown(value)
    return value if attribute == "obj" or type(value) in {int, bool} else None


def _users_part(entry: TracebackType | None) -> tuple[TracebackType | None, int]:
    """Drop the frames before the first that is not the engine's, none if all are; and those amid too many.

    Returns:
        What is left, and how many were dropped from the middle.
    """
    entries: list[TracebackType] = []
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    own = 0
    while own < len(entries) and entries[own].tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        own += 1
    if own < len(entries):
        del entries[:own]
    left_out = len(entries) - 2 * _FRAMES
    if left_out <= 0:
        return (entries[0] if entries else None), 0
    rest = entries[-_FRAMES]
    for each in reversed(entries[:_FRAMES]):
        rest = TracebackType(rest, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return rest, left_out


def _notes(error: BaseException) -> list[str]:
    try:
        notes: Any = getattr(error, "__notes__", ())
        found = [shown(str(note)) for note in notes[:_NOTES]]
        if len(notes) > len(found):
            found.append(f"… {len(notes) - len(found)} more notes …")
    except BaseException as failure:  # noqa: BLE001 - they may be anything
        return [f"<its notes cannot be shown: {short_name(type(failure))}>"]
    return found
