"""pyproject.toml is read strictly, and whoever wrote it is told everything that is wrong with it, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from cloacina.errors import InvalidProject, ProjectNotFound
from cloacina.packaging.project import read_project
from cloacina.packaging.project.toml_document import TomlDocument, read_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloacina.packaging.project import Project

PROJECT = {"name": '"sales-report"', "version": '"1.0"', "requires-python": '">=3.11"'}
SETTINGS = {"entry_module": '"sales.tasks"'}


def toml(project: dict[str, str | None] | None = None, settings: dict[str, str | None] | None = None) -> str:
    """Return a valid pyproject.toml with some keys changed, or, where the value is None, left out."""
    tables = {"project": {**PROJECT, **(project or {})}, "tool.cloacina": {**SETTINGS, **(settings or {})}}
    lines: list[str] = []
    for name, keys in tables.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in keys.items() if value is not None), ""]
    return "\n".join(lines)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], Project]:
    """Return a function that reads a text as the pyproject.toml of the current folder."""
    monkeypatch.chdir(tmp_path)

    def read_text(text: str | bytes) -> Project:
        (tmp_path / "pyproject.toml").write_bytes(text.encode() if isinstance(text, str) else text)
        return read_project(tmp_path.relative_to(tmp_path))

    return read_text


@pytest.fixture
def refusal(read: Callable[[str | bytes], Project]) -> Callable[[str | bytes], str]:
    """Return a function that reads a text and returns why it is refused."""

    def refuse(text: str | bytes) -> str:
        with pytest.raises(InvalidProject) as caught:
            read(text)
        return caught.value.message

    return refuse


def test_a_small_project_is_read_with_its_defaults(read: Callable[[str], Project], tmp_path: Path) -> None:
    project = read(toml())
    assert (project.root, project.source_root) == (tmp_path.resolve(), tmp_path.resolve())
    assert (project.name, project.version, project.description) == ("sales-report", "1.0", None)
    assert (project.requires_python, project.entry_module) == (">=3.11", "sales.tasks")
    assert (project.include, project.exclude, project.dependencies) == ((), (), ())
    assert project.platforms == ("linux-arm64", "linux-x86_64", "macos-arm64", "macos-x86_64")
    assert [target.name for target in project.targets()] == [f"{name}-cp311" for name in project.platforms]


def test_a_project_is_read_with_everything_it_says(read: Callable[[str], Project], tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    project = read(
        toml(
            {"description": '" Counts\\n what was sold. "', "dependencies": '["numpy>=2", "httpx; os_name == \'nt\'"]'},
            {
                "targets": '["windows-x86_64", "linux-x86_64", "linux-x86_64"]',
                "python": '["3.12", "3.11", "3.12"]',
                "include": '["data/*.csv"]',
                "exclude": '["*.md"]',
            },
        )
    )
    assert project.source_root == tmp_path.resolve() / "src"
    assert project.description == "Counts what was sold."
    assert project.dependencies == ("numpy>=2", "httpx; os_name == 'nt'")
    assert (project.platforms, project.pythons) == (("linux-x86_64", "windows-x86_64"), ("3.11", "3.12"))
    assert (project.include, project.exclude) == (("data/*.csv",), ("*.md",))
    assert len(project.targets()) == 4


@pytest.mark.parametrize(
    ("requires_python", "python"),
    [
        (">=3.9", "3.11"),
        (">=3.12", "3.12"),
        (">3.11,<3.14", "3.11"),
        (">=3.11.7", "3.11"),
        (">=3.12.1,!=3.12.*", "3.13"),
    ],
)
def test_the_lowest_python_that_the_project_allows_is_built_for(
    requires_python: str, python: str, read: Callable[[str], Project]
) -> None:
    assert read(toml({"requires-python": f'"{requires_python}"'})).pythons == (python,)


def test_one_python_may_stand_without_brackets(read: Callable[[str], Project]) -> None:
    assert read(toml(settings={"python": '"3.13"'})).pythons == ("3.13",)


def test_line_ends_of_windows_are_read(read: Callable[[str], Project]) -> None:
    assert read(toml().replace("\n", "\r\n")).name == "sales-report"


# ── No project ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound, match=r"There is no folder .*nowhere"):
        read_project(tmp_path / "nowhere")


def test_a_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(toml())
    with pytest.raises(ProjectNotFound, match=r"pyproject\.toml is a file; expected the folder"):
        read_project(tmp_path / "pyproject.toml")


def test_a_folder_without_the_file_leads_to_new_and_to_the_project_around_it(tmp_path: Path) -> None:
    (inner := tmp_path / "src" / "sales").mkdir(parents=True)
    with pytest.raises(ProjectNotFound, match="cloacina new NAME"):
        read_project(inner)
    (tmp_path / "pyproject.toml").write_text(toml())
    with pytest.raises(ProjectNotFound) as caught:
        read_project(inner)
    assert f"the nearest one is in {tmp_path.resolve()}." in caught.value.message


def test_a_folder_in_place_of_the_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(InvalidProject, match=r"pyproject\.toml cannot be read: Is a directory"):
        read_project(tmp_path)


# ── No TOML ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[project\n", "pyproject.toml, line 1, column 9, is not TOML: "),
        (b'[project]\nname = "a"\nversion = 1.0.0\n', "pyproject.toml, line 3, column 14, is not TOML: "),
        (b"[project]\nname = '", "pyproject.toml is not TOML: "),
        (b"[project]\nname = 1\nname = 2\n", "pyproject.toml, line 3, column 9, is not TOML: cannot overwrite a value"),
        (b"[project]\n# \xe4\n", "pyproject.toml, line 2, byte 3, is not UTF-8 text (0xE4)."),
        ("[project]\n".encode("utf-16"), "pyproject.toml is UTF-16 text; expected UTF-8."),
        (b"\xef\xbb\xbf[project]\n", "pyproject.toml, line 1, begins with a byte order mark"),
        (b"a = " + b"[" * 20_000, "pyproject.toml is nested too deeply to be read."),
    ],
)
def test_what_is_not_toml_is_refused_with_its_place(
    text: bytes, expected: str, refusal: Callable[[bytes], str]
) -> None:
    assert refusal(text).startswith(expected)


def test_the_line_that_is_not_toml_is_shown(refusal: Callable[[str], str]) -> None:
    assert refusal("[project]\n  version = 1.0.0 # the first\n").endswith("The line reads: version = 1.0.0 # the first")


# ── What is wrong with [project] ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", PROJECT)
def test_a_missing_key_is_shown_as_a_line_to_add(key: str, refusal: Callable[[str], str]) -> None:
    message = refusal(toml({key: None}))
    assert message.startswith(f"pyproject.toml, line 1: [project] {key} is missing")
    assert f'Add a line such as {key} = "' in message


@pytest.mark.parametrize("key", [*PROJECT, "dependencies"])
def test_a_dynamic_key_is_refused_because_nothing_is_run(key: str, refusal: Callable[[str], str]) -> None:
    message = refusal(toml({key: None, "dynamic": f'["{key}"]'}))
    assert f"[project] {key} is in `dynamic`; write" in message
    assert "nothing of the project is run" in message


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("name", '"a/b"', 'line 2: [project] name is "a/b", which cannot be part of a file\'s name'),
        ("name", '"-a"', "cannot be part of a file's name"),
        ("name", '""', "cannot be part of a file's name"),
        ("name", '"größe"', "cannot be part of a file's name"),
        ("name", f'"{"a" * 129}"', "cannot be part of a file's name"),
        ("name", "7", 'line 2: [project] name is 7, an integer; expected a string in quotes, such as name = "'),
        ("version", "1.0", "line 3: [project] version is 1.0, a number; expected a string in quotes"),
        ("version", '"latest"', 'line 3: [project] version is "latest", which is not a version'),
        ("version", '"1.0+cpu"', "no `+` with a local part"),
        ("version", '"1!2.0"', "no `!` with an epoch"),
        ("version", '" 1.0 "', "cannot be part of a file's name"),
        ("requires-python", '"3.11+"', 'line 4: [project] requires-python is "3.11+", which is no specifier'),
        ("requires-python", '""', "requires-python is empty"),
        ("description", "true", "description is true, a boolean; expected a string"),
        ("dependencies", '"numpy"', 'dependencies is "numpy", a string; expected an array of strings'),
        ("dependencies", "[{ name = 'numpy' }]", "dependencies holds a table; expected strings"),
        ("dependencies", '["numpy >= "]', 'dependencies holds "numpy >= ", which is no requirement ('),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(
    key: str, value: str, expected: str, refusal: Callable[[str], str]
) -> None:
    assert expected in refusal(toml({key: value}))


def test_a_version_that_a_file_name_can_hold_is_kept_as_it_is_written(read: Callable[[str], Project]) -> None:
    assert read(toml({"version": '"2026.07.RC1"'})).version == "2026.07.RC1"


# ── What is wrong with [tool.cloacina] ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sales/tasks.py", "sales.tasks"),
        ("src/sales/tasks.py", "sales.tasks"),
        ("./sales/__init__.py", "sales"),
        ("sales\\\\tasks.py", "sales.tasks"),
        ("tasks.py", "tasks"),
        ("sales.tasks:workflow", "sales.tasks"),
        (" sales.tasks", "sales.tasks"),
    ],
)
def test_a_path_in_place_of_the_entry_module_is_understood(
    written: str, meant: str, refusal: Callable[[str], str]
) -> None:
    assert refusal(toml(settings={"entry_module": f'"{written}"'})).endswith(
        f'which is no module\'s name; expected "{meant}".'
    )


@pytest.mark.parametrize("name", ["", ".", "sales-report", "sales..tasks", "sales.class", "1st", "sales tasks"])
def test_an_entry_module_is_names_with_dots(name: str, refusal: Callable[[str], str]) -> None:
    assert f'line 7: [tool.cloacina] entry_module is "{name}", which is no module\'s name' in refusal(
        toml(settings={"entry_module": f'"{name}"'})
    )


def test_an_entry_module_in_src_is_named_without_it(refusal: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "src" / "sales").mkdir(parents=True)
    message = refusal(toml(settings={"entry_module": '"src.sales.tasks"'}))
    assert message.endswith('modules are looked for in src/: expected "sales.tasks".')


@pytest.mark.parametrize(
    ("name", "owner"), [("json.tasks", "a module of the standard library"), ("cloacina.task", "Cloacina itself")]
)
def test_an_entry_module_must_not_hide_another_one(name: str, owner: str, refusal: Callable[[str], str]) -> None:
    assert owner in refusal(toml(settings={"entry_module": f'"{name}"'}))


@pytest.mark.parametrize(
    ("key", "nearest"), [("entry-module", "entry_module"), ("target", "targets"), ("pythons", "python")]
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key: str, nearest: str, refusal: Callable[[str], str]) -> None:
    message = refusal(toml(settings={key: '"x"'}))
    assert message.startswith(f"pyproject.toml, line 8: [tool.cloacina] {key} is no key of this table")
    assert f"did you mean '{nearest}'?" in message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("linux-aarch64", "linux-arm64"),
        ("linux_x86_64", "linux-x86_64"),
        ("Linux-amd64", "linux-x86_64"),
        ("manylinux_x86_64", "linux-x86_64"),
        ("musllinux-x64", "linux-musl-x86_64"),
        ("darwin-arm64", "macos-arm64"),
        ("osx-x64", "macos-x86_64"),
        ("win-amd64", "windows-x86_64"),
        ("win_amd64", "windows-x86_64"),
        ("linux-x86_64-cp311", "linux-x86_64"),
    ],
)
def test_an_unknown_platform_is_refused_with_the_one_that_is_meant(
    written: str, meant: str, refusal: Callable[[str], str]
) -> None:
    message = refusal(toml(settings={"targets": f'["{written}"]'}))
    assert f"targets holds \"{written}\", which is no platform; did you mean '{meant}'?" in message


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("targets", "[]", "targets is empty, so there is nothing to build for"),
        ("targets", '"linux-x86_64"', "expected an array of strings, such as targets = ["),
        ("targets", '["solaris"]', "which is no platform; known are 'linux-arm64'"),
        ("python", "[]", "python is empty"),
        ("python", "3.12", 'python is 3.12, a number; expected a string in quotes, such as python = "3.12"'),
        ("python", "3.10", 'such as python = "3.11"'),
        ("python", "[3.12]", "python holds 3.12, a number; expected strings in quotes"),
        ("python", '"3.12.4"', 'holds "3.12.4"; expected a minor version of Python 3.11 or newer, such as "3.12"'),
        ("python", '"3.9"', 'holds "3.9"; expected a minor version of Python 3.11 or newer, such as "3.11"'),
        ("python", '">=3.11"', "expected a minor version"),
        ("include", '"data"', "expected an array of strings"),
        ("include", '[""]', "which is empty; expected a pattern"),
        ("exclude", '["#x"]', "which is a comment in a list of patterns"),
        ("exclude", '["../x"]', "which leaves the project's folder"),
        ("exclude", '["!"]', "which is no pattern"),
        ("entry_module", "1", "entry_module is 1, an integer; expected a string"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(
    key: str, value: str, expected: str, refusal: Callable[[str], str]
) -> None:
    message = refusal(toml(settings={key: value}))
    assert f"line {7 if key == 'entry_module' else 8}: [tool.cloacina] {key} " in message
    assert expected in message


def test_a_python_that_the_project_excludes_is_refused(refusal: Callable[[str], str]) -> None:
    message = refusal(toml({"requires-python": '">=3.12"'}, {"python": '["3.12", "3.11"]'}))
    assert 'python holds "3.11", which requires-python ">=3.12" excludes.' in message


def test_a_project_for_no_python_that_is_known_has_to_name_one(refusal: Callable[[str], str]) -> None:
    assert "python is missing, and requires-python" in refusal(toml({"requires-python": '">=3.20"'}))


# ── Tables, lines and several problems ───────────────────────────────────────────────────────────────────────────────


def test_a_file_without_the_tables_says_what_to_add(refusal: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    (tmp_path / "sales" / "tasks.py").touch()
    message = refusal("[tool.poetry]\nname = 'x'\n")
    assert message.startswith("pyproject.toml has 2 problems:\n  There is no [project] table")
    assert "[tool.poetry] is not read" in message
    assert "There is no [tool.cloacina] table." in message
    assert 'entry_module = "sales.tasks"' in message


@pytest.mark.parametrize("text", ["project = 1\ntool = 2\n", "[[project]]\n[[tool.cloacina]]\n"])
def test_what_should_be_a_table_and_is_none_is_refused(text: str, refusal: Callable[[str], str]) -> None:
    message = refusal(text)
    assert "line 1: project is " in message
    assert "line 2: tool" in message
    assert message.count("expected a table") == 2


def test_all_problems_come_in_one_message_in_the_order_of_their_lines(refusal: Callable[[str], str]) -> None:
    message = refusal(toml({"name": '"a b"', "version": None}, {"targets": '["x", "linux-x86_64", 3]', "oops": "1"}))
    lines = message.splitlines()
    assert lines[0] == "pyproject.toml has 5 problems:"
    numbers = [int(line.split()[1].rstrip(":")) for line in lines[1:]]
    assert numbers == sorted(numbers) == [1, 2, 7, 7, 8]


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("[a]\nx = 1\n\n[b]\nx = 2\n", ("b", "x"), 5),
        ("[a]\n\n# y = 1\ny = [\n  1,\n  2,\n]\nz = 3\n", ("a", "y"), 4),
        ("[a]\ny = [\n  1,\n]\nz = 3\n", ("a", "z"), 5),
        ('[a]\nt = """\nx = 1\n[b]\n"""\nx = 2\n', ("a", "x"), 6),
        ("a.b.c = 1\n", ("a", "b", "c"), 1),
        ("\na = { b = { c = 1 } }\n", ("a", "b", "c"), 2),
        ('["a"."b c"]\n\'d\' = 1', ("a", "b c", "d"), 2),
        ("[a]\n", ("a",), 1),
        ("[a.b]\n[a]\n", ("a",), 1),
        ("[a]\n", ("a", "b"), None),
        ("a = 1\n", ("a", "b"), None),
    ],
)
def test_the_line_of_a_key_is_found_in_every_notation(
    text: str, keys: tuple[str, ...], line: int | None, tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text(text)
    assert read_toml(tmp_path / "x.toml", "x.toml").line_of(*keys) == line


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    comments=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_the_line_of_each_key_is_the_one_on_which_it_was_written(sizes: list[int], comments: list[bool]) -> None:
    lines, places, values = ["[table]"], {}, {}
    for number, (size, has_comment) in enumerate(zip(sizes, comments, strict=False)):
        lines += ["", "# key = ["] if has_comment else []
        places[f"key{number}"] = len(lines) + 1
        values[f"key{number}"] = ["[x]"] * (size - 1)
        lines += [f"key{number} = [", *['  "[x]",'] * (size - 1), "]"] if size > 1 else [f"key{number} = []"]
    document = TomlDocument("x.toml", "\n".join(lines), {"table": values})
    assert {key: document.line_of("table", key) for key in values} == places
