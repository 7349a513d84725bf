"""Where the measurements come from: a file, or a web server."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

NOT_YET = {202, 404, 425, 503}
"""The answers of a web server that mean: ask again later."""

TIMEOUT = 30
"""How many seconds a web server may take to answer."""


def read_if_there(source: str) -> str | None:
    """Return the text of a file or of a web page, or None when it is not there yet. What is empty is not there yet.

    Args:
        source: A path, or an address that begins with `https://` or `http://`.

    Raises:
        OSError: It is there, and cannot be read; or the server cannot be reached.
    """
    if urlsplit(source).scheme not in {"http", "https"}:
        path = Path(source)
        return (path.read_text(encoding="utf-8") or None) if path.exists() else None
    try:
        with urlopen(source, timeout=TIMEOUT) as answer:  # noqa: S310 - the scheme is one of the two above
            return None if answer.status in NOT_YET else answer.read().decode("utf-8") or None
    except HTTPError as error:
        with error:  # it holds the connection
            if error.code in NOT_YET:
                return None
            raise
