"""Writing a package again with more signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import ArchiveLimitExceeded, UnpackableFile, UnsafeArchive
from cloacina.packaging.archive.atomic_file import replacing_file
from cloacina.packaging.archive.contents import describe_member
from cloacina.packaging.archive.layout import is_signature_path
from cloacina.packaging.archive.opening import open_package
from cloacina.packaging.archive.packing import PackedStream
from cloacina.packaging.archive.replaying import replay
from cloacina.packaging.archive.signatures import check_signature_files
from cloacina.packaging.archive.writing import archive_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloacina.packaging.archive.contents import ContentsEntry, Member
    from cloacina.packaging.archive.package import Package


def rewrite_archive(
    package: Package,
    output: Path,
    *,
    add: Sequence[Member],
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Write a package again, with the same content and fingerprint, and with more signatures.

    Args:
        package: The package as it was read. Its file is read again, and must not have changed.
        output: The file to write or replace, which may be the package's own; its folder must exist.
        add: Files in signatures/. One whose path the package has already takes the place of that one.
        on_bytes: Called with how many more bytes of the unpacked archive were written.

    Raises:
        UnpackableFile: A file to add is no signature, or the signatures are too many or too large.
        PackageTampered: The package's file is not the one that was read.
        PackageNotReadable: It is not there any more.
        OutputNotWritable: The output cannot be written; a file that was there before is untouched.
    """
    added = {member.path: member for member in add}
    for path in added:
        if not is_signature_path(path):
            raise UnpackableFile(f"{path} is no signature. Only files such as signatures/key.sshsig can be added.")
    kept = [entry for entry in package.members if entry.path not in added]
    entries = sorted(
        (*kept, *(describe_member(member) for member in added.values())), key=lambda entry: archive_order(entry.path)
    )
    try:
        check_signature_files(entry for entry in entries if is_signature_path(entry.path))
    except (UnsafeArchive, ArchiveLimitExceeded) as problem:
        raise UnpackableFile(problem.message) from problem
    with replacing_file(output) as file, open_package(package.path) as opened:
        stream = PackedStream(file, entries, mtime=package.mtime, on_bytes=on_bytes)
        waiting = [entry for entry in entries if entry.path in added]
        for entry, body in replay(package, opened):
            waiting = _add_those_before(entry, waiting, added, stream)
            if entry.path not in added:
                stream.add(entry, body)
        for entry in waiting:
            stream.add(entry, added[entry.path].chunks())
        stream.finish()


def _add_those_before(
    entry: ContentsEntry, waiting: list[ContentsEntry], added: dict[str, Member], stream: PackedStream
) -> list[ContentsEntry]:
    """Write the added files that come before or in place of one that is there, and return those that come later."""
    while waiting and archive_order(waiting[0].path) <= archive_order(entry.path):
        first, *waiting = waiting
        stream.add(first, added[first.path].chunks())
    return waiting
