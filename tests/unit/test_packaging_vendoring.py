"""What is packed of the folders that uv installs into: the same on every machine, and nothing of this one."""

from __future__ import annotations

import csv
import hashlib
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest

from cloacina.errors import HashMismatch, UnpackableFile
from cloacina.packaging.locking import SelectedWheel
from cloacina.packaging.targets import Target
from cloacina.packaging.vendoring import Site, SiteFile, lay_out
from cloacina.packaging.vendoring.record import read_record, render_record
from cloacina.packaging.vendoring.tidying import tidy

TARGET = Target("linux-x86_64", "3.11")
OTHER_TARGET = Target("macos-arm64", "3.11")
RESERVED = frozenset({"json", "os"})


@dataclass
class Installation:
    """A folder as uv leaves it."""

    folder: Path
    wheels: list[SelectedWheel] = field(default_factory=list[SelectedWheel])

    def write(self, path: str, content: bytes | str = b"", *, mode: int = 0o644) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode)
        return file

    def install(
        self,
        name: str,
        files: dict[str, str],
        version: str = "1.0",
        *,
        metadata: str = "",
        listed: tuple[str, ...] = (),
    ) -> None:
        """Install a wheel with these files; `listed` is in its RECORD too, and was written by somebody else."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        self.write(f"{info}/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}\n\nA\n")
        self.write(f"{info}/INSTALLER", "uv")
        self.write(f"{info}/REQUESTED")
        for path, content in files.items():
            self.write(path, content)
        rows = [
            [path, f"sha256={digest(self.folder / path)}", str((self.folder / path).stat().st_size)]
            for path in (*files, *listed, f"{info}/METADATA", f"{info}/INSTALLER", f"{info}/REQUESTED")
        ]
        text = StringIO()
        csv.writer(text).writerows([*rows, [f"{info}/RECORD", "", ""]])
        self.write(f"{info}/RECORD", text.getvalue())
        self.wheels.append(SelectedWheel(name, version, f"{name}-{version}-py3-none-any.whl", "0" * 64))

    def tidy(self) -> Site:
        return tidy(self.folder, TARGET, self.wheels, reserved=RESERVED)


def digest(file: Path) -> str:
    return urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()


def paths(site: Site) -> list[str]:
    return [file.path for file in site.files]


def text_of(site: Site, path: str) -> str:
    (source,) = (file.source for file in site.files if file.path == path)
    return (source if isinstance(source, bytes) else source.read_bytes()).decode()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_what_an_installer_adds_is_left_out(installation: Installation) -> None:
    installation.install("demo", {"demo/__init__.py": "x = 1"})
    installation.write(".lock")
    for name in ("direct_url.json", "uv_cache.json", "uv_build.json"):
        installation.write(f"demo-1.0.dist-info/{name}", "{}")
    installation.write("demo/__pycache__/__init__.cpython-311.pyc", b"\0")
    installation.write("demo/compiled.pyc", b"\0")

    assert paths(installation.tidy()) == [
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/RECORD",
        "demo/__init__.py",
    ]


def test_scripts_that_start_this_machine_s_python_are_left_out_and_programs_stay(installation: Installation) -> None:
    installation.install("demo", {"bin/demo": f"#!{os.path.realpath('/usr')}/bin/python\n", "bin/ruff": "\x7fELF"})
    installation.write("bin/ruff", b"\x7fELF", mode=0o755)

    site = installation.tidy()

    assert [(file.path, file.mode) for file in site.files if file.path.startswith("bin/")] == [("bin/ruff", 0o755)]
    assert "bin/demo" not in text_of(site, "demo-1.0.dist-info/RECORD")


def test_a_file_that_runs_at_the_start_of_python_is_left_out_and_told_of(installation: Installation) -> None:
    installation.install("demo", {"demo.pth": "import demo", "demo/data.pth": "weights"})

    site = installation.tidy()

    assert "demo.pth" not in paths(site)
    assert "demo/data.pth" in paths(site)
    assert site.notes == ("demo 1.0: demo.pth is left out, since it would run at every start of Python",)


def test_the_record_lists_exactly_what_is_packed_in_the_order_of_the_paths_bytes(installation: Installation) -> None:
    installation.install(
        "demo", {"demo/b.py": "b", "demo/a.py": "a", "demo/é.py": "e", "bin/demo": "#!/usr/bin/python"}
    )

    site = installation.tidy()

    record = text_of(site, "demo-1.0.dist-info/RECORD")
    listed = [row[0] for row in csv.reader(StringIO(record))]
    assert listed == [path.decode() for path in sorted(path.encode() for path in paths(site))]
    assert "demo-1.0.dist-info/RECORD,,\n" in record
    assert f"demo/a.py,sha256={digest(installation.folder / 'demo/a.py')},1\n" in record


@pytest.mark.parametrize(("mode", "packed"), [(0o600, 0o644), (0o666, 0o644), (0o700, 0o755), (0o775, 0o755)])
def test_the_umask_of_the_machine_does_not_show(installation: Installation, mode: int, packed: int) -> None:
    installation.install("demo", {"demo/tool": "x"})
    (installation.folder / "demo/tool").chmod(mode)

    assert {file.path: file.mode for file in installation.tidy().files}["demo/tool"] == packed


def test_the_digest_is_that_of_the_file(installation: Installation) -> None:
    installation.install("demo", {"demo/a.py": "a = 1\n"})

    (file,) = (file for file in installation.tidy().files if file.path == "demo/a.py")

    assert (file.sha256, file.size) == (hashlib.sha256(b"a = 1\n").hexdigest(), 6)


def test_a_licence_that_the_metadata_names_is_told_of(installation: Installation) -> None:
    installation.install("De-Mo", {"demo.py": ""}, metadata="License-Expression: MIT OR Apache-2.0")
    installation.install("other", {"other.py": ""})

    assert installation.tidy().licenses == {"de-mo": "MIT OR Apache-2.0"}


def test_a_dependency_that_the_lock_does_not_name_is_refused(installation: Installation) -> None:
    installation.install("demo", {"demo.py": ""})
    installation.install("guest", {"guest.py": ""})
    del installation.wheels[1]

    with pytest.raises(HashMismatch, match=r"demo 1\.0, guest 1\.0\. Expected demo 1\.0\."):
        installation.tidy()


def test_another_version_than_the_locked_one_is_refused(installation: Installation) -> None:
    installation.install("demo", {"demo.py": ""}, version="1.1")
    installation.wheels[0] = SelectedWheel("demo", "1.0", "demo-1.0-py3-none-any.whl", "0" * 64)

    with pytest.raises(HashMismatch, match=r"demo 1\.1\. Expected demo 1\.0"):
        installation.tidy()


def test_a_version_may_be_spelt_in_another_way(installation: Installation) -> None:
    installation.install("demo", {"demo.py": ""}, version="1.0.post1")
    installation.wheels[0] = SelectedWheel("Demo", "1.0-1", "demo-1.0.post1-py3-none-any.whl", "0" * 64)

    assert "demo.py" in paths(installation.tidy())


def test_a_file_that_is_not_the_one_of_the_wheel_is_refused(installation: Installation) -> None:
    installation.install("demo", {"demo.py": "good"})
    installation.write("demo.py", "evil")

    with pytest.raises(HashMismatch, match=r"demo\.py is not what demo 1\.0 lists .* `uv cache clean demo`"):
        installation.tidy()


@pytest.mark.parametrize("damage", ["METADATA", "RECORD"])
def test_an_installation_that_cannot_be_read_is_refused(installation: Installation, damage: str) -> None:
    installation.install("demo", {"demo.py": ""})
    (installation.folder / "demo-1.0.dist-info" / damage).unlink()

    with pytest.raises(HashMismatch, match=r"demo-1\.0\.dist-info cannot be read"):
        installation.tidy()


def test_two_dependencies_with_the_same_file_are_refused_when_it_differs(installation: Installation) -> None:
    installation.install("first", {"shared/a.py": "1"})
    installation.install("second", {"shared/a.py": "2"})

    with pytest.raises(UnpackableFile, match=r"first 1\.0 and second 1\.0 both install 'shared/a\.py'"):
        installation.tidy()


def test_two_dependencies_may_install_the_same_bytes(installation: Installation) -> None:
    installation.install("first", {"shared/a.py": "1"})
    installation.install("second", {}, listed=("shared/a.py",))

    site = installation.tidy()

    assert "shared/a.py" in text_of(site, "first-1.0.dist-info/RECORD")
    assert "shared/a.py" in text_of(site, "second-1.0.dist-info/RECORD")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("json/__init__.py", "hides the module json of the standard library"),
        ("cloacina/__init__.py", "hides cloacina"),
        ("sitecustomize.py", "runs when it starts"),
        ("demo/aux.py", "device"),
        ("demo/a:b.py", "holds ':'"),
        (f"demo/{'x' * 120}.py", "too long"),
    ],
)
def test_a_path_that_no_package_may_hold_is_refused_with_the_dependency(
    installation: Installation, path: str, problem: str
) -> None:
    installation.install("demo", {path: ""})

    with pytest.raises(UnpackableFile, match=rf"demo 1\.0 cannot be packed for linux-x86_64-cp311: .*{problem}"):
        installation.tidy()


def test_two_names_that_are_one_on_other_systems_are_refused(installation: Installation) -> None:
    installation.install("demo", {"demo/Data.txt": "1"})
    installation.install("other", {"demo/data.txt": "2"})

    with pytest.raises(UnpackableFile, match=r"other 1\.0 cannot be packed .*one file on some systems"):
        installation.tidy()


def test_a_link_is_refused(installation: Installation) -> None:
    installation.install("demo", {"demo.py": ""})
    (installation.folder / "linked.py").symlink_to("demo.py")

    with pytest.raises(UnpackableFile, match=r"'linked\.py', which is no regular file"):
        installation.tidy()


def site_of(target: Target, **contents: tuple[str, int]) -> Site:
    files = [
        SiteFile(path, content.encode(), mode, len(content), hashlib.sha256(content.encode()).hexdigest())
        for path, (content, mode) in contents.items()
    ]
    return Site(target, tuple(files))


def test_what_all_targets_have_in_common_is_packed_once() -> None:
    linux = site_of(TARGET, same=("x", 0o644), other_bytes=("a", 0o644), other_mode=("x", 0o644), alone=("x", 0o644))
    macos = site_of(OTHER_TARGET, same=("x", 0o644), other_bytes=("b", 0o644), other_mode=("x", 0o755))

    assert sorted(member.path for member in lay_out([linux, macos])) == [
        "vendor/any/same",
        "vendor/linux-x86_64-cp311/alone",
        "vendor/linux-x86_64-cp311/other_bytes",
        "vendor/linux-x86_64-cp311/other_mode",
        "vendor/macos-arm64-cp311/other_bytes",
        "vendor/macos-arm64-cp311/other_mode",
    ]


def test_a_package_for_one_target_shares_nothing() -> None:
    members = lay_out([site_of(TARGET, a=("x", 0o644))])

    assert [member.path for member in members] == ["vendor/linux-x86_64-cp311/a"]


def test_a_record_is_read_as_it_was_written() -> None:
    rendered = render_record("demo.dist-info/RECORD", [('a,"b.py', "ab" * 32, 3), ("a.py", "cd" * 32, 0)])

    assert read_record(rendered.decode()) == {'a,"b.py': "ab" * 32, "a.py": "cd" * 32, "demo.dist-info/RECORD": None}


def test_a_record_may_name_other_digests_and_windows_paths() -> None:
    text = dedent(
        """\
        demo\\a.py,sha512=AAAA,1

        demo/b.py
        """
    )

    assert read_record(text) == {"demo/a.py": None, "demo/b.py": None}


@pytest.mark.parametrize("text", [",sha256=AAAA,1\n", "a.py,sha256=!,1\n", "a.py,sha256=A,1\n"])
def test_a_record_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_record(text)
