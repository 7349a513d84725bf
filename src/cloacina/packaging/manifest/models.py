"""The manifest of a package, version 2: what is in `manifest.json`, read and written.

The models hold what each field may be. What fields must be together - known dependencies, no cycle, a runtime for the
language - is in `cloacina.packaging.manifest.rules`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, Strict, ValidationError, field_serializer
from pydantic_core import PydanticCustomError

from cloacina.errors import InvalidManifest, UnsupportedManifest
from cloacina.packaging.manifest.fields import (
    Abi,
    Fingerprint,
    FunctionPath,
    ModuleName,
    Moment,
    PackageName,
    PackageVersion,
    PlatformName,
    PythonSpecifier,
    RelativePath,
    Sha256,
    TaskId,
)
from cloacina.packaging.manifest.rules import broken_rules
from cloacina.packaging.manifest.strict_json import MAXIMUM_INTEGER, read_object, show
from cloacina.packaging.targets import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

FORMAT_VERSION: Final = "2"
"""The version of the manifest that this Cloacina writes and reads."""

FILE_NAME: Final = "manifest.json"
"""The name of the manifest in a package."""

MAXIMUM_TASKS: Final = 10_000
"""How many tasks a package may have, and how many dependencies each."""

_MAXIMUM_BUILDS: Final = 100
_SHOWN_KEYS: Final = 5
_SHOWN_PROBLEMS: Final = 20
_MEND: Final = "Build the package again, or get it again from who built it"

_ItemT = TypeVar("_ItemT")
# Strict models refuse a list where a tuple is declared; JSON knows no other sequence.
_Array: TypeAlias = Annotated[tuple[_ItemT, ...], Strict(False)]


def _at_most(maximum: int) -> BeforeValidator:
    """Return what refuses a longer array before its entries are looked at, each of which may be wrong in many ways."""

    def check(value: object) -> object:
        if (count := _entries_in(value)) > maximum:
            raise PydanticCustomError(
                "text",
                "has {count} entries; expected {maximum} or fewer",
                {"count": f"{count:,}", "maximum": f"{maximum:,}"},
            )
        return value

    return BeforeValidator(check)


def _entries_in(value: object) -> int:
    return len(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else 0


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)


class Build(_Model):
    """What the package holds for one platform and one Python."""

    platform: PlatformName
    """The platform, one of those in `targets`."""

    abi: Abi
    """The Python that compiled modules are for, such as `cp311`; they load on no other."""

    floor: str | None = None
    """The oldest system library or system that the packed wheels may need, such as `glibc 2.28`."""


class PackageInfo(_Model):
    """What the package is."""

    name: PackageName
    """The package's name, part of its file's name."""

    version: PackageVersion
    """The package's version, part of its file's name."""

    description: str | None = None
    """What the package is for."""

    fingerprint: Fingerprint = ""
    """The package's identity: SHA-256 of this manifest as RFC 8785 JSON, without this field and without `signature`."""

    targets: Annotated[
        _Array[PlatformName],
        Field(min_length=1, json_schema_extra={"maxItems": len(PLATFORMS), "uniqueItems": True}),
        _at_most(len(PLATFORMS)),
    ]
    """The platforms that the package runs on."""

    contents_sha256: Sha256 | None = None
    """SHA-256 of the file `CONTENTS`, which names every file of the package with its own SHA-256."""

    builds: (
        Annotated[
            _Array[Build],
            Field(min_length=1, json_schema_extra={"maxItems": _MAXIMUM_BUILDS}),
            _at_most(_MAXIMUM_BUILDS),
        ]
        | None
    ) = None
    """What the package holds for each platform and Python."""


class PythonRuntime(_Model):
    """What a Python package needs to run."""

    requires_python: PythonSpecifier
    """The versions of Python that the project supports."""

    entry_module: ModuleName
    """The module whose import declares all tasks."""


class RustRuntime(_Model):
    """What a Rust package needs to run."""

    library_path: RelativePath
    """The path of the compiled library in the package."""


class TaskEntry(_Model):
    """One task of the workflow."""

    id: TaskId
    """The task's id, unique in the package."""

    function: FunctionPath
    """The function to call: `module.path:name` in a Python package, a symbol of the library in a Rust package."""

    # One wrong entry tells enough of a task: a manifest may be made to hold millions, and each costs a kilobyte.
    dependencies: Annotated[
        _Array[TaskId],
        FailFast(),
        Field(json_schema_extra={"maxItems": MAXIMUM_TASKS}),
        _at_most(MAXIMUM_TASKS),
    ] = ()
    """The ids of the tasks that have to be completed before."""

    description: str | None = None
    """What the task is for."""

    retries: Annotated[int, Field(ge=0, le=MAXIMUM_INTEGER)] = 0
    """How often the task is attempted again after a failure."""

    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """For how many seconds one attempt may hold a slot."""

    @field_serializer("timeout_seconds")
    def _as_short_number(self, seconds: float | None) -> int | float | None:
        # 30 and 30.0 are one number, but readers that expect an integer take the first only.
        if seconds is None or not seconds.is_integer() or seconds > MAXIMUM_INTEGER:
            return seconds
        return int(seconds)


