"""Writing a package: the same bytes for the same content, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive, UnpackableFile, UnsafeArchive
from cloacina.packaging.archive.atomic_file import replacing_file
from cloacina.packaging.archive.contents import describe_member, parse_contents, path_order
from cloacina.packaging.archive.identity import check_contents_hash, check_fingerprint, check_time
from cloacina.packaging.archive.layout import CONTENTS, FRAME, MANIFEST, check_layout, is_signature_path
from cloacina.packaging.archive.packing import PackedStream
from cloacina.packaging.archive.signatures import check_signature_files
from cloacina.packaging.manifest.models import manifest_of, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cloacina.packaging.archive.contents import ContentsEntry, Member


def write_archive(
    output: Path,
    members: Iterable[Member],
    *,
    mtime: int,
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Write a package.

    The bytes depend on the members and on the version of zstd only: not on their order here, the time, the machine or
    the folder. What is written can be read by `read_package`; what could not is refused. The file takes the place of
    `output` in one step at the end; whatever else happens, a file that was there before is untouched.

    Args:
        output: The file to write or replace; its folder must exist.
        members: All files of the package, the manifest, CONTENTS and signatures included.
        mtime: The time of all files, in seconds since 1970: that of the manifest's `created_at`.
        on_bytes: Called with how many more bytes of the unpacked archive were written.

    Raises:
        UnpackableFile: A file cannot be in a package, cannot be read, or is not what CONTENTS says - such as one that
            was changed after CONTENTS was made.
        InvalidManifest: The manifest breaks the rules of its format.
        PackageTampered: The manifest's hashes are not those of CONTENTS or of itself.
        InvalidArchive: A file that each package has is missing.
        OutputNotWritable: The file cannot be written.
    """
    by_path: dict[str, Member] = {}
    for member in members:
        if member.path in by_path:
            raise UnpackableFile(f"{member.path} is given twice. Each file of a package is there once.")
        by_path[member.path] = member
    try:
        entries = _ordered_entries(by_path, mtime)
    except (UnsafeArchive, ArchiveLimitExceeded) as problem:
        # Those speak to who gets a package; here it is who makes it that has to mend something.
        raise UnpackableFile(problem.message) from problem
    with replacing_file(output) as file:
        stream = PackedStream(file, entries, mtime=mtime, on_bytes=on_bytes)
        for entry in entries:
            stream.add(entry, _chunks_of(by_path[entry.path]))
        stream.finish()


def archive_order(path: str) -> tuple[bool, bytes]:
    """Return what files of an archive are sorted by: the manifest first, then by the bytes of their paths."""
    return path != MANIFEST, path_order(path)


def _ordered_entries(by_path: dict[str, Member], mtime: int) -> list[ContentsEntry]:
    """Return what is to be written, checked as a reader checks it."""
    for path in FRAME:
        if path not in by_path:
            raise InvalidArchive(f"The package has no {path}; each package has.")
    raw_manifest = b"".join(_chunks_of(by_path[MANIFEST]))
    raw_contents = b"".join(_chunks_of(by_path[CONTENTS]))
    document = read_document(raw_manifest)
    manifest = manifest_of(document)
    check_fingerprint(manifest, document)
    check_contents_hash(manifest, raw_contents)
    check_time(manifest, mtime)
    listed = parse_contents(raw_contents)
    check_layout(manifest, listed)

    unlisted = by_path.keys() - {entry.path for entry in listed}
    frame = [describe_member(by_path[path]) for path in unlisted if path in FRAME]
    signatures = [describe_member(by_path[path]) for path in unlisted if is_signature_path(path)]
    check_signature_files(signatures)
    if extra := sorted(unlisted - {entry.path for entry in (*frame, *signatures)}):
        raise UnpackableFile(f"{extra[0]} is not listed in CONTENTS. All files but signatures are.")
    for entry in listed:
        if entry.path not in by_path:
            raise UnpackableFile(f"{entry.path} is listed in CONTENTS, and is not among the files to pack.")
        if entry.mode != by_path[entry.path].mode:
            raise UnpackableFile(f"{entry.path} is listed in CONTENTS with another mode than it is packed with.")
    for entry in frame:
        if entry.size > FRAME[entry.path]:
            raise UnpackableFile(f"{entry.path} has {entry.size:,} bytes; it may have {FRAME[entry.path]:,}.")
        if entry.mode != 0o644:  # noqa: PLR2004 - the octal number is the clearest name of a mode
            raise UnpackableFile(f"{entry.path} has the mode {entry.mode:04o}; expected 0644.")
    return sorted((*frame, *signatures, *listed), key=lambda entry: archive_order(entry.path))


def _chunks_of(member: Member) -> Iterator[bytes]:
    try:
        yield from member.chunks()
    except OSError as problem:
        raise UnpackableFile(f"{member.path} cannot be read: {problem.strerror or problem}.") from problem
