"""Where the running Cloacina was installed from."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname


def installed_from() -> Path | None:
    """Return the folder that Cloacina was installed from, or None when it came from an index or a file.

    Source: PEP 610, the record of an installation from a direct URL.
    """
    try:
        record = distribution("cloacina").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    try:
        values: Any = json.loads(record or "null")
    except json.JSONDecodeError:
        return None
    if not isinstance(values, dict) or "dir_info" not in values:
        return None
    address = urlsplit(str(cast("dict[str, Any]", values).get("url")))
    folder = Path(url2pathname(address.path))
    return folder if address.scheme == "file" and folder.is_dir() else None
