"""The one time that a package knows: all its files have it, and the manifest names it.

Source: the SOURCE_DATE_EPOCH specification of reproducible-builds.org.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cloacina.errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "SOURCE_DATE_EPOCH"

DEFAULT_EPOCH: Final = 315_532_800
"""1980-01-01T00:00:00Z: the earliest time that every archive format can hold."""

_LATEST: Final = 0o77777777777  # eleven octal digits: what an archive's header has room for


def source_date_epoch(environment: Mapping[str, str] = os.environ) -> int:
    """Return the time of a package's files, in seconds since 1970.

    Args:
        environment: Where `SOURCE_DATE_EPOCH` is looked up. Without it, or with an empty one, it is `DEFAULT_EPOCH`.

    Raises:
        InvalidOption: It is no whole number, is below 0, or is later than an archive can hold.

    Example:
        ```python
        from cloacina.packaging.building.source_date import source_date_epoch

        print(source_date_epoch({"SOURCE_DATE_EPOCH": "1700000000"}), source_date_epoch({}))
        #> 1700000000 315532800
        ```
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return DEFAULT_EPOCH
    if not re.fullmatch(r"[0-9]{1,11}", text) or int(text) > _LATEST:
        raise InvalidOption(
            f"{VARIABLE} is {text!r}. Expected seconds since 1970 as a whole number from 0 to {_LATEST}, or no such "
            "variable"
        )
    return int(text)


def timestamp(epoch: int) -> str:
    """Return a time as RFC 3339 in UTC: `1980-01-01T00:00:00Z`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
