"""The first pass over a package: every header, every name, every hash, and nothing is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive, PackageTampered, UnsafeArchive
from cloacina.packaging.archive.contents import ContentsEntry, Member, parse_contents, path_order
from cloacina.packaging.archive.identity import GET_IT_AGAIN, check_contents_hash, check_fingerprint, check_time
from cloacina.packaging.archive.layout import CONTENTS, FRAME, MANIFEST, TEXTS, check_layout, is_signature_path
from cloacina.packaging.archive.limits import MAX_FILE_BYTES
from cloacina.packaging.archive.names import check_path
from cloacina.packaging.archive.signatures import check_signature_files
from cloacina.packaging.archive.tar_stream import TarStream, is_empty_block
from cloacina.packaging.archive.ustar import Header, fits_header, parse_header, render_header
from cloacina.packaging.manifest.models import manifest_of, read_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloacina.packaging.manifest.models import Manifest


@dataclass(frozen=True, slots=True)
class Scan:
    """What the first pass found; the attributes are those of `Package`."""

    manifest: Manifest
    document: Mapping[str, Any]
    contents: tuple[ContentsEntry, ...]
    signatures: tuple[Member, ...]
    texts: Mapping[str, bytes]
    members: tuple[ContentsEntry, ...]
    unpacked_size: int
    mtime: int


def scan(chunks: Iterator[bytes]) -> Scan:
    """Read the tar stream of a package from its beginning to its end, and check all of it.

    The manifest and CONTENTS come first and say what has to follow, so each further header is compared with the one
    that belongs there; only one that differs is taken apart, to say how.

    Args:
        chunks: The tar stream, from `unpack`.

    Raises:
        ArchiveError: The package is not valid; see `read_package`.
    """
    return _Scanner(TarStream(chunks)).scan()


class _Scanner:
    def __init__(self, stream: TarStream) -> None:
        self._stream = stream
        self._mtime = 0
        self._members: list[ContentsEntry] = []
        self._signatures: list[Member] = []
        self._texts: dict[str, bytes] = {}

    def scan(self) -> Scan:
        raw_manifest = self._read_frame(MANIFEST)
        document = read_document(raw_manifest)
        manifest = manifest_of(document)
        check_fingerprint(manifest, document)
        check_time(manifest, self._mtime)
        raw_contents = self._read_frame(CONTENTS)
        check_contents_hash(manifest, raw_contents)
        contents = parse_contents(raw_contents)
        _check_length(contents)
        check_layout(manifest, contents)
        for entry in contents:
            self._read_file(entry)
        self._read_end()
        return Scan(
            manifest=manifest,
            document=document,
            contents=contents,
            signatures=tuple(self._signatures),
            texts=self._texts,
            members=tuple(self._members),
            unpacked_size=self._stream.position,
            mtime=self._mtime,
        )

    def _read_frame(self, path: str) -> bytes:
        """Read one of the two files that say what the others are."""
        block = self._stream.next_block()
        if is_empty_block(block):
            raise InvalidArchive(f"The archive has no {path}; each package has.")
        header = parse_header(block)
        if header.path != path:
            check_path(header.path)
            raise InvalidArchive(f"The archive has {header.path!a} where {path} belongs. Each package begins with it.")
        if header.size > FRAME[path]:
            raise ArchiveLimitExceeded(f"{path} has {header.size:,} bytes; it may have {FRAME[path]:,}.")
        if path == MANIFEST:
            self._mtime = header.mtime
        self._check_frame_header(header)
        return self._read_into_memory(path, header.size)

    def _check_frame_header(self, header: Header) -> None:
        if header.mode != 0o644:  # noqa: PLR2004 - the octal number is the clearest name of a mode
            raise InvalidArchive(f"{header.path} has the mode {header.mode:04o}; expected 0644.")
        if header.mtime != self._mtime:
            raise InvalidArchive(
                f"{header.path!a} has the time {header.mtime}; expected {self._mtime}, which the first file has."
            )

    def _read_into_memory(self, path: str, size: int) -> bytes:
        data = b"".join(self._stream.body(size))
        self._members.append(ContentsEntry(hashlib.sha256(data).hexdigest(), size, 0o644, path))
        return data

    def _read_file(self, entry: ContentsEntry) -> None:
        """Read a file that CONTENTS lists, and the signatures that come before it."""
        expected = render_header(entry.path, entry.size, entry.mode, self._mtime)
        block = self._stream.next_block()
        while block != expected:
            self._read_signature(block, entry)
            block = self._stream.next_block()
        if entry.path in TEXTS:
            data = b"".join(self._stream.body(entry.size))
            self._texts[entry.path] = data
            found = hashlib.sha256(data).hexdigest()
        else:
            digest = hashlib.sha256()
            for piece in self._stream.body(entry.size):
                digest.update(piece)
            found = digest.hexdigest()
        if found != entry.sha256:
            raise PackageTampered(
                f"{entry.path!a} is not the file that was packed: its sha256 is {found}, and CONTENTS says"
                f" {entry.sha256}. {GET_IT_AGAIN}"
            )
        self._members.append(entry)

    def _read_signature(self, block: bytes, entry: ContentsEntry | None) -> None:
        """Read a signature; refuse everything else.

        Args:
            block: A header that is not the expected one.
            entry: The file that is expected; None if all were read.
        """
        if is_empty_block(block):
            what = entry.path if entry else "end"
            raise PackageTampered(f"CONTENTS lists {what!a}, and the archive ends without it. {GET_IT_AGAIN}")
        header = parse_header(block)
        check_path(header.path)
        if not is_signature_path(header.path):
            self._refuse(header, entry)
        self._check_order(header)
        if entry is not None and path_order(header.path) > path_order(entry.path):
            raise PackageTampered(f"CONTENTS lists {entry.path!a}, which is not in the archive. {GET_IT_AGAIN}")
        self._check_frame_header(header)
        described = ContentsEntry("", header.size, header.mode, header.path)
        check_signature_files(
            [*(ContentsEntry("", 0, member.mode, member.path) for member in self._signatures), described]
        )
        data = self._read_into_memory(header.path, header.size)
        self._signatures.append(Member(header.path, data))

    def _check_order(self, header: Header) -> None:
        previous = self._members[-1].path
        if any(header.path == member.path for member in self._members):
            raise UnsafeArchive(f"{header.path!a} is in the archive twice. Each path must be there once.")
        if path_order(header.path) < path_order(previous):
            raise InvalidArchive(f"{header.path!a} comes after {previous!a} in the archive, which is not sorted.")

    def _refuse(self, header: Header, entry: ContentsEntry | None) -> NoReturn:
        """Say what is wrong with a file that is not the expected one."""
        path = header.path
        if header.size > MAX_FILE_BYTES:
            raise ArchiveLimitExceeded(
                f"{path!a} has {header.size:,} bytes; a file in a package may have {MAX_FILE_BYTES:,}."
            )
        if entry is None or path != entry.path:
            self._check_order(header)
            if entry is not None and path_order(path) > path_order(entry.path):
                raise PackageTampered(
                    f"CONTENTS lists {entry.path!a}, and the archive has {path!a} in its place. {GET_IT_AGAIN}"
                )
            raise PackageTampered(f"{path!a} is in the archive, and CONTENTS does not list it. {GET_IT_AGAIN}")
        for what, found, listed in (
            ("size", header.size, entry.size),
            ("mode", f"{header.mode:04o}", f"{entry.mode:04o}"),
        ):
            if found != listed:
                raise PackageTampered(f"{path!a} has the {what} {found}, and CONTENTS says {listed}. {GET_IT_AGAIN}")
        raise InvalidArchive(f"{path!a} has the time {header.mtime}; expected {self._mtime}, which the first file has.")

    def _read_end(self) -> None:
        block = self._stream.next_block()
        while not is_empty_block(block):
            self._read_signature(block, None)
            block = self._stream.next_block()
        self._stream.read_end(block)


def _check_length(contents: Iterable[ContentsEntry]) -> None:
    """Refuse paths that no header holds, before they are compared: that takes the more memory the longer they are."""
    for entry in contents:
        check_path(entry.path)
        if not fits_header(entry.path):
            raise InvalidArchive(f"CONTENTS lists {entry.path!a}, a path for which a header of tar has no room.")
