"""The floor of building and verifying: what uv and zstd take for the same bytes, with nothing of Cloacina around them.

The package is built first, unmeasured, so that there are the same bytes. Then uv installs the same wheels for each
target, one target after another, into folders that are thrown away; zstd packs the bytes of the archive at the same
level; and, for verifying, unpacks and hashes them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from benchmarks.workloads.building import write_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloacina.packaging import Target

_CHUNK_BYTES = 1 << 20
_LEVEL = 9


async def measure(folder: Path, *, targets: Sequence[str], dependencies: Sequence[str]) -> dict[str, float]:
    """Return the seconds of uv and zstd for a build, and those of zstd and sha256 for a verification."""
    from cloacina.packaging import build_package  # noqa: PLC0415 - building is not to be measured with its imports

    project = write_project(folder, targets=targets, dependencies=dependencies)
    result = await run_sync(partial(build_package, project))
    return await run_sync(partial(_time, project, result.path, result.targets))


def _time(project: Path, package: Path, targets: Sequence[Target]) -> dict[str, float]:
    from backports import zstd  # noqa: PLC0415 - as above

    requirements = project / "requirements.txt"
    subprocess.run(
        ["uv", "export", "--quiet", "--locked", "--no-emit-project", "--no-header", "--output-file", requirements],
        cwd=project,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    began = time.perf_counter()
    for target in targets:
        _install(target, requirements, project / target.name)
    installed = time.perf_counter()
    stream = zstd.decompress(package.read_bytes())
    ready = time.perf_counter()
    zstd.compress(stream, level=_LEVEL)
    packed = time.perf_counter()
    decompressor, digest = zstd.ZstdDecompressor(), hashlib.sha256()
    with package.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(decompressor.decompress(chunk))
    verified = time.perf_counter()
    return {"build": installed - began + packed - ready, "verify": verified - packed}


def _install(target: Target, requirements: Path, folder: Path) -> None:
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy", "--only-binary", ":all:"]
    command += ["--target", str(folder), "--python-platform", target.uv_platform, "--python-version", target.python]
    deployment = {} if target.deployment_target is None else {"MACOSX_DEPLOYMENT_TARGET": target.deployment_target}
    subprocess.run([*command, "--requirements", requirements], env=os.environ | deployment, check=True)
