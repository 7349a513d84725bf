"""What to write into a context instead of what JSON cannot hold, from the table that the messages come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloacina.json_mends import MENDS, TRAITS
from docsite.generated.tables import table

if TYPE_CHECKING:
    from pathlib import Path

# What is Python in a mend: a list, or what has a dot or brackets in it.
_EXPRESSION = re.compile(r"\[.*\]|\w+(?:\.\w+)*\([^)]*\)(?:\.\w+\(\))?|\w+\.\w+|\bawait\b|\bNone\b")

_TRAITS = {
    "__dataclass_fields__": "a dataclass",
    "__attrs_attrs__": "a class of attrs",
    "__struct_fields__": "a `msgspec.Struct`",
    "__await__": "another awaitable",
    "tolist": "another class with `tolist()`",
    "keys": "another mapping",
    "__iter__": "another iterable",
}


def mend_reference(_docs: Path) -> str:
    """Return what is said about values of which classes, as Markdown."""
    rows = [(_classes(names), _shown(mend)) for mend, names in MENDS.items()]
    rows += [(_TRAITS[trait], _shown(mend)) for trait, mend in TRAITS.items()]
    return table(("For", "the message says"), rows)


def _shown(mend: str) -> str:
    return _EXPRESSION.sub(r"`\g<0>`", mend)


def _classes(names: tuple[str, ...]) -> str:
    public = [name.removeprefix("builtins.") for name in names if "._" not in name and not name.startswith("_")]
    return ", ".join(f"`{name}`" for name in public)
