"""The reference of errors, written from the classes themselves and from the programs that reproduce them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, TypeAlias

import griffe

from cloacina.errors import CloacinaError, PackageError, TaskCancelled, errors_by_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ErrorClass: TypeAlias = type[CloacinaError] | type[TaskCancelled]

# The programs of a family that fill more than a page: the code from which on they are on another one, and its name.
_SECOND_PAGES = {"execution": ("CLO-1311", "requests")}

_SECTION = re.compile(r"^(Args|Attributes|Example|Examples|Raises|Returns|Note|Source):$", re.MULTILINE)


def error_reference(docs: Path) -> str:
    """Return the entries of all errors but those about packages as Markdown, one group for each family.

    Args:
        docs: The folder of the pages; the reproducers lie in `reference/reproducers/` below it.
    """
    return "\n".join(_entries(docs, are_about_packages=False))


def package_error_reference(docs: Path) -> str:
    """Return the entries of the errors about packages, which have a page of their own.

    Args:
        docs: The folder of the pages.
    """
    return "\n".join(_entries(docs, are_about_packages=True))


def reproducers(family: str, docs: Path) -> str:
    """Return the programs of a page, which raise the errors of a family, as Markdown.

    Args:
        family: The name of the page: that of a family, such as `handle`, or of its second page.
        docs: The folder of the pages.
    """
    return "\n".join(
        line
        for code, kind in errors_by_code().items()
        if _slug(kind) == family
        for line in _reproducer(code, kind, docs)
    )


def find_reproducer(code: str, docs: Path) -> Path | None:
    """Return the program, or the commands, that raise an error, if there are any."""
    folder = docs / "reference" / "reproducers"
    return next((file for file in (folder / f"{code}.py", folder / f"{code}.console") if file.exists()), None)


def message_file(code: str, docs: Path) -> Path:
    """Return the file that holds what an error says when its program raises it; there is none if it says nothing."""
    return docs / "reference" / "reproducers" / f"{code}.txt"


def families() -> list[str]:
    """Return the names of the pages with programs, in the order of their codes."""
    return list(dict.fromkeys(_slug(kind) for kind in errors_by_code().values() if kind is not CloacinaError))


def _entries(docs: Path, *, are_about_packages: bool) -> Iterator[str]:
    title = ""
    for code, kind in errors_by_code().items():
        if issubclass(kind, PackageError) is not are_about_packages:
            continue
        if _family_title(kind) != title:
            title = _family_title(kind)
            yield f"## {title}\n"
        yield from _entry(code, kind, docs)


def _entry(code: str, kind: ErrorClass, docs: Path) -> Iterator[str]:
    # The second address is the one by which other pages refer to the class.
    yield f"[](){{#{kind.__module__}.{kind.__name__}}}\n"
    yield f"### {code} `{kind.__name__}` {{ #{code.lower()} }}\n"
    yield f"{_raised_when(kind)}\n"
    yield f"Cause\n:   {kind.cause}\n"
    yield f"Mend\n:   {kind.mend}\n"
    if attributes := _attributes(kind):
        yield f"Carries\n:   {attributes}\n"
    if find_reproducer(code, docs) is not None:
        yield f"Seen in\n:   [a program that raises it](errors/{_slug(kind)}.md#{code.lower()})\n"


def _reproducer(code: str, kind: ErrorClass, docs: Path) -> Iterator[str]:
    file = find_reproducer(code, docs)
    if file is None:
        return
    language = {".py": "python", ".console": "console"}[file.suffix]
    yield f"## {code} `{kind.__name__}` {{ #{code.lower()} }}\n"
    page = "package-errors.md" if issubclass(kind, PackageError) else "errors.md"
    yield f"{_raised_when(kind)} [Its entry](../{page}#{code.lower()})\n"
    yield f"```{language}\n{file.read_text(encoding='utf-8').strip()}\n```\n"
    message = message_file(code, docs)
    if message.exists():
        yield f"It says:\n\n```text\n{message.read_text(encoding='utf-8').strip()}\n```\n"


def _raised_when(kind: ErrorClass) -> str:
    text = inspect.getdoc(kind) or ""
    section = _SECTION.search(text)
    return text[: section.start()].strip() if section else text.strip()


def _attributes(kind: ErrorClass) -> str:
    """Return what an error of this class has beside its message, from the docstring of the class itself."""
    sections = griffe.Docstring(vars(kind).get("__doc__") or "", lineno=1).parse("google", warnings=False)
    entries = [entry for section in sections if section.kind.value == "attributes" for entry in section.value]
    return "; ".join(f"`{entry.name}`: {entry.description.rstrip('.')}" for entry in entries)


def heads_family(kind: ErrorClass) -> bool:
    """Return whether an error is there to be caught in place of those below it, and is not raised itself."""
    return kind in (CloacinaError, PackageError) or CloacinaError in kind.__bases__ or PackageError in kind.__bases__


def _family(kind: ErrorClass) -> ErrorClass | None:
    """Return the nearest class that heads a family which an error belongs to, None outside of the tree."""
    return next((base for base in kind.__mro__ if issubclass(base, CloacinaError) and heads_family(base)), None)


def _family_title(kind: ErrorClass) -> str:
    if kind is CloacinaError:
        return "The root"
    family = _family(kind)
    return "Outside of the tree" if family is None else f"{family.__name__.removesuffix('Error')} errors"


def _slug(kind: ErrorClass) -> str:
    """Return the name of the page that shows the reproducer of an error."""
    # The one error outside of the tree is raised by a handle, and has a handle's code.
    family = _family(kind)
    name = "handle" if family is None else family.__name__.removesuffix("Error").lower()
    second, page = _SECOND_PAGES.get(name, ("", name))
    return page if kind.code >= second else name
