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
    from collections.abc import Mapping

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
        close = [names[name] for name in get_close_matches(wanted.casefold(), names, n=3, cutoff=0.6)]
        hint = ", ".join(f"{kind.code} ({kind.__name__})" for kind in dict.fromkeys(close))
        advice = f"did you mean {hint}?" if hint else "`cloacina explain` lists all codes."
        raise UnknownErrorCode(f"No error has the code {wanted!r}; {advice}") from None


def _summary(kind: ErrorClass) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _wrap(label: str, text: str, width: int) -> str:
    indent = " " * min(len(label), width // 3)
    return textwrap.fill(text, width, initial_indent=label, subsequent_indent=indent, break_on_hyphens=False)
