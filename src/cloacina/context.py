"""The data of an execution: JSON values under string keys, and what a task changed of them.

A `Context` stands on a *base*, the values that a task starts with, as JSON text. A value is decoded when it is first
read, afresh for each context, so that a list which one task changes in place never shows up in another task. What the
task did is the difference from the base, compared as JSON text: `1`, `1.0` and `true` are three values, and an object
whose keys stand in another order is another one.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

from cloacina.canonical_json import (
    check_item,
    decode,
    encode,
    encode_item,
    encode_mapping,
    encode_values,
    is_same_value,
)
from cloacina.errors import ContextSealed
from cloacina.large_json import is_heavy

__all__ = ["Context", "decode", "encode", "encode_mapping", "encode_values", "is_same_value"]

_EMPTY: Final[Mapping[str, str]] = {}
_repr: Final = reprlib.Repr()
_repr.maxdict, _repr.maxlist, _repr.maxtuple, _repr.maxstring, _repr.maxother = 20, 10, 10, 80, 80


class Context(MutableMapping[str, Any]):
    """The values that a task reads and writes, as a mutable mapping.

    Values are what JSON holds: None, booleans, finite numbers, strings, lists, and dicts with string keys. Anything
    else is refused when it is written. A tuple is accepted, and reaches other tasks as a list; so does a member of an
    `IntEnum` or `StrEnum`, as its number or text. A list or dict may be changed in place: the change is noticed, and
    checked, when the task ends. Other tasks and the result get the keys in the order in which they were written, those
    of each dict and those of the context; a key that is written anew keeps its place among them.

    Args:
        values: The values that the context starts with. They are copied: the context never changes them.

    Raises:
        NotJSONSerializable: A key is not a string, or JSON cannot hold a value.

    Example:
        ```python
        from cloacina import Context

        context = Context({"rows": [1, 2]})
        context["rows"].append(3)
        context["count"] = len(context["rows"])
        print(context.changes())
        #> {'rows': '[1,2,3]', 'count': '3'}
        ```
    """

    __slots__ = ("_base", "_live", "_removed", "_sealed")

    _base: Mapping[str, str]
    _live: dict[str, Any]  # What was read or written so far, by key.
    _removed: set[str] | None  # Keys of the base that were deleted, also when written again later.
    _sealed: bool

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._base = encode_values(values) if values else _EMPTY
        self._live = {}
        self._removed = None
        self._sealed = False

    @classmethod
    def from_encoded(cls, base: Mapping[str, str]) -> Context:
        """Return a context that stands on values which are JSON text already.

        Args:
            base: The JSON text of each value, as `encode` makes it. It is neither copied nor changed, and
                must not be changed by others while the context is in use.
        """
        context = cls()
        context._base = base
        return context

    def __getitem__(self, key: str) -> Any:
        try:
            return self._live[key]
        except KeyError:
            pass
        if self._removed is not None and key in self._removed:
            raise KeyError(key)
        text = self._base[key]
        # Of two threads that read a key for the first time, both get the value that was stored first.
        return self._live.setdefault(key, decode(text))

    def __setitem__(self, key: str, value: Any) -> None:
        if self._sealed:
            raise _sealed(key, "written")
        check_item(key, value)
        self._live[key] = value

    def __delitem__(self, key: str) -> None:
        if self._sealed:
            raise _sealed(key, "deleted")
        if key not in self:
            raise KeyError(key)
        self._live.pop(key, None)
        if key in self._base:
            if self._removed is None:
                self._removed = set()
            self._removed.add(key)

    def __contains__(self, key: object) -> bool:
        if key in self._live:
            return True
        return key in self._base and (self._removed is None or key not in self._removed)

    def __iter__(self) -> Iterator[str]:
        # Over a snapshot: reading a value during the iteration stores it in _live, which must not disturb the loop.
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return f"Context({_repr.repr(dict(self.items()))})"

    def __copy__(self) -> Context:
        other = Context.from_encoded(self._base)
        removed = self._removed
        other._live, other._removed = self._live.copy(), removed if removed is None else removed.copy()  # noqa: SLF001
        return other

    def clear(self) -> None:
        """Delete every key.

        Raises:
            ContextSealed: The task has ended.
        """
        for key in self._keys():
            del self[key]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as another task would see them, in a dict that is independent of this context.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot.
        """
        return {
            key: decode(encode_item(key, self._live[key]) if key in self._live else self._base[key])
            for key in self._keys()
        }

    def changes(self) -> dict[str, str | None]:
        """Return what differs from the base: the JSON text of each changed key, None for a deleted one.

        Keys that were neither read nor written cost nothing. Writing the value that a key has already is no change;
        putting the keys of an object into another order is one.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot.
        """
        base = self._base
        changes: dict[str, str | None] = {}
        live = self._live.copy()  # A thread that outlived its timeout may still be reading.
        for key, value in live.items():
            text = encode_item(key, value)
            if base.get(key) != text:
                changes[key] = text
        if self._removed is not None:
            for key in sorted(self._removed):
                if key not in live:
                    changes[key] = None
        return changes

    def seal(self) -> dict[str, str | None]:
        """Refuse every write from now on, and return the changes.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot. The context is sealed
                nevertheless.
        """
        self._sealed = True
        return self.changes()

    def discard(self) -> None:
        """Refuse every write from now on, without looking at the changes: those of a failed attempt do not count."""
        self._sealed = True

    def _keys(self) -> list[str]:
        removed = self._removed
        base = self._base
        if removed is None:
            keys = list(base)
            keys.extend([key for key in self._live.copy() if key not in base])
            return keys
        keys = [key for key in base if key not in removed]
        keys.extend([key for key in self._live.copy() if key not in base or key in removed])
        return keys


def takes_long(context: Context) -> bool:
    """Return whether to look at what a task changed may take long: much of it, or of the user's own classes."""
    live = context._live  # noqa: SLF001 - it is this module's
    return bool(live) and is_heavy(live.values())


def _sealed(key: str, what: str) -> ContextSealed:
    return ContextSealed(
        f"context[{key!r}] was {what} after the task had ended. What a task writes counts until it returns: let every"
        " thread or background job that writes end before that"
    )
