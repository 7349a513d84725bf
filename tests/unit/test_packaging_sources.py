"""What is packed of a project is what belongs to it, in one order; what is left out is said, with the reason."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from cloacina.errors import InvalidProject, ProjectError, UnpackableFile
from cloacina.packaging.project import read_project
from cloacina.packaging.sources import SourceSelection, select_sources, selection as selection_module
from cloacina.packaging.sources.checks import Refusals
from cloacina.packaging.sources.never import reason_by_content, reason_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Make = Callable[..., SourceSelection]

DEFAULT = "`include` adds it"


@pytest.fixture(autouse=True)
def no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no program be found: what git answers is tested with the programs, in tests/packaging."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def select(root: Path) -> Make:
    """Return a function that writes files and a pyproject.toml, and selects what is packed.

    A path that ends in `/` becomes an empty folder.
    """

    def write_and_select(
        files: Mapping[str, str | bytes] | list[str], entry_module: str = "pipeline.tasks", **settings: list[str]
    ) -> SourceSelection:
        write(root, files)
        keys = "\n".join(f"{key} = {value}" for key, value in settings.items())
        (root / "pyproject.toml").write_text(
            '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'
            f'[tool.cloacina]\nentry_module = "{entry_module}"\n{keys}\n'
        )
        return select_sources(read_project(root))

    return write_and_select


def write(root: Path, files: Mapping[str, str | bytes] | list[str]) -> None:
    root.mkdir(exist_ok=True)
    for name in files:
        content = files[name] if not isinstance(files, list) else ""
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            file.mkdir(exist_ok=True)
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())


def paths(selection: SourceSelection) -> list[str]:
    return [file.path for file in selection.files]


def reasons(selection: SourceSelection) -> dict[str, str]:
    return dict(selection.excluded)


# ── What is packed by default ────────────────────────────────────────────────────────────────────────────────────────


def test_with_src_everything_in_it_is_packed_and_nothing_else(select: Make) -> None:
    selection = select(["src/pipeline/tasks.py", "src/pipeline/data/a.csv", "src/other.py", "tests/t.py", "README.md"])
    assert paths(selection) == ["other.py", "pipeline/data/a.csv", "pipeline/tasks.py"]
    assert reasons(selection) == {
        "README.md": f"outside of src/; {DEFAULT}",
        "pyproject.toml": f"outside of src/; {DEFAULT}",
        "tests/": f"outside of src/; {DEFAULT}",
    }


def test_without_src_the_modules_and_packages_of_the_project_are_packed(select: Make) -> None:
    left_out = ["setup.py", "conftest.py", "noxfile.py", "notes.txt", ".hidden.py", "my-tool.py"]
    folders = ["tests", "test", "docs", "examples", "benchmarks", "scripts", "build", "dist", ".hidden", "no-module"]
    selection = select(
        ["pipeline/tasks.py", "pipeline/a.csv", "other.py", "data/a.csv", *left_out, *(f"{f}/a.py" for f in folders)]
    )
    assert paths(selection) == ["other.py", "pipeline/a.csv", "pipeline/tasks.py"]
    assert set(reasons(selection)) == {*left_out, *(f"{folder}/" for folder in folders), "data/", "pyproject.toml"}
    assert reasons(selection)["tests/"] == f"not part of a package by default; {DEFAULT}"
    assert reasons(selection)["data/"] == f"no Python module or package; {DEFAULT}"
    assert reasons(selection)[".hidden/"] == f"hidden; {DEFAULT}"


@pytest.mark.parametrize("entry_module", ["scripts.tasks", "scripts.deep.tasks"])
def test_the_folder_of_the_entry_module_is_packed_whatever_it_is_called(entry_module: str, select: Make) -> None:
    file = f"{entry_module.replace('.', '/')}.py"
    assert paths(select([file, "docs/a.py"], entry_module)) == [file]


def test_the_entry_module_is_packed_whatever_it_is_called(select: Make) -> None:
    assert paths(select(["conftest.py", "noxfile.py"], "noxfile")) == ["noxfile.py"]


def test_files_stand_in_the_order_of_their_bytes(select: Make) -> None:
    names = ["pipeline/tasks.py", "pipeline/B.py", "pipeline/a/x.py", "pipeline/a.py", "pipeline/é.py", "pipeline/z.py"]
    assert paths(select(names)) == sorted(names, key=lambda name: name.encode())
    assert paths(select(list(reversed(names)))) == sorted(names, key=lambda name: name.encode())


def test_anybodys_right_to_execute_a_file_is_kept(select: Make, root: Path) -> None:
    write(root, ["src/pipeline/run.sh", "src/pipeline/group.sh", "src/pipeline/tasks.py", "src/pipeline/secret.txt"])
    for name, mode in {"run.sh": 0o700, "group.sh": 0o654, "tasks.py": 0o664, "secret.txt": 0o600}.items():
        (root / "src" / "pipeline" / name).chmod(mode)
    modes = {file.path.partition("/")[2]: file.mode for file in select([]).files}
    assert modes == {"run.sh": 0o755, "group.sh": 0o755, "tasks.py": 0o644, "secret.txt": 0o644}


def test_a_file_is_told_with_its_place_and_its_size(select: Make, root: Path) -> None:
    (file,) = select({"src/pipeline/tasks.py": "x = 1\n"}).files
    assert (file.path, file.file, file.size) == ("pipeline/tasks.py", root / "src" / "pipeline" / "tasks.py", 6)


# ── include and exclude ──────────────────────────────────────────────────────────────────────────────────────────────


def test_include_adds_files_under_their_paths_in_the_project(select: Make) -> None:
    selection = select(
        ["src/pipeline/tasks.py", "data/a.csv", "data/b.txt", "data/deep/c.csv", "docs/d.md", "tests/t.py"],
        include=["data/**/*.csv", "/docs"],
    )
    assert paths(selection) == ["data/a.csv", "data/deep/c.csv", "docs/d.md", "pipeline/tasks.py"]
    assert reasons(selection) == {
        "data/b.txt": f"outside of src/; {DEFAULT}",
        "pyproject.toml": f"outside of src/; {DEFAULT}",
        "tests/": f"outside of src/; {DEFAULT}",
    }


def test_include_takes_back_what_a_pattern_with_a_mark_names(select: Make) -> None:
    selection = select(["src/pipeline/tasks.py", "a.csv", "b.csv"], include=["*.csv", "!b.csv"])
    assert paths(selection) == ["a.csv", "pipeline/tasks.py"]


def test_exclude_wins_over_include(select: Make) -> None:
    selection = select(
        ["src/pipeline/tasks.py", "src/pipeline/draft/a.py", "src/notes.md", "data/a.csv", "data/b.csv"],
        include=["data"],
        exclude=["draft/", "*.md", "!keep.md", "data/b.csv"],
    )
    assert paths(selection) == ["data/a.csv", "pipeline/tasks.py"]
    assert reasons(selection)["src/pipeline/draft/"] == "exclude 'draft/'"
    assert reasons(selection)["src/notes.md"] == "exclude '*.md'"
    assert reasons(selection)["data/b.csv"] == "exclude 'data/b.csv'"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dta/*.csv", "include 'dta/*.csv': it matches no file"),
        ("a.log", "include 'a.log': a.log is left out: ignored (.gitignore, line 1: *.log)"),
        ("secrets", "include 'secrets': secrets/.env is left out: may hold secrets"),
        ("node_modules", "include 'node_modules': node_modules/ is left out: written by an installer"),
        ("draft.md", "include 'draft.md': draft.md is left out: exclude 'draft.md'"),
    ],
)
def test_include_that_adds_nothing_is_refused_with_the_reason(pattern: str, expected: str, select: Make) -> None:
    files = {".gitignore": "*.log", "src/pipeline/tasks.py": "", "a.log": "", "secrets/.env": "", "draft.md": ""}
    with pytest.raises(InvalidProject) as caught:
        select({**files, "node_modules/a/b.js": ""}, include=[pattern, "src/pipeline"], exclude=["draft.md"])
    assert expected in caught.value.message
    assert "src/pipeline" not in caught.value.message


def test_an_entry_module_that_is_left_out_is_refused_with_the_reason(select: Make) -> None:
    with pytest.raises(InvalidProject) as caught:
        select(["src/pipeline/__init__.py"], "pipeline", exclude=["src/pipeline/"])
    assert "'pipeline' is in src/pipeline/__init__.py, and src/pipeline/ is left out: exclude" in caught.value.message


def test_an_entry_module_that_is_not_there_is_left_to_those_who_look_for_it(select: Make) -> None:
    assert paths(select(["src/other.py"])) == ["other.py"]


# ── What is never packed ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        "__pycache__/a.pyc", ".git/config", "node_modules/a.js", ".mypy_cache/a", "p.egg-info/PKG-INFO", ".envs/prod",
        "a.pyc", ".env", ".env.local", ".ENV", ".envrc", "id_ed25519", "cert.pfx", "uv.lock", "p-1.cloacina",
        ".DS_Store", ".#tasks.py", "tasks.py~", ".tasks.py.swp",
        ".aws/credentials", ".docker/config.json", ".gnupg/a", ".kube/config", ".ssh/config", "prod.env", ".netrc",
        "_netrc", ".git-credentials", ".npmrc", ".pgpass", ".pypirc", "pip.conf", ".vault-token", "main.tfstate",
        "team.kdbx", "release.jks", ".bash_history",
    ],
)  # fmt: skip
def test_what_tools_write_and_what_may_be_secret_is_never_packed(name: str, select: Make) -> None:
    selection = select(["src/pipeline/tasks.py", f"src/pipeline/{name}"], include=["src/pipeline"])
    assert paths(selection) == ["pipeline/tasks.py"]
    top, below, _ = name.partition("/")
    expected = reason_by_name(top, is_folder=bool(below))
    assert reasons(selection)[f"src/pipeline/{top}{below}"] == expected is not None


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("pyvenv.cfg", "a virtual environment"),
        ("conda-meta/history", "a virtual environment"),
        ("CACHEDIR.TAG", "a tool's cache"),
    ],
)
def test_a_folder_is_known_as_an_environment_or_a_cache_by_what_is_in_it(mark: str, reason: str, select: Make) -> None:
    selection = select(["src/pipeline/tasks.py", f"src/anything/{mark}", "src/anything/lib/a.py"])
    assert paths(selection) == ["pipeline/tasks.py"]
    assert reasons(selection)["src/anything/"] == reason


@pytest.mark.parametrize("folder", [".venv", "node_modules", "ignored", "left_out", "data"])
def test_a_folder_that_is_not_packed_is_not_looked_into(
    folder: str, select: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_into: list[str] = []

    def scandir(path: Any) -> Any:
        looked_into.append(os.path.relpath(path, root))
        return os_scandir(path)

    os_scandir = os.scandir
    files = {".gitignore": "ignored/", "pipeline/tasks.py": "", f"{folder}/deep/deeper/a.txt": ""}
    write(root, files)
    monkeypatch.setattr(os, "scandir", scandir)
    select(files, exclude=["left_out"])
    assert "pipeline" in looked_into
    assert not [path for path in looked_into if path.startswith(f"{folder}/")]


@pytest.mark.parametrize(
    ("name", "content", "is_key"),
    [
        ("deploy", b"\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", True),
        ("deploy.txt", b"-----BEGIN PRIVATE KEY-----\nAAAA", True),
        ("signing.asc", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", True),
        ("age.txt", b"AGE-SECRET-KEY-1QQQ", True),
        ("server.pem", b"Bag Attributes\n-----BEGIN RSA PRIVATE KEY-----\n", True),
        ("server.pem", b"-----BEGIN CERTIFICATE-----\n", False),
        ("deploy", b"\xef\xbb\xbf-----BEGIN RSA PRIVATE KEY-----\nAAAA", True),
        ("cloud.json", b'{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nAAAA"}', True),
        ("cloud.json", b'{"private_key_id": "12", "note": "-----BEGIN PRIVATE KEY-----"}', False),
        ("key.pub", b"-----BEGIN PUBLIC KEY-----\n", False),
        ("scanner.py", b"MARK = '-----BEGIN PRIVATE KEY-----'\n", False),
    ],
)
def test_a_private_key_is_known_by_what_is_in_it(name: str, content: bytes, is_key: bool, select: Make) -> None:
    assert (reason_by_content(name, content) is not None) is is_key
    selection = select({"src/pipeline/tasks.py": "", f"src/pipeline/{name}": content})
    assert (f"pipeline/{name}" in paths(selection)) is not is_key
    assert reasons(selection).get(f"src/pipeline/{name}") == ("a private key" if is_key else None)


# ── .gitignore files, where there is no git ──────────────────────────────────────────────────────────────────────────


def test_gitignore_files_hold_at_every_level(select: Make) -> None:
    selection = select(
        {
            ".gitignore": "# local\n\n*.log\n/src/generated/\n",
            "src/pipeline/.gitignore": "!keep.log\n*.tmp\n",
            **dict.fromkeys(["src/pipeline/tasks.py", "src/pipeline/keep.log", "src/pipeline/x.log"], ""),
            **dict.fromkeys(["src/pipeline/x.tmp", "src/x.tmp", "src/generated/a.py", "src/keep.log"], ""),
        }
    )
    assert paths(selection) == [
        "pipeline/.gitignore", "pipeline/keep.log", "pipeline/tasks.py", "x.tmp"
    ]  # fmt: skip
    assert {path: why for path, why in selection.excluded if why.startswith("ignored")} == {
        "src/generated/": "ignored (.gitignore, line 4: /src/generated/)",
        "src/keep.log": "ignored (.gitignore, line 3: *.log)",
        "src/pipeline/x.log": "ignored (.gitignore, line 3: *.log)",
        "src/pipeline/x.tmp": "ignored (src/pipeline/.gitignore, line 2: *.tmp)",
    }


def test_the_work_tree_around_the_project_counts(select: Make, root: Path) -> None:
    outer = root.parent
    write(outer, {".git/info/exclude": "*.local", ".gitignore": "*.log"})
    selection = select(["src/pipeline/tasks.py", "src/a.log", "src/a.local"])
    assert paths(selection) == ["pipeline/tasks.py"]
    assert reasons(selection)["src/a.local"].startswith("ignored (")
    assert reasons(selection)["src/a.log"].endswith(".gitignore, line 1: *.log)")


def test_a_project_in_a_folder_that_the_work_tree_around_it_ignores_is_packed(select: Make, root: Path) -> None:
    write(root.parent, {".git/HEAD": "", ".gitignore": "project/\n*.log"})
    assert paths(select(["src/pipeline/tasks.py", "src/a.log"])) == ["a.log", "pipeline/tasks.py"]


def test_another_repository_below_has_rules_of_its_own(select: Make) -> None:
    selection = select(
        {
            ".gitignore": "*.log",
            "src/pipeline/tasks.py": "",
            "src/vendored/.git": "gitdir: elsewhere",
            "src/vendored/.gitignore": "*.tmp",
            **dict.fromkeys(["src/vendored/a.log", "src/vendored/a.tmp", "src/vendored/a.py"], ""),
        }
    )
    assert paths(selection) == ["pipeline/tasks.py", "vendored/.gitignore", "vendored/a.log", "vendored/a.py"]


def test_a_broken_pattern_in_a_gitignore_is_passed_over_as_git_does(select: Make) -> None:
    selection = select({".gitignore": "!\n*.log\n\xff\n", "src/pipeline/tasks.py": "", "src/a.log": ""})
    assert reasons(selection)["src/a.log"] == "ignored (.gitignore, line 2: *.log)"


def test_a_gitignore_that_cannot_be_read_is_told(select: Make) -> None:
    with pytest.raises(ProjectError, match=r"^\.gitignore cannot be read \(Is a directory\)"):
        select(["src/pipeline/tasks.py", ".gitignore/"])


# ── What cannot be packed ────────────────────────────────────────────────────────────────────────────────────────────


def refused(select: Make, *arguments: Any, **settings: Any) -> str:
    with pytest.raises(UnpackableFile) as caught:
        select(*arguments, **settings)
    return caught.value.message


@pytest.mark.parametrize("target", ["tasks.py", "../../elsewhere", "/etc/passwd", "."])
def test_a_link_is_refused_wherever_it_leads(target: str, select: Make, root: Path) -> None:
    write(root, ["src/pipeline/tasks.py"])
    (root / "src" / "pipeline" / "link").symlink_to(target)
    assert refused(select, []).startswith(f"src/pipeline/link is a link to {target}; a package holds no links")


def test_a_link_in_place_of_src_or_of_a_package_is_refused(select: Make, root: Path) -> None:
    write(root, ["elsewhere/pipeline/tasks.py"])
    (root / "src").symlink_to("elsewhere")
    assert refused(select, []).startswith("src is a link to elsewhere")
    (root / "src").unlink()
    (root / "pipeline").symlink_to("elsewhere/pipeline")
    assert refused(select, []).startswith("pipeline is a link to elsewhere/pipeline")


def test_a_link_that_is_left_out_is_none_of_its_business(select: Make, root: Path) -> None:
    write(root, {".gitignore": "ignored", "src/pipeline/tasks.py": ""})
    for name in ("src/ignored", "src/excluded", "src/.env", "tests"):
        (root / name).symlink_to("nowhere")
    selection = select([], exclude=["excluded"], include=["pyproject.toml"])
    assert paths(selection) == ["pipeline/tasks.py", "pyproject.toml"]
    assert reasons(selection)["src/excluded"] == "exclude 'excluded'"


def test_what_is_neither_file_nor_folder_is_refused(select: Make, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, ["src/pipeline/tasks.py"])
    os.mkfifo(root / "src" / "pipe")
    assert refused(select, []).startswith("src/pipe is a named pipe.")
    (root / "src" / "pipe").unlink()
    monkeypatch.chdir(root / "src")  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert refused(select, []).startswith("src/s is a socket.")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be read: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "was there a moment ago, and is gone"),
        (OSError(errno.EIO, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_cannot_be_read_or_vanishes_is_refused(
    what: str, error: OSError, reason: str, select: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at(path: Any, real: Any, *arguments: Any) -> Any:
        if os.fspath(path).endswith("unlucky"):
            raise error
        return real(path, *arguments)

    write(root, ["src/pipeline/tasks.py", "src/unlucky" + ("/" if what == "folder" else "")])
    real_open, real_scandir = open, os.scandir
    monkeypatch.setattr(selection_module, "open", lambda *a: fail_at(a[0], real_open, *a[1:]), raising=False)
    monkeypatch.setattr(os, "scandir", lambda path: fail_at(path, real_scandir))
    assert refused(select, []).startswith(f"src/unlucky{'/' if what == 'folder' else ''} {reason}")


def test_a_folder_outside_that_cannot_be_read_is_no_hindrance(
    select: Make, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: Any) -> Any:
        if os.fspath(path).endswith("database"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_scandir(path)

    real_scandir = os.scandir
    write(root, ["src/pipeline/tasks.py", "database/x", "data/a.csv"])
    monkeypatch.setattr(os, "scandir", scandir)
    assert paths(select([], include=["*.csv"])) == ["data/a.csv", "pipeline/tasks.py"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("src/a\x07b.py", "holds U+0007, a control character"),
        ("src/a\u202eb.py", "holds U+202E"),
        ("src/a:b.py", "holds ':'"),
        ("src/a\\b.py", "holds '\\\\'"),
        ("src/aux.py", "a device on Windows"),
        ("src/a.py.", "ends with a dot"),
        ("src/e\u0301.py", "normal form NFC"),
        ("src/json.py", "hides the module json of the standard library"),
        ("src/email/a.py", "hides the module email of the standard library"),
        ("src/distutils/a.py", "hides the module distutils of the standard library"),
        ("src/cloacina/a.py", "hides Cloacina itself"),
        ("src/sitecustomize.py", "would run whenever Python starts"),
        ("src/a.pth", "would run whenever Python starts"),
        (f"src/pipeline/{'d' * 91}.py/{'f' * 88}.txt", None),  # exactly what fits
        (f"src/pipeline/{'n' * 101}", "has a path that is too long (119 bytes as workflow/pipeline/n"),
        (f"src/pipeline/{'d' * 80}/{'e' * 80}/{'f' * 80}/x.py", "has a path that is too long"),
        (f"src/{'/'.join('d' * 40)}/x.py", "has 42 parts; a path may have 32"),
    ],
)
def test_a_name_that_some_system_cannot_hold_is_refused(path: str, reason: str | None, select: Make) -> None:
    if reason is None:
        assert path.removeprefix("src/") in paths(select(["src/pipeline/tasks.py", path]))
    else:
        message = refused(select, ["src/pipeline/tasks.py", path])
        assert reason in message
        assert message.isprintable()


def test_a_name_that_is_not_utf_8_is_refused(select: Make, root: Path) -> None:
    write(root, ["src/pipeline/tasks.py"])
    with open(os.fsencode(root) + b"/src/\xff.py", "wb"):  # noqa: PTH123 - a name that no text has
        pass
    message = refused(select, [])
    assert message.startswith(r"'src/\udcff.py' has a name that is not UTF-8.")
    assert message.isascii()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src/A.py", "src/a.py"),
        ("src/Data/a.csv", "src/data/b.csv"),
        ("src/straße.py", "src/STRASSE.py"),
        ("src/ﬁle.py", "src/file.py"),
        ("src/x/y.py", "src/X"),
        ("data/a.csv", "src/data/a.csv"),
    ],
)
def test_names_that_are_one_on_some_system_are_refused(one: str, other: str, select: Make) -> None:
    message = refused(select, ["src/pipeline/tasks.py", one, other], include=["data/"] if one[0] == "d" else [])
    assert "collides with another file" in message


def test_a_file_of_more_than_512_mib_is_refused(select: Make, root: Path) -> None:
    write(root, ["src/pipeline/tasks.py", "src/large.bin", "src/limit.bin"])
    for name, size in {"large.bin": 512 * 1024**2 + 1, "limit.bin": 512 * 1024**2}.items():
        os.truncate(root / "src" / name, size)
    message = refused(select, [])
    assert message.startswith("src/large.bin has 512.0 MiB; a file in a package has at most 512 MiB.")
    assert "limit.bin" not in message


def test_more_files_than_a_package_holds_are_refused() -> None:
    refusals = Refusals(["3.11"])
    refusals.check_together([(f"d/{number}", f"src/d/{number}") for number in range(50_001)])
    with pytest.raises(UnpackableFile, match="has 50001 files to pack; a package holds at most 50000"):
        refusals.raise_if_any()


def test_the_standard_library_is_that_of_the_pythons_that_the_package_is_for(select: Make) -> None:
    files = ["src/pipeline/tasks.py", "src/distutils.py"]  # which 3.12 no longer has
    assert "distutils.py" in paths(select(files, python=["3.12", "3.13"]))
    assert "hides the module distutils" in refused(select, files, python=["3.11", "3.13"])


def test_all_files_that_cannot_be_packed_come_in_one_message(select: Make, root: Path) -> None:
    write(root, ["src/pipeline/tasks.py", "src/json.py"])
    for number in range(30):
        (root / "src" / f"link{number:02}").symlink_to("x")
    lines = refused(select, []).splitlines()
    assert lines[0].startswith("31 files cannot be packed. Mend them, or leave them out")
    assert lines[1].startswith("  src/json.py hides")
    assert lines[2].startswith("  src/link00 is a link to x")
    assert lines[-1] == "  And 11 more."
    assert len(lines) == 22
