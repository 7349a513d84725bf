"""A package index on this machine, with wheels made here: no test of building needs a network."""

from __future__ import annotations

import base64
import csv
import hashlib
import sys
import tarfile
import threading
from collections import defaultdict
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ABI = f"cp{PYTHON.replace('.', '')}"
WHEEL_PLATFORMS = {
    "linux-x86_64": "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "macos-x86_64": "macosx_11_0_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
}


class LocalIndex:
    """An index, served at `url`.

    Attributes:
        url: The address for `[[tool.uv.index]]`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        handler = partial(_QuietHandler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple"
        self._thread = threading.Thread(target=self._server.serve_forever, name="local-index")
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add_wheel(
        self,
        name: str,
        version: str,
        files: Mapping[str, str | bytes],
        *,
        tag: str = "py3-none-any",
        requires: tuple[str, ...] = (),
        executable: tuple[str, ...] = (),
        metadata: str = "",
    ) -> None:
        """Publish a wheel; `files` are by their paths in it."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        wanted = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        contents = {
            **{path: text.encode() if isinstance(text, str) else text for path, text in files.items()},
            f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{wanted}{metadata}".encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        }
        record = StringIO()
        rows = [[path, f"sha256={_encode(data)}", len(data)] for path, data in contents.items()]
        csv.writer(record).writerows([*rows, [f"{info}/RECORD", "", ""]])
        contents[f"{info}/RECORD"] = record.getvalue().encode()
        packed = BytesIO()
        with ZipFile(packed, "w", ZIP_DEFLATED) as wheel:
            for path, data in contents.items():
                member = ZipInfo(path)
                member.external_attr = (0o100755 if path in executable else 0o100644) << 16
                wheel.writestr(member, data)
        self._publish(name, f"{name.replace('-', '_')}-{version}-{tag}.whl", packed.getvalue())

    def add_sdist(self, name: str, version: str) -> None:
        """Publish a source distribution."""
        packed = BytesIO()
        info = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n".encode()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
            member.size = len(info)
            archive.addfile(member, BytesIO(info))
        self._publish(name, f"{name}-{version}.tar.gz", packed.getvalue())

    def _publish(self, name: str, file_name: str, data: bytes) -> None:
        self._files[name][file_name] = data
        folder = self._folder / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(data)
        links = "".join(
            f'<a href="{escape(file)}#sha256={hashlib.sha256(content).hexdigest()}">{escape(file)}</a>\n'
            for file, content in self._files[name].items()
        )
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>", encoding="utf-8")


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: what is asked for is not what is tested."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def local_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIndex]:
    """An index with `puretool`, `compiledtool` (a wheel for each platform), `linuxonly` and `sourceonly`."""
    index = LocalIndex(tmp_path_factory.mktemp("index"))
    index.add_wheel(
        "puretool",
        "1.2",
        {
            "puretool/__init__.py": "VALUE = 3\n",
            "puretool-1.2.dist-info/entry_points.txt": "[console_scripts]\npuretool = puretool:main\n",
            "puretool-init.pth": "import puretool\n",
        },
        metadata="License-Expression: MIT\n",
    )
    for platform, tag in WHEEL_PLATFORMS.items():
        index.add_wheel(
            "compiledtool",
            "2.0",
            {
                "compiledtool/__init__.py": "from compiledtool._native import PLATFORM\n",
                "compiledtool/_native.py": f"PLATFORM = {platform!r}\n",
                "compiledtool/helper": f"a program for {platform}",
                "compiledtool/shared": "the same program everywhere",
                "compiledtool-2.0.data/scripts/compiledtool": "#!python\nprint('a script')\n",
            },
            tag=f"{ABI}-{ABI}-{tag}",
            requires=("puretool",),
            executable=("compiledtool/helper", "compiledtool/shared"),
        )
    index.add_wheel("linuxonly", "1.0", {"linuxonly.py": ""}, tag=f"{ABI}-{ABI}-{WHEEL_PLATFORMS['linux-x86_64']}")
    index.add_sdist("sourceonly", "1.0")
    index.add_wheel("hides-json", "1.0", {"json/__init__.py": ""})
    yield index
    index.close()


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds nothing but what these tests have put there."""
    return tmp_path_factory.mktemp("uv-cache")
