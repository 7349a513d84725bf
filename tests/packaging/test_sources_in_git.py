"""In a git work tree, what is ignored is what git says, whatever surrounds the process and the project."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloacina.errors import ProjectError
from cloacina.packaging.project import read_project
from cloacina.packaging.sources import select_sources

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """
[project]
name = "p"
version = "1"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "pipeline.tasks"
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, *names: str, **contents: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(contents.get(name, ""))


def commit(folder: Path, *names: str) -> None:
    git(folder, "add", "--force", *names)
    git(folder, "commit", "--quiet", "--message", "Add files")


def packed(root: Path) -> list[str]:
    return [file.path for file in select_sources(read_project(root)).files]


def ignored(root: Path) -> dict[str, str]:
    excluded = select_sources(read_project(root)).excluded
    return {path: reason for path, reason in excluded if reason.startswith("ignored")}


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let git know nothing of the user and of the machine."""
    (configuration := tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return configuration


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with a module, in a work tree."""
    root = tmp_path / "project"
    write(root, "src/pipeline/tasks.py")
    (root / "pyproject.toml").write_text(PYPROJECT)
    git(root, "init", "--quiet")
    return root


def test_rules_hold_at_every_level_and_are_named(root: Path) -> None:
    write(root, "src/a.log", "src/keep.log", "src/pipeline/a.tmp", "src/pipeline/keep.log", "src/generated/deep/a.py")
    (root / ".gitignore").write_text("# local\n*.log\n/src/generated/\n")
    (root / "src" / "pipeline" / ".gitignore").write_text("*.tmp\n!keep.log\n")
    assert packed(root) == ["pipeline/.gitignore", "pipeline/keep.log", "pipeline/tasks.py"]
    assert ignored(root) == {
        "src/a.log": "ignored by git (.gitignore, line 2: *.log)",
        "src/generated/": "ignored by git (.gitignore, line 3: /src/generated/)",
        "src/keep.log": "ignored by git (.gitignore, line 2: *.log)",
        "src/pipeline/a.tmp": "ignored by git (src/pipeline/.gitignore, line 1: *.tmp)",
    }


def test_a_tracked_file_is_packed_though_a_rule_matches_it(root: Path) -> None:
    write(root, "src/model.bin", "src/other.bin", "src/generated/tracked.py", "src/generated/untracked.py")
    (root / ".gitignore").write_text("*.bin\ngenerated/\n")
    commit(root, "src/model.bin", "src/generated/tracked.py")
    assert packed(root) == ["generated/tracked.py", "model.bin", "pipeline/tasks.py"]
    assert set(ignored(root)) == {"src/other.bin", "src/generated/untracked.py"}


def test_a_file_that_is_neither_tracked_nor_ignored_is_packed(root: Path) -> None:
    commit(root, "src/pipeline/tasks.py")
    write(root, "src/pipeline/new.py")
    assert packed(root) == ["pipeline/new.py", "pipeline/tasks.py"]


def test_a_folder_of_which_everything_is_ignored_is_left_out_whole(root: Path) -> None:
    write(root, "src/cache/a.bin", "src/cache/deep/b.bin")
    (root / ".gitignore").write_text("*.bin\n")
    assert packed(root) == ["pipeline/tasks.py"]
    assert ignored(root) == {"src/cache/": "ignored by git"}


def test_rules_outside_of_the_files_count(root: Path, own_configuration: Path) -> None:
    write(root, "src/a.mine", "src/a.local")
    (root / ".git" / "info" / "exclude").write_text("*.local\n")
    (excludes := own_configuration.with_name("excludes")).write_text("*.mine\n")
    git(root, "config", "--global", "core.excludesFile", str(excludes))
    assert ignored(root) == {
        "src/a.local": "ignored by git (.git/info/exclude, line 1: *.local)",
        "src/a.mine": f"ignored by git ({excludes}, line 1: *.mine)",
    }


def test_odd_names_are_understood(root: Path) -> None:
    for name in ("größe.log", ":colon.log", "new\nline.log", "*.log", " space .log"):
        write(root, f"src/{name}")
    (root / ".gitignore").write_text("*.log\n")
    assert packed(root) == ["pipeline/tasks.py"]
    assert len(ignored(root)) == 5


@pytest.mark.parametrize("folder", ["services/sales", "src"])
def test_a_project_below_the_top_of_its_work_tree_is_under_its_rules(folder: str, root: Path) -> None:
    write(root, f"{folder}/src/pipeline/tasks.py", f"{folder}/src/a.log", f"{folder}/src/b.tmp")
    (root / folder / "pyproject.toml").write_text(PYPROJECT)
    (root / ".gitignore").write_text("*.log\n")
    (root / folder / ".gitignore").write_text("*.tmp\n")
    assert packed(root / folder) == ["pipeline/tasks.py"]
    assert ignored(root / folder)["src/b.tmp"] == f"ignored by git ({folder}/.gitignore, line 1: *.tmp)"


