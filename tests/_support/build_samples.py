"""A project to build, and the wheels that it depends on: made here, so that no test of building needs a network."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import sys
import zipfile
from textwrap import dedent
from typing import TYPE_CHECKING

from cloacina.packaging.targets import host_target
from package_index import make_sdist

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = host_target()
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ABI = f"cp{PYTHON.replace('.', '')}"
OTHER_PLATFORM = "linux-arm64" if HOST is not None and HOST.platform == "macos-x86_64" else "macos-x86_64"

_WHEEL_PLATFORMS = {
    "linux-x86_64": "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "linux-arm64": "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "macos-x86_64": "macosx_11_0_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
}

FLOW = """
    import compiledtool
    import puretool
    from cloacina import Context, RetryPolicy, Workflow, task

    with Workflow("figures") as figures:

        @task(retry=RetryPolicy(attempts=2))
        def fetch(context: Context) -> None:
            \"\"\"Fetch the figures.\"\"\"
            context["value"] = puretool.VALUE

        @task(dependencies=[fetch])
        def report(context: Context) -> None:
            context["platform"] = compiledtool.PLATFORM
"""


def index_files() -> list[tuple[str, bytes]]:
    """Return what an index has to serve for the project, and for what goes wrong with it.

    `puretool` is for every target, `compiledtool` has a wheel for each; `hostonly` has one for this machine only,
    `sourceonly` has none, and `hides_json` holds a module of the standard library's.
    """
    native = [_native_wheel(platform) for platform in _WHEEL_PLATFORMS]
    host_tag = _WHEEL_PLATFORMS.get("" if HOST is None else HOST.platform, "any")
    return [
        make_full_wheel(
            "puretool",
            "1.2",
            {
                "puretool/__init__.py": "VALUE = 3\n",
                "puretool-1.2.dist-info/entry_points.txt": "[console_scripts]\npuretool = puretool:main\n",
                "puretool-init.pth": "import puretool\n",
            },
            metadata="License-Expression: MIT\n",
        ),
        *native,
        make_full_wheel("hostonly", "1.0", {"hostonly.py": ""}, tag=f"{ABI}-{ABI}-{host_tag}"),
        make_sdist("sourceonly", "1.0"),
        make_full_wheel("hides_json", "1.0", {"json/__init__.py": ""}),
    ]


def _native_wheel(platform: str) -> tuple[str, bytes]:
    return make_full_wheel(
        "compiledtool",
        "2.0",
        {
            "compiledtool/__init__.py": "from compiledtool._native import PLATFORM\n",
            "compiledtool/_native.py": f"PLATFORM = {platform!r}\n",
            "compiledtool/helper": f"a program for {platform}",
            "compiledtool/shared": "the same program everywhere",
            "compiledtool-2.0.data/scripts/compiledtool": "#!python\nprint('a script')\n",
        },
        tag=f"{ABI}-{ABI}-{_WHEEL_PLATFORMS[platform]}",
        requires=("puretool",),
        executable=("compiledtool/helper", "compiledtool/shared"),
    )


def make_full_wheel(
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    executable: tuple[str, ...] = (),
    metadata: str = "",
) -> tuple[str, bytes]:
    """Return a wheel with these files, with hashes in its RECORD and permissions: its file name and its bytes."""
    info = f"{name}-{version}.dist-info"
    wanted = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{wanted}{metadata}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = io.StringIO()
    rows = [[path, f"sha256={_digest(text)}", len(text.encode())] for path, text in contents.items()]
    csv.writer(record).writerows([*rows, [f"{info}/RECORD", "", ""]])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for path, text in {**contents, f"{info}/RECORD": record.getvalue()}.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = (0o100755 if path in executable else 0o100644) << 16
            wheel.writestr(member, text)
    return f"{name}-{version}-{tag}.whl", packed.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_project(
    folder: Path, index_url: str, *, dependencies: str = '"compiledtool", "puretool"', flow: str = FLOW
) -> Path:
    """Write the project `figures`, for this machine and for another platform, and return its folder."""
    project = folder / "figures"
    package = project / "src" / "figures"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "flow.py").write_text(dedent(flow), encoding="utf-8")
    (package / "script.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (package / "script.sh").chmod(0o755)
    (project / ".env").write_text("SECRET=1\n", encoding="utf-8")
    (project / "pyproject.toml").write_text(
        dedent(f"""\
            [project]
            name = "figures"
            version = "1.0"
            description = "Figures of a machine"
            requires-python = ">=3.11"
            dependencies = [{dependencies}]

            [tool.cloacina]
            entry_module = "figures.flow"
            targets = ["{HOST.platform if HOST else ""}", "{OTHER_PLATFORM}"]
            python = "{PYTHON}"

            [[tool.uv.index]]
            url = "{index_url}"
            default = true
            """),
        encoding="utf-8",
    )
    return project


def state_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
