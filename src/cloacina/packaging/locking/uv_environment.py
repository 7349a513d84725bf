"""The environment that uv gets: with what reaches its indexes and its cache, without what would change its work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Whatever decides where uv looks, how it gets there, and which versions `uv lock` would choose for this user.
_KEPT_OF_UV: Final = frozenset(
    {
        "UV_API_KEY",
        "UV_AUTH_TOKEN",
        "UV_CACHE_DIR",
        "UV_CONFIG_FILE",
        "UV_CREDENTIALS_DIR",
        "UV_DEFAULT_INDEX",
        "UV_EXCLUDE_NEWER",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_FORK_STRATEGY",
        "UV_GITHUB_TOKEN",
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_LOCK_TIMEOUT",
        "UV_MANAGED_PYTHON",
        "UV_NATIVE_TLS",
        "UV_NO_CACHE",
        "UV_NO_CONFIG",
        "UV_NO_MANAGED_PYTHON",
        "UV_NO_SYSTEM_CONFIG",
        "UV_OFFLINE",
        "UV_PRERELEASE",
        "UV_PYTHON",
        "UV_PYTHON_INSTALL_DIR",
        "UV_PYTHON_PREFERENCE",
        "UV_PYTHON_SEARCH_PATH",
        "UV_REQUEST_TIMEOUT",
        "UV_RESOLUTION",
        "UV_SYSTEM_CERTS",
    }
)
# UV_INDEX_<NAME>_USERNAME and _PASSWORD are the credentials of an index; UV_INDEX and UV_INDEX_URL are indexes.
_KEPT_PREFIXES: Final = ("UV_CONCURRENT_", "UV_HTTP_", "UV_INDEX")
# These would make uv answer for another project or Python, write to another place, or print in another way.
_DROPPED: Final = frozenset(
    {
        "CLICOLOR_FORCE",
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "FORCE_COLOR",
        "MACOSX_DEPLOYMENT_TARGET",
        "PYTHONHOME",
        "PYTHONPATH",
        "RUST_BACKTRACE",
        "RUST_LOG",
        "TRACING_DURATIONS_FILE",
        "VIRTUAL_ENV",
    }
)
_FIXED: Final = {
    "NO_COLOR": "1",
    "UV_NO_PROGRESS": "1",
    "UV_NO_WRAP": "1",  # a message that is broken into lines cannot be recognised
    "UV_PYTHON_DOWNLOADS": "never",  # an interpreter is nothing that a build installs behind one's back
}
# Where uv looks for packages, as a whole: who names the default index names them all.
_INDEXES: Final = frozenset(
    {
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_NO_INDEX",
    }
)


def uv_environment(additional: Mapping[str, str] | None = None, *, offline: bool = False) -> dict[str, str]:
    """Return the environment variables to run uv with.

    Args:
        additional: Variables that win over all others. With `UV_DEFAULT_INDEX` among them, every index of the user's
            environment is left out: uv then looks only where these variables say.
        offline: Whether uv may read from its cache only.
    """
    additional = dict(additional or {})
    replaced = _INDEXES if "UV_DEFAULT_INDEX" in additional else frozenset[str]()
    environment = {name: value for name, value in os.environ.items() if _is_kept(name) and name not in replaced}
    environment |= _FIXED
    # A Python that was called by its path is on no PATH, and uv then finds none, or an older one.
    environment["PATH"] = os.pathsep.join(filter(None, [environment.get("PATH"), str(Path(sys.executable).parent)]))
    if offline:
        environment["UV_OFFLINE"] = "1"
    return environment | additional


def _is_kept(name: str) -> bool:
    if name.startswith("UV_"):
        return name in _KEPT_OF_UV or name.startswith(_KEPT_PREFIXES)
    return name not in _DROPPED