class Manifest(_Model):
    """The manifest of a workflow package, version 2.

    Fields that this version does not know are kept, and count in the fingerprint.

    Example:
        ```python
        from cloacina.packaging.manifest.models import Manifest, PackageInfo, PythonRuntime, TaskEntry, render_manifest

        manifest = Manifest(
            package=PackageInfo(name="report", version="1.0.0", targets=("linux-x86_64",)),
            language="python",
            python=PythonRuntime(requires_python=">=3.11", entry_module="report.tasks"),
            tasks=(TaskEntry(id="fetch", function="report.tasks:fetch"),),
        )
        print(render_manifest(manifest).decode().splitlines()[1])
        #>   "format_version": "2",
        ```
    """

    format_version: Literal["2"] = FORMAT_VERSION
    """The version of this format."""

    package: PackageInfo
    """What the package is."""

    language: Literal["python", "rust"]
    """The language that the workflow is written in."""

    python: PythonRuntime | None = None
    """What a Python package needs to run; there exactly if `language` is `python`."""

    rust: RustRuntime | None = None
    """What a Rust package needs to run; there exactly if `language` is `rust`."""

    tasks: Annotated[
        _Array[TaskEntry],
        Field(min_length=1, json_schema_extra={"maxItems": MAXIMUM_TASKS}),
        _at_most(MAXIMUM_TASKS),
    ]
    """The tasks of the workflow, in the order of their declaration."""

    created_at: Moment = "1980-01-01T00:00:00Z"
    """When the package was built, as `SOURCE_DATE_EPOCH` says; 1980-01-01T00:00:00Z if that is not set."""

    signature: Any = None
    """Kept for packages of other programs. Signatures are files in `signatures/`."""


def read_document(data: bytes) -> dict[str, Any]:
    """Return the JSON of a manifest as it stands in the file, which is what the fingerprint is taken of.

    Args:
        data: The bytes of `manifest.json`.

    Raises:
        InvalidManifest: The file is not JSON that has one meaning for every reader; see `strict_json`.
    """
    return read_object(data, FILE_NAME)


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest that a file holds, checked.

    Args:
        data: The bytes of `manifest.json`.

    Raises:
        UnsupportedManifest: The manifest is of another version, or the file is of another program.
        InvalidManifest: The file is not JSON, or breaks rules of the format; the message names all of them.
    """
    return manifest_of(read_document(data))


def manifest_of(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest of a JSON document, checked.

    Args:
        document: What `read_document` returned.

    Raises:
        UnsupportedManifest: The manifest is of another version, or the document is of another program.
        InvalidManifest: The document breaks rules of the format; the message names all of them.
    """
    _check_version(document)
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # Pydantic calls an array too short as well whose entries are all wrong.
        raise _invalid(
            [_problem(each) for each in details if each["type"] != "too_short" or not each["input"]]
        ) from None
    # Both have a default for a manifest that is being made.
    made = {"package.fingerprint": manifest.package.fingerprint, "created_at": document.get("created_at")}
    if missing := [f"{path} is missing" for path, value in made.items() if not value]:
        raise _invalid(missing)
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Check what fields of a manifest must be together.

    Raises:
        InvalidManifest: Rules are broken; the message names all of them.
    """
    if problems := broken_rules(manifest):
        raise _invalid(problems)


def render_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of `manifest.json`: indented JSON with the fields in the order of the models, without nulls."""
    document = manifest.model_dump(mode="json", exclude_none=True)
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("format_version")
    if version == FORMAT_VERSION:
        return
    if version is None and not {"package", "tasks"} <= document.keys():
        keys = ", ".join(show(key) for key in list(document)[:_SHOWN_KEYS]) or "none at all"
        raise UnsupportedManifest(
            f"{FILE_NAME} is not the manifest of a workflow package: it has no format_version, and its keys are {keys}."
            " Use a file that `cloacina build` wrote"
        )
    is_number = isinstance(version, int) and not isinstance(version, bool)
    text = str(version) if is_number or isinstance(version, str) else ""
    if version is None or text in {"0", "1"}:
        mend = "It was written by an older version: build the package again with this one"
    elif re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) and text != FORMAT_VERSION:
        mend = "It was written by a newer version: pip install --upgrade cloacina"
    else:
        mend = "It was written by another program: use a file that `cloacina build` wrote"
    found = "is missing" if version is None else f"is {show(version)}"
    raise UnsupportedManifest(f"{FILE_NAME}: format_version {found}; expected {show(FORMAT_VERSION)}. {mend}")


def _invalid(problems: Sequence[str]) -> InvalidManifest:
    if len(problems) == 1:
        return InvalidManifest(f"{FILE_NAME}: {problems[0]}. {_MEND}")
    shown = [f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > len(shown):
        shown.append(f"  and {len(problems) - len(shown)} more")
    lines = "\n".join(shown)
    return InvalidManifest(f"{FILE_NAME} breaks {len(problems)} rules of its format:\n{lines}\n{_MEND}")


_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "tuple_type": "an array",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "too_short": "one entry or more",
}


def _problem(detail: ErrorDetails) -> str:
    """Return one problem that pydantic found in the words of this library, with the path to it."""
    path = _path(detail["loc"])
    if detail["type"] == "missing":
        return f"{path} is missing"
    if detail["type"] == "text":
        return f"{path} {detail['msg']}"
    found = "is empty" if detail["type"] == "too_short" else f"is {show(detail['input'])}"
    expected = _EXPECTED.get(detail["type"])
    if expected is None:
        return f"{path} {found}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return f"{path} {found}; expected {expected.format(**detail.get('ctx', {}))}"


def _path(location: Sequence[str | int]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location]
    return "".join(steps).removeprefix(".")
