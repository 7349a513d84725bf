"""What is in a package, as data: everything that `cloacina inspect` shows, and `--json` writes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

from pydantic import BaseModel, FailFast, ValidationError

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive, InvalidManifest
from cloacina.packaging.attestations.sbom import FILE_NAME as SBOM, TARGET_PROPERTY
from cloacina.packaging.manifest.strict_json import read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloacina.packaging.archive import ContentsEntry, Package
    from cloacina.packaging.manifest.models import Manifest, TaskEntry
    from cloacina.packaging.signing import SignatureReport

    Json: TypeAlias = dict[str, Any]

_NOT_LOOKED_AT = "it was not looked at"
_LARGEST_BILL = 8 * 1024 * 1024
_MOST_COMPONENTS = 20_000


@dataclass(frozen=True, slots=True)
class InspectedTask:
    """A task of the package.

    Attributes:
        id: Its id.
        function: Where its function is, such as ``report.tasks:fetch``.
        dependencies: The ids of the tasks that have to be completed before, each once.
        level: How many tasks are before it on the longest way; 0 for one without dependencies.
        description: What it is for.
        retries: How often it is attempted again after a failure.
        timeout_seconds: For how many seconds one attempt may hold a slot.
    """

    id: str
    function: str
    dependencies: tuple[str, ...]
    level: int
    description: str | None
    retries: int
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class InspectedTarget:
    """A target of the package.

    Attributes:
        name: Its name, such as ``linux-x86_64-cp311``; that of the platform if the package does not name a Python.
        platform: The platform.
        abi: The tag of the Python, such as ``cp311``.
        floor: The oldest system library or system that its wheels may need.
        own_size: The bytes of the vendored files that only this target has.
        installed_size: The bytes that a worker on this target needs: the source, the shared files and its own.
    """

    name: str
    platform: str
    abi: str | None
    floor: str | None
    own_size: int
    installed_size: int


@dataclass(frozen=True, slots=True)
class InspectedWheel:
    """A wheel that was installed into the package.

    Attributes:
        file_name: Its file name.
        sha256: Its digest.
        targets: The names of the targets that it was installed for.
    """

    file_name: str
    sha256: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectedDependency:
    """A dependency of the package, of one version.

    Attributes:
        name: Its name.
        version: Its version.
        license: Its licence as SPDX writes it, or None if it is not known.
        targets: The names of the targets that have it.
        wheels: The wheels that it was installed from.
    """

    name: str
    version: str
    license: str | None
    targets: tuple[str, ...]
    wheels: tuple[InspectedWheel, ...]


@dataclass(frozen=True, slots=True)
class InspectedSignature:
    """A signature of the package.

    Attributes:
        file: Its file in the package.
        status: ``trusted``, ``unknown``, ``expired``, ``invalid`` or ``unchecked``, as in `SignatureReport`.
        signer: The principal that the file of allowed signers gives for the key.
        key_type: The type of its key, such as ``ssh-ed25519``.
        key_fingerprint: ``SHA256:…``, as `ssh-keygen -l` shows it.
        message: Why it has this status.
    """

    file: str
    status: str
    signer: str | None
    key_type: str | None
    key_fingerprint: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a package.

    Attributes:
        file: The path of the file.
        name: The package's name.
        version: The package's version.
        description: What it is for.
        fingerprint: Its identity: 64 hexadecimal digits.
        created_at: When it was built, as it says of itself: RFC 3339 in UTC.
        language: ``python`` or ``rust``.
        requires_python: The versions of Python that its project supports; None for a Rust package.
        entry_module: The module whose import declares its tasks; None for a Rust package.
        library_path: The path of its library; None for a Python package.
        tasks: Its tasks, in the order of their declaration.
        targets: Its targets, in the order of the manifest.
        workflow_size: The bytes of the project's source in it.
        shared_size: The bytes of the vendored files that all targets share.
        dependencies: What was vendored, by name and version.
        signatures: Its signatures.
        compression: How it is packed: ``zstd`` or ``gzip``.
        packed_size: The bytes of the file.
        unpacked_size: The bytes of the tar stream in it.
        file_count: How many files are in it, without its manifest, CONTENTS and signatures.
    """

    file: str
    name: str
    version: str
    description: str | None
    fingerprint: str
    created_at: str
    language: str
    requires_python: str | None
    entry_module: str | None
    library_path: str | None
    tasks: tuple[InspectedTask, ...]
    targets: tuple[InspectedTarget, ...]
    workflow_size: int
    shared_size: int
    dependencies: tuple[InspectedDependency, ...]
    signatures: tuple[InspectedSignature, ...]
    compression: str
    packed_size: int
    unpacked_size: int
    file_count: int

    def to_json(self) -> Json:
        """Return the inspection as a JSON object: the attributes of these classes under their names."""
        return asdict(self)


def inspect_package(package: Package, signatures: Sequence[SignatureReport] | None = None) -> Inspection:
    """Return what is in a package.

    Args:
        package: What `read_package` returned.
        signatures: What `check_signatures` or `report_signatures` returned for it; by default each signature of the
            package is named as unchecked.

    Raises:
        InvalidArchive: The bill of materials in the package is none.
        ArchiveLimitExceeded: It is too large to be shown.
    """
    manifest = package.manifest
    about = manifest.package
    sizes = _sizes(package.contents)
    workflow, shared = sizes["workflow"], sizes["vendor/any"]
    return Inspection(
        file=str(package.path),
        name=about.name,
        version=about.version,
        description=about.description,
        fingerprint=package.fingerprint,
        created_at=manifest.created_at,
        language=manifest.language,
        requires_python=manifest.python.requires_python if manifest.python else None,
        entry_module=manifest.python.entry_module if manifest.python else None,
        library_path=manifest.rust.library_path if manifest.rust else None,
        tasks=_tasks(manifest.tasks),
        targets=tuple(_targets(manifest, sizes)),
        workflow_size=workflow,
        shared_size=shared,
        dependencies=_dependencies(package.texts),
        signatures=tuple(_signatures(package, signatures)),
        compression=package.compression,
        packed_size=package.packed_size,
        unpacked_size=package.unpacked_size,
        file_count=len(package.contents),
    )


