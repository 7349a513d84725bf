"""The reference of errors, written from the classes themselves and from the programs that reproduce them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, TypeAlias

import griffe

from cloacina.errors import CloacinaError, TaskCancelled, errors_by_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ErrorClass: TypeAlias = type[CloacinaError] | type[TaskCancelled]

_SECTION = re.compile(r"^(Args|Attributes|Example|Examples|Raises|Returns|Note|Source):$", re.MULTILINE)


def error_reference(docs: Path) -> str:
    """Return the entries of all errors as Markdown, one group for each family.

    Args:
        docs: The folder of the pages; the reproducers lie in `reference/reproducers/` below it.
    """
    return "\n".join(_lines(docs / "reference" / "reproducers"))


def _lines(reproducers: Path) -> Iterator[str]:
    family: type | None = CloacinaError
    for code, kind in errors_by_code().items():
        heads_family = _heads_family(kind)
        if heads_family or _family(kind) is not family:
            family = _family(kind)
            yield f"## {_family_title(kind)}\n"
        yield from _entry(code, kind, reproducers / f"{code}.py")


def _entry(code: str, kind: ErrorClass, reproducer: Path) -> Iterator[str]:
    # The second address is the one by which other pages refer to the class.
    yield f"[](){{#{kind.__module__}.{kind.__name__}}}\n"
    yield f"### {code} `{kind.__name__}` {{ #{code.lower()} }}\n"
    yield f"{_raised_when(kind)}\n"
    yield f"Cause\n:   {kind.cause}\n"
    yield f"Mend\n:   {kind.mend}\n"
    if family := _shown_family(kind):
        yield f"Family\n:   {family}\n"
    if attributes := _attributes(kind):
        yield f"Carries\n:   {attributes}\n"
    if reproducer.exists():
        yield "This program raises it:\n"
        yield f'```python title="{reproducer.name}"\n{reproducer.read_text(encoding="utf-8").strip()}\n```\n'


def _raised_when(kind: ErrorClass) -> str:
    text = inspect.getdoc(kind) or ""
    section = _SECTION.search(text)
    return text[: section.start()].strip() if section else text.strip()


def _attributes(kind: ErrorClass) -> str:
    """Return what an error of this class has beside its message, from the docstring of the class itself."""
    sections = griffe.Docstring(vars(kind).get("__doc__") or "", lineno=1).parse("google", warnings=False)
    entries = [entry for section in sections if section.kind.value == "attributes" for entry in section.value]
    return "; ".join(f"`{entry.name}`: {entry.description.rstrip('.')}" for entry in entries)


def _shown_family(kind: ErrorClass) -> str:
    """Return the family that an error belongs to, linked to its own entry; empty for a head of a family."""
    family = _family(kind)
    if family is None or family is kind or not issubclass(family, CloacinaError):
        return ""
    return f"[`{family.__name__}`](#{family.code.lower()})"


def _heads_family(kind: ErrorClass) -> bool:
    return kind is CloacinaError or CloacinaError in kind.__bases__


def _family(kind: ErrorClass) -> type | None:
    """Return the class directly below `CloacinaError` that an error belongs to, None outside of the tree."""
    if kind is CloacinaError:
        return CloacinaError
    return next((base for base in kind.__mro__ if CloacinaError in base.__bases__), None)


def _family_title(kind: ErrorClass) -> str:
    family = _family(kind)
    if family is None:
        return "Outside of the tree"
    if family is CloacinaError:
        return "The root"
    words = re.sub(r"Error$", "", family.__name__)
    return f"{words} errors"
