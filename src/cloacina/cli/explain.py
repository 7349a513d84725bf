"""`cloacina explain`: what an error code means, offline."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.errors import CloacinaError, TaskCancelled, UnknownErrorCode, documentation_url, errors_by_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    ErrorClass = type[CloacinaError | TaskCancelled]

_WIDEST = 100


def explain(
    code: Annotated[str | None, typer.Argument(help="A code such as CLO-1203, or an error's name.")] = None,
) -> None:
    """Show what an error code means and what to do about it; without a code, list all of them."""
    known = errors_by_code()
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    if code is None:
        for kind in known.values():
            print(_wrap(f"{kind.code}  {kind.__name__:<23} ", _summary(kind), width))
        return
    kind = _find(code, known)
    print(f"{kind.code}  {kind.__name__}\n")
    print(textwrap.fill(_summary(kind), width), end="\n\n")
    print(_wrap("Cause:  ", kind.cause, width))
    print(_wrap("Mend:   ", kind.mend, width))
    print(f"More:   {documentation_url(kind.code)}")


def _find(wanted: str, known: Mapping[str, ErrorClass]) -> ErrorClass:
    """Return the error of a code or name, in any case; `1203` and `clo1203` will do."""
    if match := re.fullmatch(r"(?:clo)?[-_ ]?(\d+)", wanted.strip(), re.IGNORECASE):
        wanted = f"CLO-{match[1]}"
    names = {name.casefold(): kind for kind in known.values() for name in (kind.code, kind.__name__)}
    try:
        return names[wanted.casefold()]
    except KeyError:
        close = _close_codes(match[1], known) if match else get_close_matches(wanted.casefold(), names)
        hint = ", ".join(f"{names[name.casefold()].code} ({names[name.casefold()].__name__})" for name in close)
        advice = f"did you mean {hint}?" if hint else "`cloacina explain` lists all codes."
        raise UnknownErrorCode(f"No error has the code {wanted!r}; {advice}") from None


def _close_codes(digits: str, known: Iterable[str]) -> list[str]:
    """Return the codes that are likeliest meant: digits swapped, one digit wrong, and of those the nearest number."""

    def distance(code: str) -> tuple[bool, int]:
        return sorted(code[-4:]) != sorted(digits), abs(int(code[-4:]) - int(digits))

    near = [
        code
        for code in known
        if len(digits) == len(code[-4:])
        and (not distance(code)[0] or sum(a != b for a, b in zip(code[-4:], digits, strict=True)) == 1)
    ]
    return sorted(near, key=distance)[:3]


def _summary(kind: ErrorClass) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _wrap(label: str, text: str, width: int) -> str:
    indent = " " * min(len(label), width // 3)
    return textwrap.fill(text, width, initial_indent=label, subsequent_indent=indent, break_on_hyphens=False)