def _sizes(contents: Iterable[ContentsEntry]) -> Mapping[str, int]:
    """Return the bytes of each root, and of each folder in vendor/."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for entry in contents:
        root, _, rest = entry.path.partition("/")
        sizes[f"{root}/{rest.partition('/')[0]}" if root == "vendor" else root] += entry.size
    return sizes


def _targets(manifest: Manifest, sizes: Mapping[str, int]) -> Iterable[InspectedTarget]:
    for_all = sizes["workflow"] + sizes["vendor/any"]
    for build in manifest.package.builds or ():
        name = f"{build.platform}-{build.abi}"
        own = sizes[f"vendor/{name}"]
        yield InspectedTarget(name, build.platform, build.abi, build.floor, own, for_all + own)
    if manifest.package.builds is None:
        for platform in manifest.package.targets:
            yield InspectedTarget(platform, platform, None, None, 0, for_all)


def _tasks(entries: Sequence[TaskEntry]) -> tuple[InspectedTask, ...]:
    levels = _levels({entry.id: entry.dependencies for entry in entries})
    return tuple(
        InspectedTask(
            entry.id,
            entry.function,
            tuple(dict.fromkeys(entry.dependencies)),
            levels[entry.id],
            entry.description,
            entry.retries,
            entry.timeout_seconds,
        )
        for entry in entries
    )


def _levels(dependencies: Mapping[str, Sequence[str]]) -> dict[str, int]:
    from graphlib import TopologicalSorter  # noqa: PLC0415 - only here

    levels: dict[str, int] = {}
    for task in TopologicalSorter(dependencies).static_order():
        levels[task] = max((levels[dependency] + 1 for dependency in dependencies[task]), default=0)
    return levels


class _License(BaseModel):
    expression: str | None = None


class _Hash(BaseModel):
    alg: str
    content: str


class _Property(BaseModel):
    name: str
    value: str | None = None


class _Component(BaseModel):
    name: str
    version: str = ""
    purl: str = ""
    hashes: Annotated[tuple[_Hash, ...], FailFast()] = ()
    licenses: Annotated[tuple[_License, ...], FailFast()] = ()
    properties: Annotated[tuple[_Property, ...], FailFast()] = ()

    def license(self) -> str | None:
        return next((each.expression for each in self.licenses if each.expression), None)

    def wheel(self) -> InspectedWheel:
        from urllib.parse import parse_qs, urlsplit  # noqa: PLC0415 - only here

        file_names = parse_qs(urlsplit(self.purl).query).get("file_name", [""])
        sha256 = next((each.content for each in self.hashes if each.alg == "SHA-256"), None)
        targets = (each.value for each in self.properties if each.name == TARGET_PROPERTY and each.value)
        return InspectedWheel(file_names[0], sha256, tuple(sorted(targets)))


class _Bill(BaseModel):
    components: Annotated[tuple[_Component, ...], FailFast()] = ()


def _counted(document: Json) -> Json:
    """Return a bill of materials, if it lists no more than a person could read; each entry costs a kilobyte or two."""
    components: object = document.get("components")
    count = len(cast("list[object]", components)) if isinstance(components, list) else 0
    if count > _MOST_COMPONENTS:
        raise ArchiveLimitExceeded(
            f"{SBOM} lists {count:,} components; to be shown it may list {_MOST_COMPONENTS:,}. Extract the package to"
            " look into it"
        )
    return document


def _dependencies(texts: Mapping[str, bytes]) -> tuple[InspectedDependency, ...]:
    if SBOM not in texts:
        return ()
    if len(texts[SBOM]) > _LARGEST_BILL:
        raise ArchiveLimitExceeded(
            f"{SBOM} has {len(texts[SBOM]):,} bytes; to be shown it may have {_LARGEST_BILL:,}. Extract the package to"
            " look into it"
        )
    try:
        bill = _Bill.model_validate(_counted(read_object(texts[SBOM], SBOM)))
        wheels: defaultdict[tuple[str, str], list[tuple[str | None, InspectedWheel]]] = defaultdict(list)
        for component in bill.components:
            wheels[component.name, component.version].append((component.license(), component.wheel()))
    except InvalidManifest as error:
        raise InvalidArchive(error.message) from None
    except (ValidationError, ValueError) as error:
        raise InvalidArchive(
            f"{SBOM} is not a bill of materials as `cloacina build` writes it. Build the package again"
        ) from error
    return tuple(
        InspectedDependency(
            name,
            version,
            next((expression for expression, _ in used if expression), None),
            tuple(sorted({target for _, wheel in used for target in wheel.targets})),
            tuple(sorted((wheel for _, wheel in used), key=lambda wheel: wheel.file_name)),
        )
        for (name, version), used in sorted(wheels.items(), key=lambda item: (item[0][0].casefold(), item[0]))
    )


def _signatures(package: Package, reports: Sequence[SignatureReport] | None) -> Iterable[InspectedSignature]:
    if reports is None:
        for member in package.signatures:
            yield InspectedSignature(member.path, "unchecked", None, None, None, _NOT_LOOKED_AT)
        return
    for report in reports:
        yield InspectedSignature(
            report.file, report.status, report.signer, report.key_type, report.key_fingerprint, report.message
        )