def test_a_project_in_a_folder_that_git_ignores_is_packed_by_its_own_rules(root: Path) -> None:
    inner = root / "scratch" / "trial"
    write(inner, "src/pipeline/tasks.py", "src/a.log", "src/a.tmp")
    (inner / "pyproject.toml").write_text(PYPROJECT)
    (inner / ".gitignore").write_text("*.tmp\n")
    (root / ".gitignore").write_text("scratch/\n*.log\n")
    assert packed(inner) == ["a.log", "pipeline/tasks.py"]
    commit(root, "scratch/trial/src/pipeline/tasks.py")  # and now git has a say again
    assert packed(inner) == ["pipeline/tasks.py"]


def test_a_submodule_is_packed_by_its_own_rules(root: Path) -> None:
    library = root.parent / "library"
    write(library, "a.py", "a.generated")
    (library / ".gitignore").write_text("*.generated\n*.tmp\n")
    git(library, "init", "--quiet")
    commit(library, ".gitignore", "a.py", "a.generated")
    git(root, "submodule", "--quiet", "add", str(library), "src/library")
    (root / ".gitignore").write_text("*.log\n")
    write(root, "src/library/a.log", "src/library/a.tmp")
    assert packed(root) == [
        "library/.gitignore", "library/a.generated", "library/a.log", "library/a.py", "pipeline/tasks.py"
    ]  # fmt: skip
    assert ignored(root) == {"src/library/a.tmp": "ignored by git (.gitignore, line 2: *.tmp)"}


def test_another_repository_below_is_packed_by_its_own_rules(root: Path) -> None:
    write(root, "src/other/a.py", "src/other/a.tmp")
    git(root / "src" / "other", "init", "--quiet")
    (root / "src" / "other" / ".gitignore").write_text("*.tmp\n")
    assert packed(root) == ["other/.gitignore", "other/a.py", "pipeline/tasks.py"]


def test_a_linked_work_tree_and_a_clone_are_packed_alike(root: Path) -> None:
    write(root, "src/a.log", "src/b.py")
    (root / ".gitignore").write_text("*.log\n")
    commit(root, "pyproject.toml", ".gitignore", "src/pipeline/tasks.py", "src/b.py")
    linked, clone = root.with_name("linked"), root.with_name("clone")
    git(root, "worktree", "add", "--quiet", str(linked))
    git(root.parent, "clone", "--quiet", str(root), str(clone))
    write(linked, "src/b.log")
    assert packed(linked) == packed(clone) == packed(root) == ["b.py", "pipeline/tasks.py"]


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_variables_that_a_git_hook_sets_do_not_mislead(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = root.with_name("other")
    write(other, "a.py")
    git(other, "init", "--quiet")
    write(root, "src/a.log", "src/tracked.log")
    (root / ".gitignore").write_text("*.log\n")
    commit(root, "src/tracked.log")
    values = {"GIT_INDEX_FILE": ".git/index", "GIT_WORK_TREE": ".", "GIT_DIR": ".git"}
    monkeypatch.setenv(name, str(other / values[name]))
    assert packed(root) == ["pipeline/tasks.py", "tracked.log"]


def test_a_work_tree_of_another_user_is_refused_with_the_command_that_trusts_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ProjectError) as caught:
        packed(root)
    assert "because it belongs to another user" in caught.value.message
    assert caught.value.message.endswith(f"git config --global --add safe.directory {root.resolve()}")
    git(root.parent, "config", "--global", "--add", "safe.directory", str(root.resolve()))
    assert packed(root) == ["pipeline/tasks.py"]


def test_a_damaged_repository_is_told_in_gits_words(root: Path) -> None:
    commit(root, "src/pipeline/tasks.py")
    (root / ".git" / "index").write_bytes(b"nonsense, and enough of it to be taken for an index")
    with pytest.raises(ProjectError, match=r"git cannot read the work tree of the project \((error|fatal): "):
        packed(root)


def test_no_program_that_the_repository_names_is_run(root: Path) -> None:
    (monitor := root.parent / "monitor").write_text(f"#!/bin/sh\ntouch {root.parent}/was-run\n")
    monitor.chmod(0o755)
    commit(root, "src/pipeline/tasks.py")
    git(root, "config", "core.fsmonitor", str(monitor))
    assert packed(root) == ["pipeline/tasks.py"]
    assert not (root.parent / "was-run").exists()


@pytest.mark.parametrize("program", ["none", "xcrun"])
def test_without_git_the_files_are_read_by_themselves(
    program: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, "src/a.log", "src/a.local")
    (root / ".gitignore").write_text("*.log\n")
    (root / ".git" / "info" / "exclude").write_text("*.local\n")
    shell = shutil.which("sh")
    (programs := tmp_path / "programs").mkdir()
    if program == "xcrun":  # what stands in for git on a Mac without the developer tools
        (programs / "git").write_text(f"#!{shell}\necho 'xcrun: error: invalid active developer path' >&2\nexit 1\n")
        (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert packed(root) == ["pipeline/tasks.py"]
    assert ignored(root) == {
        "src/a.local": "ignored (.git/info/exclude, line 1: *.local)",
        "src/a.log": "ignored (.gitignore, line 1: *.log)",
    }
