"""A manifest is read and written whole, and everything that is wrong with one is said at once, with its path."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cloacina.errors import InvalidManifest, UnsupportedManifest
from cloacina.packaging.manifest.json_schema import manifest_json_schema, render_schema
from cloacina.packaging.manifest.models import Manifest, RustRuntime, TaskEntry, parse_manifest, render_manifest
from manifest_samples import PYTHON, RUST, change, document, drop, parse

SCHEMA = Draft202012Validator(manifest_json_schema())


@pytest.mark.parametrize("manifest", [PYTHON, RUST], ids=["python", "rust"])
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    data = render_manifest(manifest)
    assert parse_manifest(data) == manifest
    assert render_manifest(parse_manifest(data)) == data


def test_file_is_indented_text_in_the_order_of_the_models_without_nulls() -> None:
    text = render_manifest(PYTHON).decode()
    assert text.startswith('{\n  "format_version": "2",\n  "package": {\n    "name": "daily-report",')
    assert text.endswith('"created_at": "2026-11-21T09:30:00Z"\n}\n')
    assert "null" not in text
    assert "größe" in text


def test_whole_seconds_are_written_as_an_integer() -> None:
    # Readers in other languages declare them as one.
    assert '"timeout_seconds": 30\n' in render_manifest(PYTHON).decode()
    half = TaskEntry(id="a", function="m:a", timeout_seconds=0.5)
    assert half.model_dump(mode="json")["timeout_seconds"] == 0.5


def test_unknown_fields_are_kept() -> None:
    changed = document()
    changed["x-built-by"] = "ci"
    changed["package"]["homepage"] = {"deep": [1, 2]}
    changed["tasks"][0]["queue"] = "slow"
    assert json.loads(render_manifest(parse(changed))) == changed


def test_manifest_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PYTHON.language = "rust"  # pyright: ignore[reportAttributeAccessIssue]


Case = tuple[Callable[[dict[str, Any]], None], str]

# What a field may hold by itself; the JSON Schema refuses these too.
FIELDS: dict[str, Case] = {
    "package is missing": (drop("package"), "package is missing"),
    "package is no object": (change("package", to=3), "package is 3; expected an object"),
    "package is an array": (change("package", to=[]), "package is an array; expected an object"),
    "name is missing": (drop("package", "name"), "package.name is missing"),
    "name is empty": (change("package", "name", to=""), 'package.name is ""; expected 1 to 128 ASCII letters'),
    "name leads elsewhere": (change("package", "name", to="../x"), 'package.name is "../x"'),
    "name is too long": (change("package", "name", to="n" * 129), "package.name is"),
    "name ends with a dot": (change("package", "name", to="x."), 'package.name is "x."'),
    "version has a space": (change("package", "version", to="1 0"), 'package.version is "1 0"'),
    "version is a number": (change("package", "version", to=1), "package.version is 1; expected text"),
    "description is a number": (change("package", "description", to=1), "package.description is 1; expected text"),
    "fingerprint is missing": (drop("package", "fingerprint"), "package.fingerprint is missing"),
    "fingerprint is short": (change("package", "fingerprint", to="ab"), "64 hexadecimal digits in lower case"),
    "fingerprint is empty": (change("package", "fingerprint", to=""), "package.fingerprint is missing"),
    "fingerprint is upper case": (change("package", "fingerprint", to="AB" * 32), "64 hexadecimal digits"),
    "contents_sha256 is no digest": (change("package", "contents_sha256", to="x" * 64), "package.contents_sha256 is"),
    "targets is missing": (drop("package", "targets"), "package.targets is missing"),
    "targets is empty": (change("package", "targets", to=[]), "package.targets is empty; expected one entry or more"),
    "targets is text": (change("package", "targets", to="linux-x86_64"), "expected an array"),
    "target is unknown": (change("package", "targets", 0, to="linux-x86-64"), "so probably 'linux-x86_64'"),
    "target is far off": (change("package", "targets", 0, to="amiga"), "expected one of 'linux-arm64'"),
    "target repeats": (change("package", "targets", to=["linux-x86_64"] * 2), '"linux-x86_64" 2 times'),
    "targets are too many": (
        change("package", "targets", to=["linux-x86_64"] * 7),
        "package.targets has 7 entries; expected 6 or fewer",
    ),
    "builds are too many": (
        change("package", "builds", to=[0] * 101),
        "package.builds has 101 entries; expected 100 or fewer",
    ),
    "builds is empty": (change("package", "builds", to=[]), "package.builds is empty"),
    "abi is of no CPython": (change("package", "builds", 0, "abi", to="pp311"), "package.builds[0].abi is"),
    "abi is free-threaded": (change("package", "builds", 0, "abi", to="cp313t"), "such as 'cp311'"),
    "language is missing": (drop("language"), "language is missing"),
    "language is unknown": (change("language", to="go"), "language is \"go\"; expected 'python' or 'rust'"),
    "runtime is missing": (drop("python"), "python is missing"),
    "runtime is null": (change("python", to=None), "python is missing"),
    "other runtime is there": (change("rust", to={"library_path": "a.so"}), "rust is given; expected only python"),
    "language fits no runtime": (change("language", to="rust"), "rust is missing"),
    "module is no name": (change("python", "entry_module", to="report-tasks"), "python.entry_module is"),
    "module is a path": (change("python", "entry_module", to="report/tasks.py"), "such as 'package.module'"),
    "tasks is missing": (drop("tasks"), "tasks is missing"),
    "tasks is empty": (change("tasks", to=[]), "tasks is empty; expected one entry or more"),
    "tasks are too many": (change("tasks", to=[0] * 10_001), "tasks has 10,001 entries; expected 10,000 or fewer"),
    "task is no object": (change("tasks", 0, to="fetch"), 'tasks[0] is "fetch"; expected an object'),
    "id is missing": (drop("tasks", 1, "id"), "tasks[1].id is missing"),
    "id starts with a digit": (change("tasks", 1, "id", to="1st"), 'tasks[1].id is "1st"'),
    "id is too long": (change("tasks", 1, "id", to="i" * 129), "tasks[1].id is"),
    "function is no path": (change("tasks", 1, "function", to="validate"), "such as 'module.path:name'"),
    "function has two colons": (change("tasks", 1, "function", to="a:b:c"), "tasks[1].function is"),
    "function is empty": (change("tasks", 1, "function", to=""), "tasks[1].function is"),
    "function name is missing": (change("tasks", 1, "function", to="a.b:"), "tasks[1].function is"),
    "dependencies is text": (change("tasks", 1, "dependencies", to="fetch"), "tasks[1].dependencies is"),
    "dependencies are too many": (
        change("tasks", 1, "dependencies", to=["fetch"] * 10_001),
        "tasks[1].dependencies has 10,001 entries; expected 10,000 or fewer",
    ),
    "dependency is a number": (change("tasks", 1, "dependencies", to=[1]), "tasks[1].dependencies[0] is 1"),
    "retries is negative": (change("tasks", 0, "retries", to=-1), "tasks[0].retries is -1; expected 0 or more"),
    "retries is text": (change("tasks", 0, "retries", to="3"), 'tasks[0].retries is "3"; expected an integer'),
    "retries is a boolean": (change("tasks", 0, "retries", to=True), "tasks[0].retries is true"),
    "timeout is zero": (change("tasks", 0, "timeout_seconds", to=0), "expected more than 0"),
    "timeout is text": (change("tasks", 0, "timeout_seconds", to="30"), "expected a number"),
    "created_at is missing": (drop("created_at"), "created_at is missing"),
    "created_at is a day": (change("created_at", to="2026-11-21"), "such as '2026-11-21T09:30:00Z'"),
    "created_at is local": (change("created_at", to="2026-11-21T09:30:00+01:00"), "a moment of UTC"),
    "created_at is a number": (change("created_at", to=315532800), "created_at is 315532800; expected text"),
}

# What only the models can refuse.
TOGETHER: dict[str, Case] = {
    "no such day": (change("created_at", to="2026-02-30T00:00:00Z"), "created_at is"),
    "no such hour": (change("created_at", to="2026-02-01T25:00:00Z"), "created_at is"),
    "specifier is a version": (change("python", "requires_python", to="3.11"), "such as '>=3.11'"),
    "retries is a float": (change("tasks", 0, "retries", to=1.0), "tasks[0].retries is 1.0; expected an integer"),
    "module is a keyword": (change("python", "entry_module", to="report.class"), "python.entry_module is"),
    "function is a keyword": (change("tasks", 0, "function", to="report:def"), "tasks[0].function is"),
    "build for no target": (
        change("package", "builds", 2, "platform", to="linux-arm64"),
        'package.builds[2].platform is "linux-arm64"; expected one of package.targets: "linux-x86_64", "macos-arm64"',
    ),
    "target without a build": (
        change("package", "targets", to=["linux-x86_64", "macos-arm64", "linux-arm64"]),
        'package.targets[2] is "linux-arm64", for which package.builds has no entry',
    ),
    "build repeats": (
        change("package", "builds", 1, "abi", to="cp311"),
        'package.builds has "linux-x86_64-cp311" 2 times; expected it once',
    ),
    "id repeats": (change("tasks", 1, "id", to="fetch"), 'tasks[1].id is "fetch", which is the id of tasks[0] already'),
    "dependency is unknown": (
        change("tasks", 1, "dependencies", to=["fetsh"]),
        'tasks[1].dependencies[0] is "fetsh", which no task has as its id; did you mean "fetch"?',
    ),
    "task needs itself": (change("tasks", 0, "dependencies", to=["fetch"]), "circle: fetch -> fetch (each"),
    "two tasks need each other": (change("tasks", 0, "dependencies", to=["validate"]), "fetch -> validate -> fetch"),
    "circle of three": (change("tasks", 0, "dependencies", to=["report"]), "fetch -> report -> validate -> fetch"),
}


@pytest.mark.parametrize("case", [*FIELDS, *TOGETHER])
def test_broken_manifest_is_refused_with_the_path_and_what_was_expected(case: str) -> None:
    apply, said = {**FIELDS, **TOGETHER}[case]
    changed = document()
    apply(changed)
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    assert said in caught.value.message


@pytest.mark.parametrize("case", FIELDS)
def test_schema_refuses_what_the_models_refuse_of_a_field(case: str) -> None:
    changed = document()
    FIELDS[case][0](changed)
    assert not SCHEMA.is_valid(changed)


@pytest.mark.parametrize("manifest", [PYTHON, RUST], ids=["python", "rust"])
def test_schema_accepts_what_is_written(manifest: Manifest) -> None:
    SCHEMA.validate(document(manifest))


def test_schema_accepts_nulls_and_unknown_fields_as_the_models_do() -> None:
    changed = document()
    changed |= {"rust": None, "signature": None, "x-note": [1]}
    changed["tasks"][1] |= {"description": None, "timeout_seconds": None}
    parse(changed)
    SCHEMA.validate(changed)


def test_schema_is_a_schema_with_every_field_described() -> None:
    schema = json.loads(render_schema())
    Draft202012Validator.check_schema(schema)
    fields = [*schema["properties"].items()]
    for definition in schema["$defs"].values():
        fields += definition["properties"].items()
    assert [name for name, field in fields if "$ref" not in field and not field.get("description")] == []


@pytest.mark.parametrize(
    ("library", "is_valid"),
    [
        ("lib/librust.so", True),
        ("librust.dylib", True),
        ("", False),
        ("/lib/librust.so", False),
        ("../librust.so", False),
        ("lib//librust.so", False),
        ("lib\\librust.dll", False),
        ("C:/librust.dll", False),
        ("lib/\u202eos.tsur", False),
        ("l" * 1025, False),
    ],
)
def test_library_of_a_rust_package_is_a_path_inside_of_it(library: str, is_valid: bool) -> None:
    changed = document(RUST)
    changed["rust"]["library_path"] = library
    if is_valid:
        assert parse(changed).rust == RustRuntime(library_path=library)
    else:
        with pytest.raises(InvalidManifest, match="library_path"):
            parse(changed)


def tasks_in_a_row(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"t{number}", "function": "report:t", "dependencies": [f"t{number - 1}"] if number else []}
        for number in range(count)
    ]


def test_of_many_wrong_dependencies_of_a_task_the_first_is_named() -> None:
    changed = document()
    changed["tasks"][1]["dependencies"] = [0] * 10_000
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    assert caught.value.message.startswith("manifest.json: tasks[1].dependencies[0] is 0; expected text.")


def test_a_long_circle_is_told_in_short() -> None:
    changed = document()
    changed["tasks"] = tasks_in_a_row(1_000)
    changed["tasks"][0]["dependencies"] = ["t999"]
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    assert "in a circle: t0 -> t999 -> t998 -> " in caught.value.message
    assert " -> 981 others -> t0 (each" in caught.value.message


def test_among_many_ids_the_nearest_is_not_looked_for() -> None:
    changed = document()
    changed["tasks"] = tasks_in_a_row(1_001)
    changed["tasks"][7]["dependencies"] = ["t6_"]
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    assert 'tasks[7].dependencies[0] is "t6_", which no task has as its id. ' in caught.value.message
    changed["tasks"] = changed["tasks"][:1_000]
    with pytest.raises(InvalidManifest, match='did you mean "t6'):
        parse(changed)


def test_every_problem_is_named_at_once() -> None:
    changed = document()
    changed["package"]["name"] = ""
    changed["tasks"][0]["retries"] = -1
    changed["tasks"][3]["id"] = 7
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    first, *problems, last = caught.value.message.splitlines()
    assert first == "manifest.json breaks 3 rules of its format:"
    assert [problem.split(" is ")[0] for problem in problems] == [
        "  package.name",
        "  tasks[0].retries",
        "  tasks[3].id",
    ]
    assert last == "Build the package again, or get it again from who built it"


def test_long_list_of_problems_is_cut() -> None:
    changed = document()
    changed["tasks"] = [{"id": "", "function": ""} for _ in range(100)]
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    lines = caught.value.message.splitlines()
    assert lines[0] == "manifest.json breaks 200 rules of its format:"
    assert lines[-2:] == ["  and 180 more", "Build the package again, or get it again from who built it"]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1", "an older version"),
        (1, "an older version"),
        (0, "an older version"),
        ("3", "a newer version"),
        ("2.1", "a newer version"),
        (3, "a newer version"),
        ("9" * 5000, "a newer version"),
        (2, "another program"),
        (True, "another program"),
        ("two", "another program"),
        ("٣", "another program"),
        (" 2", "another program"),
        ([], "another program"),
        ({"major": 2}, "another program"),
        (2.0, "another program"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_other_versions_are_not_supported(version: object, said: str) -> None:
    with pytest.raises(UnsupportedManifest) as caught:
        parse({**document(), "format_version": version})
    assert said in caught.value.message
    assert 'expected "2"' in caught.value.message
    assert len(caught.value.message) < 300


def test_manifest_without_a_version_is_an_old_one() -> None:
    changed = document()
    del changed["format_version"]
    with pytest.raises(UnsupportedManifest, match=r"format_version is missing.*an older version"):
        parse(changed)


@pytest.mark.parametrize("foreign", [{}, {"name": "left-pad", "version": "1.0.0", "scripts": {}}, {"tasks": []}])
def test_json_of_another_program_is_not_supported(foreign: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedManifest, match="is not the manifest of a workflow package"):
        parse(foreign)


def test_control_characters_never_reach_a_message() -> None:
    changed = document()
    changed["tasks"][0]["id"] = "\x1b[31mred\u202e"
    with pytest.raises(InvalidManifest) as caught:
        parse(changed)
    assert "\x1b" not in caught.value.message
    assert "\u202e" not in caught.value.message


def test_many_unknown_dependencies_are_refused_in_linear_time() -> None:
    changed = document()
    changed["tasks"] = [
        {"id": f"task{number}", "function": "m:f", "dependencies": [f"none{number}"]} for number in range(3_000)
    ]
    with pytest.raises(InvalidManifest, match="breaks 3000 rules"):
        parse(changed)


def test_long_chain_of_tasks_is_valid() -> None:
    changed = document()
    changed["tasks"] = [
        {"id": f"task{number}", "function": "m:f", "dependencies": [f"task{number - 1}"] if number else []}
        for number in range(5_000)
    ]
    assert len(parse(changed).tasks) == 5_000
