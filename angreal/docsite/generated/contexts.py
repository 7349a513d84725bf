"""What to write into a context instead of what JSON cannot hold, from the table that the messages come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.json_mends import MENDS, TRAITS
from docsite.generated.tables import table

if TYPE_CHECKING:
    from pathlib import Path

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
    rows = [(_classes(names), f"`{mend}`") for mend, names in MENDS.items()]
    rows += [(_TRAITS[trait], f"`{mend}`") for trait, mend in TRAITS.items()]
    return table(("For", "the message says"), rows)


def _classes(names: tuple[str, ...]) -> str:
    public = [name.removeprefix("builtins.") for name in names if "._" not in name and not name.startswith("_")]
    return ", ".join(f"`{name}`" for name in public)
