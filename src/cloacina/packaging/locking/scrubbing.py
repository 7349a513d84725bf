"""What uv prints, without what must not get into a message or a log: addresses, hosts, credentials, private paths."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ADDRESS: Final = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s`'\"<>()]+")
# git@host:team/repository.git, as ssh and git write it
_SSH_ADDRESS: Final = re.compile(r"[\w.-]+@[\w.-]+:[^\s`'\"<>()]+")
_SOCKET_ADDRESS: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}\b|\[[0-9a-fA-F:]{2,}\]:\d{1,5}\b")
_HOST_AFTER: Final = re.compile(
    r"(?P<before>\b(?:resolve host|lookup|connect to|hostname|for host)[: ]+`?)(?P<host>[\w.-]+\.[\w-]+)"
)
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_.+!%-]+\.(?:whl|zip|tar\.\w+|tgz)(?:\.metadata)?")
_HASH: Final = re.compile(r"#sha256=[0-9a-f]+")

_CONFIGURED: Final = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def scrub(text: str, *, folder: Path, addresses: Iterable[str] = ()) -> str:
    """Return a text of uv's without addresses, host names, credentials and absolute paths.

    What an address points to is kept where that is a file: `<address>/numpy-2.4.6.tar.gz`.

    Args:
        text: What uv has printed.
        folder: The folder that uv ran in, which becomes `.`.
        addresses: Addresses whose hosts and credentials are to be replaced wherever they occur, in addition to those
            in the text and in the environment.
    """
    known = [*addresses, *(os.environ.get(name, "") for name in _CONFIGURED), *_ADDRESS.findall(text)]
    secrets = sorted({secret for address in known for secret in _secrets(address)}, key=len, reverse=True)
    text = _ADDRESS.sub(_replace_address, text)
    text = _SSH_ADDRESS.sub("<address>", text)
    for secret in secrets:
        text = re.sub(rf"(?<![\w.-]){re.escape(secret)}(?::\d+)?(?![\w-])", "<host>", text)
    text = _SOCKET_ADDRESS.sub("<host>", text)
    text = _HOST_AFTER.sub(r"\g<before><host>", text)
    for path, name in _private_paths(folder):
        text = text.replace(path, name)
    return text


def _secrets(address: str) -> Iterator[str]:
    """Yield the host, the user's name and the password of an address."""
    for part in address.split():
        try:
            parts = urlsplit(part.partition("=")[2] if "://" not in part.partition("=")[0] and "=" in part else part)
        except ValueError:
            continue
        for secret in (parts.hostname, parts.username, parts.password):
            # A shorter one would be found in ordinary words.
            if secret and len(secret) > 3:  # noqa: PLR2004 - as the comment above says
                yield secret
                yield unquote(secret)


def _replace_address(match: re.Match[str]) -> str:
    text = _HASH.sub("", match[0])
    rest = text.rstrip(".,;:")
    path = rest.partition("://")[2].partition("?")[0].partition("#")[0]
    name = path.rpartition("/")[2]
    shown = f"<address>/{name}" if "/" in path and _FILE_NAME.fullmatch(name) else "<address>"
    return shown + text[len(rest) :]


def _private_paths(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the paths that tell about this machine, the longest first, with what is shown for them."""
    names = {
        folder: ".",
        Path(tempfile.gettempdir()): "<temporary folder>",
        _home(): "~",
    }
    if cache := os.environ.get("UV_CACHE_DIR"):
        names[Path(cache)] = "<uv's cache>"
    # What a path resolves to is what uv prints where a folder is reached through a link.
    texts = {str(form): name for path, name in names.items() for form in (path, path.resolve())}
    for text in sorted(texts, key=len, reverse=True):
        if len(text) > 1:
            yield text, texts[text]


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
