"""Every way in which uv is known to fail, provoked: what the messages in tests/packaging/uv_messages come from.

    uv run python tests/_support/uv_failures.py /path/to/uv

records what another version of uv prints.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.packaging.locking.uv_environment import uv_environment
from package_index import PackageIndex, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Output = subprocess.CompletedProcess[str]

MESSAGES = Path(__file__).parent.parent / "packaging" / "uv_messages"
PROJECT_FOLDER = "/home/somebody/project"

_SECONDS = 60
_INSTALL = (
    *("pip", "install", "--target", "site", "--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11"),
    *("--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy", "--no-config", "-r", "r.txt"),
)


@dataclass
class Scene:
    """A project, a cache and a uv to fail with."""

    uv: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, *dependencies: str, requires_python: str = ">=3.11", more: str = "") -> None:
        """Write pyproject.toml."""
        self.folder.joinpath("pyproject.toml").write_text(
            f'[project]\nname = "demo"\nversion = "1.0.0"\nrequires-python = "{requires_python}"\n'
            f"dependencies = {list(dependencies)!r}\n{more}",
            encoding="utf-8",
        )

    def run(self, *arguments: str, **variables: str) -> Output:
        """Run uv with the environment that Cloacina gives it, without proxies, and without trying twice."""
        environment = uv_environment(
            {
                "UV_CACHE_DIR": str(self.folder.parent / "cache"),
                "UV_HTTP_RETRIES": "0",
                "UV_HTTP_TIMEOUT": "1",
                "UV_LOCK_TIMEOUT": "1",
                # Looking for one takes longer than all the rest.
                "UV_PYTHON": sys.executable,
                **self.variables,
                **variables,
            }
        )
        unwanted = {name for name, text in environment.items() if name.lower().endswith("_proxy") or not text}
        environment = {name: text for name, text in environment.items() if name not in unwanted}
        return subprocess.run(
            [self.uv, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def install(self, requirement: str, *arguments: str, **variables: str) -> Output:
        """Install one requirement as vendoring does."""
        self.folder.joinpath("r.txt").write_text(f"{requirement}\n", encoding="utf-8")
        return self.run(*_INSTALL, *arguments, **variables)

    @contextmanager
    def index(
        self, *files: tuple[str, bytes], status: int | None = None, is_silent: bool = False
    ) -> Generator[PackageIndex]:
        """Serve files as the default index."""
        with PackageIndex(*files, status=status, is_silent=is_silent) as index:
            self.variables["UV_DEFAULT_INDEX"] = index.url
            yield index


SCENARIOS: dict[str, Callable[[Scene], Output]] = {}

ALPHA = make_wheel("alpha", "1.0")
ALPHA_FILE = ALPHA[0]


def _scenario(name: str) -> Callable[[Callable[[Scene], Output]], None]:
    def add(provoke: Callable[[Scene], Output]) -> None:
        SCENARIOS[name] = provoke

    return add


def _locks(
    name: str,
    *dependencies: str,
    files: tuple[tuple[str, bytes], ...] = (ALPHA,),
    requires_python: str = ">=3.11",
    more: str = "",
    prepare: Callable[[Scene], object] = lambda _: None,
    arguments: tuple[str, ...] = ("lock",),
    status: int | None = None,
    is_silent: bool = False,
) -> None:
    """Add a scenario in which a command on a project fails."""

    @_scenario(name)
    def provoke(scene: Scene) -> Output:
        with scene.index(*files, status=status, is_silent=is_silent):
            scene.write(*dependencies, requires_python=requires_python, more=more)
            prepare(scene)
            return scene.run(*arguments)


def _locks_at(name: str, address: Callable[[], str]) -> None:
    """Add a scenario in which the index is at an address where nothing useful answers."""

    @_scenario(name)
    def provoke(scene: Scene) -> Output:
        scene.write("alpha")
        return scene.run("lock", UV_DEFAULT_INDEX=address())


def _refused_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://user:secret@127.0.0.1:{free.getsockname()[1]}/simple"


def _file(name: str, text: str) -> Callable[[Scene], object]:
    return lambda scene: scene.folder.joinpath(name).write_text(text, encoding="utf-8")


def _lock_then_change(scene: Scene) -> None:
    done = scene.run("lock")
    assert done.returncode == 0, done.stderr
    scene.write("alpha", "gamma")


_CONFLICTING = (
    make_wheel("alpha", "1.0", requires=("gamma>=2",)),
    make_wheel("beta", "1.0", requires=("gamma<2",)),
    make_wheel("gamma", "1.0"),
    make_wheel("gamma", "2.0"),
)
_locks("unsatisfiable", "alpha", "beta", files=_CONFLICTING)
_locks("unsatisfiable-version", "alpha>=2")
_locks("unsatisfiable-python", "alpha", files=(make_wheel("alpha", "1.0", requires_python=">=3.13"),))
_locks("unknown-package", "alhpa")
_locks("unknown-package-of-dependency", "alpha", files=(make_wheel("alpha", "1.0", requires=("gamma",)),))
_locks("offline", "alpha", arguments=("lock", "--offline"))
_locks_at("refused-connection", _refused_address)
_locks_at("unresolvable-host", lambda: "https://user:secret@packages.invalid/team/simple")
for _status in (401, 403, 429, 500, 503):
    _locks(f"status-{_status}", "alpha", status=_status)
_locks("timeout", "alpha", is_silent=True)


@_scenario("no-python")
def _(scene: Scene) -> Output:
    scene.write(requires_python=">=3.99")
    return scene.run("lock", UV_PYTHON="")


_locks("python-excluded", requires_python=">=3.99")
_locks("pyproject-not-toml", more="[tool.uv\n")
_locks("pyproject-setting", more="[tool.uv]\nindex = 3\n")
_locks("project-must-be-built", "alpha=>1")
_locks("source-not-buildable", "alpha", files=(make_sdist("alpha", "1.0", is_buildable=False),))
_locks("path-not-there", "alpha", more='[tool.uv.sources]\nalpha = { path = "../elsewhere" }\n')
_locks("git-not-reachable", "alpha @ git+https://user:secret@packages.invalid/alpha.git")
_locks("address-not-reachable", "alpha @ https://packages.invalid/alpha-1.0-py3-none-any.whl")
_locks("no-lock", "alpha", arguments=("export", "--locked"))
_locks("no-lock-to-check", "alpha", arguments=("lock", "--check"))
_GAMMA = make_wheel("gamma", "1.0")
_locks("stale-lock", "alpha", files=(ALPHA, _GAMMA), prepare=_lock_then_change, arguments=("export", "--locked"))
_locks("stale-lock-to-check", "alpha", files=(ALPHA, _GAMMA), prepare=_lock_then_change, arguments=("lock", "--check"))
_locks("lock-not-toml", "alpha", prepare=_file("uv.lock", "<<<<<<< ours\nversion = 1\n"))
_locks("lock-too-new", "alpha", prepare=_file("uv.lock", "version = 99\n"))
_locks("lock-is-folder", "alpha", prepare=lambda scene: scene.folder.joinpath("uv.lock").mkdir())


def _installs(
    name: str,
    requirement: str,
    *files: tuple[str, bytes],
    prepare: Callable[[PackageIndex], object] = lambda _: None,
    is_offline: bool = False,
    cache: str | None = None,
) -> None:
    """Add a scenario in which installing one requirement fails; `{}` in it becomes the hash of the first file."""

    @_scenario(name)
    def provoke(scene: Scene) -> Output:
        with scene.index(*files) as index:
            hashed = requirement.format(index.sha256(files[0][0]))
            prepare(index)
            variables = {} if cache is None else {"UV_CACHE_DIR": cache}
            return scene.install(hashed, *(["--offline"] if is_offline else []), **variables)


def _replace(content: bytes) -> Callable[[PackageIndex], object]:
    return lambda index: index.replaced.update({ALPHA_FILE: content})


def _remove(index: PackageIndex) -> None:
    # Its page was asked for before: the file is what is gone.
    index.gone.add(ALPHA_FILE)


_PINNED = "alpha==1.0 --hash=sha256:{}"
_installs("hash-of-other-file", f"alpha==1.0 --hash=sha256:{'0' * 64}", ALPHA)
_installs("replaced-wheel", _PINNED, ALPHA, prepare=_replace(make_wheel("alpha", "1.0", requires=("gamma",))[1]))
_installs("no-hash", "alpha==1.0", ALPHA)
_installs("no-wheel-for-platform", _PINNED, make_wheel("alpha", "1.0", "cp311-cp311-macosx_13_0_arm64"))
_installs("no-wheel-for-python", _PINNED, make_wheel("alpha", "1.0", "cp312-cp312-manylinux_2_28_x86_64"))
_installs("source-only", _PINNED, make_sdist("alpha", "1.0"))
_installs("wheel-gone", _PINNED, ALPHA, prepare=_remove)
_installs("install-offline", _PINNED, ALPHA, is_offline=True)
_installs("damaged-wheel", f"alpha==1.0 --hash=sha256:{sha256(b'no zip').hexdigest()}", (ALPHA_FILE, b"no zip"))
_installs("cache-not-writable", _PINNED, ALPHA, cache="/dev/null/cache")


@_scenario("wheel-not-in-cache")
def _(scene: Scene) -> Output:
    with scene.index(ALPHA) as index:
        scene.write("alpha")
        done = scene.run("lock")
        assert done.returncode == 0, done.stderr
        return scene.install(_PINNED.format(index.sha256(ALPHA_FILE)), "--offline")


@_scenario("cache-in-use")
def _(scene: Scene) -> Output:
    # POSIX only, as are the scenarios with /dev/null; the tests of failures run where both are.
    import fcntl

    cache = scene.folder.parent / "cache"
    cache.mkdir()
    with cache.joinpath(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        scene.write("alpha")
        return scene.run("lock")


@_scenario("no-certificate")
def _(scene: Scene) -> Output:
    with scene.index(ALPHA) as index:
        scene.write("alpha")
        return scene.run("lock", UV_DEFAULT_INDEX=index.url.replace("http:", "https:"))


@_scenario("unknown-option")
def _(scene: Scene) -> Output:
    return scene.run("lock", "--no-such-option")


def provoke(name: str, uv: Path, folder: Path) -> tuple[int, str]:
    """Let uv fail, and return its exit code and what it printed, the same text on every machine.

    Args:
        name: One of `SCENARIOS`.
        uv: The program.
        folder: An empty folder.
    """
    scene = Scene(uv, folder / "project")
    scene.folder.mkdir()
    done = SCENARIOS[name](scene)
    text = done.stderr
    for path, shown in ((scene.folder, PROJECT_FOLDER), (folder, "/tmp/somewhere")):
        text = text.replace(str(path.resolve()), shown).replace(str(path), shown)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:4711", text)
    text = re.sub(r"(?m)^(?:Using CPython|Resolved \d).*\n", "", text)
    text = re.sub(r"(?<=resolved to Python )[\d.]+\d", "3.11.7", text)
    # Which of several words for it a system has depends on its network.
    text = re.sub(r"(?<=failed to lookup address information: ).*", "Name or service not known", text)
    return done.returncode, text.strip() + "\n"


def read_sections(file: Path) -> dict[str, tuple[str, str]]:
    """Return the sections of a file of messages by their names: the word after the name, and the text."""
    sections = re.split(r"(?m)^=== (\S+): (\S+)\n", file.read_text(encoding="utf-8"))[1:]
    return {name: (word, text.strip()) for name, word, text in zip(*[iter(sections)] * 3, strict=True)}


def write_sections(file: Path, sections: dict[str, tuple[str, str]]) -> None:
    """Write a file of messages."""
    text = "\n".join(f"=== {name}: {word}\n{text.strip()}\n" for name, (word, text) in sections.items())
    file.write_text(text, encoding="utf-8")


def _record(uv: Path) -> None:
    version = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    sections: dict[str, tuple[str, str]] = {}
    for name in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            exit_code, text = provoke(name, uv, Path(folder))
        sections[name] = str(exit_code), text
    MESSAGES.mkdir(exist_ok=True)
    write_sections(MESSAGES / f"{version}.txt", sections)


if __name__ == "__main__":
    _record(Path(sys.argv[1]).resolve())
