"""A package index on the loopback device that can also fail, and the wheels and source distributions to put on it."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_LONGEST_WAIT_SECONDS = 30


def make_wheel(
    name: str, version: str, tag: str = "py3-none-any", *, requires: tuple[str, ...] = (), requires_python: str = ""
) -> tuple[str, bytes]:
    """Return a wheel with one module: its file name and its bytes, the same ones every time."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"]
    lines += [f"Requires-Dist: {requirement}\n" for requirement in requires]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}\n")
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "".join(lines),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-{tag}.whl", packed.getvalue()


def make_sdist(name: str, version: str, *, is_buildable: bool = True) -> tuple[str, bytes]:
    """Return a source distribution; one that is not buildable has to be built even for its metadata, and fails."""
    files = {"PKG-INFO": f"Metadata-Version: {'2.2' if is_buildable else '1.2'}\nName: {name}\nVersion: {version}\n"}
    if not is_buildable:
        files["pyproject.toml"] = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        files["backend.py"] = "raise SystemExit('this needs a compiler')\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", packed.getvalue()


class PackageIndex:
    """An index that serves files, for the time of a `with` block.

    Args:
        files: Their names and bytes.
        status: What every request is answered with, in place of files.
        has_hashes: Whether the pages of packages name the hashes of the files.
        is_silent: Whether requests are never answered.
        credentials: What to answer requests for, as the header `Authorization` has it; none are needed if empty.

    Attributes:
        files: What is served.
        replaced: Files whose content differs from the one that the pages name the hash of.
        gone: Files that the pages name and that are not there.
        requests: The paths that were asked for.
    """

    def __init__(
        self,
        *files: tuple[str, bytes],
        status: int | None = None,
        has_hashes: bool = True,
        is_silent: bool = False,
        credentials: str = "",
    ) -> None:
        self.files = dict(files)
        self.replaced: dict[str, bytes] = {}
        self.gone: set[str] = set()
        self.requests: list[str] = []
        self._status = status
        self._has_hashes = has_hashes
        self.is_silent = is_silent
        self._credentials = credentials
        self.asked = threading.Event()
        self.left = threading.Event()

    def __enter__(self) -> Self:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Say nothing."""

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.asked.set()
                if index.is_silent:
                    # Nothing more is ever sent, so this ends when the other side has closed the connection.
                    self.connection.settimeout(_LONGEST_WAIT_SECONDS)
                    self.rfile.read(1)
                    index.left.set()
                    return
                status, body = index.answer(self.path, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if "/simple/" in self.path else "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address for `UV_DEFAULT_INDEX`."""
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def wait_for_request(self) -> None:
        """Wait until somebody has asked for something."""
        assert self.asked.wait(_LONGEST_WAIT_SECONDS), "nobody asked"

    def wait_for_leaving(self) -> None:
        """Wait until whoever has asked a silent index has gone away."""
        assert self.left.wait(_LONGEST_WAIT_SECONDS), "somebody still waits for an answer"

    def sha256(self, file_name: str) -> str:
        """Return the hash that the pages name for a file."""
        return hashlib.sha256(self.files[file_name]).hexdigest()

    def answer(self, path: str, authorization: str = "") -> tuple[int, bytes]:
        """Return the status and the body for a path."""
        if self._status is not None:
            return self._status, b"not what you want"
        if self._credentials and authorization != self._credentials:
            return 401, b""
        kind, _, name = path.strip("/").partition("/")
        if kind == "files":
            content = self.replaced.get(name, self.files.get(name))
            return (404, b"") if content is None or name in self.gone else (200, content)
        page = "".join(self._link(file) for file in self.files if _project_of(file) == name.rstrip("/"))
        return (200, f"<!DOCTYPE html><html><body>{page}</body></html>".encode()) if page else (404, b"")

    def _link(self, file: str) -> str:
        fragment = f"#sha256={self.sha256(file)}" if self._has_hashes else ""
        return f'<a href="/files/{file}{fragment}">{file}</a>\n'


def _project_of(file: str) -> str:
    return re.sub(r"[-_.]+", "-", file.partition("-")[0]).lower()
