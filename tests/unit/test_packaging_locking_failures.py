"""What uv prints becomes one error with cause and mend, without a word about where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import cloacina.errors
from cloacina.errors import CloacinaError, MissingWheels, UvFailed
from cloacina.packaging.locking import TESTED_UV
from cloacina.packaging.locking.failures import error_of
from cloacina.packaging.locking.scrubbing import scrub
from uv_failures import MESSAGES, PROJECT_FOLDER, SCENARIOS, read_sections

VERSIONS = sorted(file.stem for file in MESSAGES.glob("[0-9]*.txt"))
ERRORS = read_sections(MESSAGES / "errors.txt")


def _error(output: str, exit_code: int = 1) -> CloacinaError:
    return error_of(output, exit_code=exit_code, folder=Path(PROJECT_FOLDER))


def test_messages_of_at_least_two_tested_versions_are_recorded() -> None:
    assert len(VERSIONS) >= 2
    assert all(TESTED_UV.contains(version) for version in VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_failure_is_recorded(version: str) -> None:
    assert list(read_sections(MESSAGES / f"{version}.txt")) == list(SCENARIOS) == list(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_failure_becomes_the_error_that_it_means(version: str, name: str) -> None:
    exit_code, output = read_sections(MESSAGES / f"{version}.txt")[name]
    kind, message = ERRORS[name]
    error = _error(output, int(exit_code))
    assert (type(error).__name__, error.message) == (kind, message)


@pytest.mark.parametrize("name", ERRORS)
def test_messages_name_no_host_no_credential_and_no_absolute_path(name: str) -> None:
    _, message = ERRORS[name]
    for private in ("127.0.0.1", "packages.invalid", "://", "secret", "user", PROJECT_FOLDER, "/tmp"):
        assert private not in message


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_public_classes(name: str) -> None:
    assert issubclass(getattr(cloacina.errors, ERRORS[name][0]), CloacinaError)


@pytest.mark.parametrize(
    "output",
    [
        "error: Failed to fetch: `x`\n  cause: failed to write to file: No space left on device (os error 28)",
        "error: failed to rename file: Disk quota exceeded (os error 122)",
    ],
)
def test_full_disk_is_told_from_a_failing_network(output: str) -> None:
    error = _error(output, 2)
    assert isinstance(error, UvFailed)
    assert error.message.startswith("The disk is full")


def test_refusing_index_is_no_cause_when_every_package_was_found_elsewhere() -> None:
    error = _error(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because your project depends on a>1 and a<1, your project's requirements are unsatisfiable.\n\n"
        "hint: An index (https://internal.example.com/simple) returned a 403 Forbidden error. Check it.\n"
    )
    assert type(error).__name__ == "UnsatisfiableDependencies"
    assert "internal.example.com" not in error.message


def test_failure_drawn_as_a_tree_is_understood_as_well() -> None:
    error = _error(
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because alhpa was not found in the package registry and your project depends on alhpa, we can conclude\n"
        "      that your project's requirements are unsatisfiable.\n"
    )
    assert type(error).__name__ == "DependencyNotFound"
    assert "'alhpa'" in error.message


def test_unknown_failure_shows_what_uv_has_said() -> None:
    error = _error("warning: of something else\nerror: The moon is full\n  cause: It is that time\n", 2)
    assert error.message == "uv ended with exit code 2: The moon is full: It is that time"


def test_silent_failure_is_still_an_error_with_words() -> None:
    assert _error("", 3).message == "uv ended with exit code 3: it printed nothing"
    assert "signal 9" in _error("", -9).message


def test_very_long_failure_is_cut() -> None:
    error = _error(f"error: No solution found\n  cause: {'because ' * 2_000}")
    assert len(error.message) < 2_000
    assert "…" in error.message


def test_project_in_a_folder_with_spaces_is_told_from_a_dependency() -> None:
    output = (
        "error: Failed to build `demo @ file:///home/my%20projects/demo`\n  cause: The build backend returned an error"
    )
    of_project = error_of(output, exit_code=1, folder=Path("/home/my projects/demo"))
    of_dependency = error_of(output, exit_code=1, folder=Path("/home/my projects/other"))
    assert type(of_project).__name__ == "InvalidProject"
    assert type(of_dependency).__name__ == "DependencyNotPackageable"


def test_dependency_that_cannot_be_built_is_a_gap() -> None:
    _, output = read_sections(MESSAGES / f"{VERSIONS[0]}.txt")["source-not-buildable"]
    error = _error(output)
    assert isinstance(error, MissingWheels)
    assert error.gaps == (("alpha", "1.0", "", "source only"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at https://u:p@pypi.corp.example/simple/a/", "at <address>"),
        ("for url (http://h:8/f/a-1.0.tar.gz#sha256=ab)", "for url (<address>/a-1.0.tar.gz)"),
        ("from https://h.example/a-1.0.whl?token=secret.", "from <address>/a-1.0.whl."),
        ("clone git@git.corp.example:team/a.git", "clone <address>"),
        ("Could not resolve host: pypi.corp.example", "Could not resolve host: <host>"),
        ("connect to 10.1.2.3:8080", "connect to <host>"),
        ("connect to [fe80::1]:8080", "connect to <host>"),
        ("at https://pypi.corp.example/simple: pypi.corp.example said no", "at <address>: <host> said no"),
        ("file:///home/somebody/project/wheels", "<address>"),
        (f"`{PROJECT_FOLDER}/uv.lock`", "`./uv.lock`"),
        ("alpha==1.2.3.4 and beta>=2.0.1", "alpha==1.2.3.4 and beta>=2.0.1"),
    ],
)
def test_text_is_scrubbed(text: str, expected: str) -> None:
    assert scrub(text, folder=Path(PROJECT_FOLDER)) == expected


def test_hosts_and_credentials_of_configured_indexes_are_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX", "inner=https://robot:hunter22@pypi.corp.example/simple other=https://b.example/")
    text = "asked pypi.corp.example as robot with hunter22, then b.example and mypypi.corp.example"
    assert scrub(text, folder=Path(PROJECT_FOLDER)) == (
        "asked <host> as <host> with <host>, then <host> and mypypi.corp.example"
    )


def test_addresses_given_are_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "token abcdef123 at pypi.corp.example:8443"
    address = "https://__token__:abcdef123@pypi.corp.example:8443/simple"
    assert scrub(text, folder=Path(PROJECT_FOLDER), addresses=[address]) == "token <host> at <host>"
