"""Packages with paths that are refused: once listed in CONTENTS, and once smuggled in beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import GOOD_FILES, LINUX, MACOS, Entry, assert_refused, contents_line, make, read_bytes
from cloacina.errors import InvalidArchive, PackageTampered, UnsafeArchive

# Name of the case, path, and a word of the message.
UNSAFE_PATHS: list[tuple[str, bytes, str]] = [
    ("parent", b"../evil.py", "'..'"),
    ("parent-inside", b"workflow/../../evil.py", "'..'"),
    ("parent-at-end", b"workflow/..", "'..'"),
    ("absolute", b"/etc/cron.d/evil", "absolute"),
    ("absolute-twice", b"//server/share", "absolute"),
    ("this-folder", b"workflow/./a.py", "'.'"),
    ("empty-part", b"workflow//a.py", "empty part"),
    ("slash-at-end", b"workflow/a/", "empty part"),
    ("backslash", b"workflow\\..\\evil.py", "Windows"),
    ("drive", b"C:/evil.py", "Windows"),
    ("drive-inside", b"workflow/C:evil.py", "Windows"),
    ("stream", b"workflow/a.py:hidden", "Windows"),
    ("pipe", b"workflow/a|b", "Windows"),
    ("wildcard", b"workflow/a*", "Windows"),
    ("question", b"workflow/a?", "Windows"),
    ("less", b"workflow/<a", "Windows"),
    ("quote", b'workflow/"a"', "Windows"),
    ("dot-at-end", b"workflow/a.", "ends with a dot"),
    ("dot-at-end-of-folder", b"workflow/a./b", "ends with a dot"),
    ("three-dots", b"workflow/.../b", "ends with a dot"),
    ("space-at-end", b"workflow/a ", "ends with a space"),
    ("space-only", b"workflow/ /b", "ends with a space"),
    ("next-line", "workflow/a\x85b".encode(), "control"),
    ("right-to-left", "workflow/a\u202egpj.py".encode(), "direction"),
    ("isolate", "workflow/a\u2066b".encode(), "direction"),
    ("zero-width-joiner", "workflow/a\u200db".encode(), "invisible"),
    ("zero-width-space", "workflow/a\u200bb".encode(), "invisible"),
    ("byte-order-mark", "workflow/\ufeffa".encode(), "invisible"),
    ("soft-hyphen", "workflow/a\xadb".encode(), "invisible"),
    ("line-separator", "workflow/a\u2028b".encode(), "line separator"),
    ("paragraph-separator", "workflow/a\u2029b".encode(), "paragraph separator"),
    ("private-use", "workflow/a\ue000".encode(), "private use"),
    ("undefined", "workflow/a\u0378".encode(), "does not define"),
    ("noncharacter", "workflow/a\uffff".encode(), "does not define"),
    ("decomposed", "workflow/cafe\u0301".encode(), "NFC"),
    ("kelvin", "workflow/\u212a".encode(), "NFC"),
    ("fullwidth-slash", "workflow/a\uff0f..\uff0fb".encode(), "take for"),
    ("two-dot-leader", "workflow/\u2025/b".encode(), "take for"),
    ("account-of", "workflow/\u2100".encode(), "take for"),
    ("device", b"workflow/CON", "device"),
    ("device-with-suffix", b"workflow/nul.txt", "device"),
    ("device-with-suffixes", b"workflow/LPT9.tar.gz", "device"),
    ("device-folder", b"workflow/aux/b.py", "device"),
    ("device-space", b"workflow/prn .py", "device"),
    ("device-superscript", "workflow/COM\xb9".encode(), "device"),
    ("device-superscript-three", "workflow/com\xb3.log".encode(), "device"),
    ("device-fullwidth", "workflow/\uff23\uff2f\uff2e".encode(), "device"),
    ("device-console-input", b"workflow/CONIN$", "device"),
    ("too-deep", b"workflow/" + b"d/" * 31 + b"f", "33 parts"),
    ("unknown-root", b"evil.txt", "outside"),
    ("unknown-folder", b"bin/run", "outside"),
    ("root-in-upper-case", b"Workflow/a.py", "outside"),
    ("hidden-root", b".workflow/a.py", "outside"),
    ("root-as-file", b"workflow", "outside"),
    ("vendor-as-file", b"vendor", "outside"),
]
# Listed in CONTENTS only: what comes after the first check on the path itself.
UNSAFE_FILES: list[tuple[str, dict[str, bytes], str]] = [
    ("no-target", {"vendor/numpy.py": b""}, "no target"),
    ("other-target", {"vendor/linux-x86_64-cp399/a.py": b""}, "no target"),
    ("target-in-upper-case", {"vendor/LINUX-x86_64-cp311/a.py": b""}, "no target"),
    ("any-as-file", {"vendor/any": b""}, "no target"),
    ("target-as-file", {f"vendor/{LINUX}": b""}, "no target"),
    ("byte-code", {"workflow/report/old.pyc": b""}, "byte code"),
    ("byte-code-cached", {"workflow/report/__pycache__/a.cpython-311.pyc": b""}, "byte code"),
    ("byte-code-vendored", {"vendor/any/numpy/a.pyo": b""}, "byte code"),
    ("byte-code-in-upper-case", {"workflow/report/A.PYC": b""}, "byte code"),
    ("pth", {"workflow/start.pth": b"import os"}, "Python runs"),
    ("pth-vendored", {"vendor/any/start.pth": b"import os"}, "Python runs"),
    ("pth-of-target", {f"vendor/{LINUX}/start.PTH": b"import os"}, "Python runs"),
    ("sitecustomize", {"workflow/sitecustomize.py": b""}, "Python runs"),
    ("sitecustomize-package", {"vendor/any/sitecustomize/__init__.py": b""}, "Python runs"),
    ("sitecustomize-compiled", {f"vendor/{LINUX}/sitecustomize.cpython-311-x86_64-linux-gnu.so": b""}, "Python runs"),
    ("usercustomize", {"workflow/UserCustomize.py": b""}, "Python runs"),
    ("standard-module", {"workflow/json.py": b""}, "standard library"),
    ("standard-package", {"workflow/asyncio/__init__.py": b""}, "standard library"),
    ("standard-package-without-init", {"workflow/email/a.py": b""}, "standard library"),
    ("standard-vendored", {"vendor/any/dataclasses.py": b""}, "standard library"),
    ("standard-compiled", {f"vendor/{LINUX}/random.cpython-311-x86_64-linux-gnu.so": b""}, "standard library"),
    ("standard-stable-abi", {f"vendor/{LINUX}/_abc.abi3.so": b""}, "standard library"),
    ("standard-windows", {f"vendor/{MACOS}/ssl.pyd": b""}, "standard library"),
    ("standard-in-upper-case", {"workflow/JSON.py": b""}, "standard library"),
    ("standard-until-3.11", {"workflow/asyncore.py": b""}, "standard library"),
    ("cloacina-module", {"workflow/cloacina.py": b""}, "hides cloacina"),
    ("cloacina-package", {"vendor/any/cloacina/__init__.py": b""}, "hides cloacina"),
    ("cloacina-compiled", {f"vendor/{LINUX}/Cloacina.abi3.so": b""}, "hides cloacina"),
    ("case", {"workflow/report/Tasks.py": b""}, "one file on some systems"),
    ("case-of-folder", {"workflow/Report/other.py": b""}, "one on some systems"),
    ("sharp-s", {"workflow/stra\xdfe": b"", "workflow/strasse": b""}, "one file on some systems"),
    ("compatible", {"workflow/\ufb01le": b"", "workflow/file": b""}, "one file on some systems"),
    ("dotless", {"workflow/a\u2460": b"", "workflow/a1": b""}, "one file on some systems"),
    ("file-as-folder", {"workflow/a": b"", "workflow/a/b": b""}, "only be one"),
    ("file-as-folder-in-case", {"workflow/A": b"", "workflow/a/b": b""}, "only be one"),
    ("file-as-folder-of-folder", {"workflow/b/c/d": b"", "workflow/B": b""}, "only be one"),
    ("text-as-folder", {"pylock.toml/a": b""}, "only be one"),
    ("any-and-target", {f"vendor/{LINUX}/numpy/__init__.py": b"other"}, "twice"),
    ("any-and-target-in-case", {f"vendor/{LINUX}/numpy/__INIT__.py": b"other"}, "one file on some systems"),
    ("any-and-target-folder", {f"vendor/{LINUX}/NumPy/b.py": b"other"}, "one on some systems"),
    ("any-under-target", {f"vendor/{MACOS}/numpy/__init__.py/a": b""}, "only be one"),
    ("target-over-any", {f"vendor/{MACOS}/numpy": b""}, "only be one"),
    ("hides-dependency", {"workflow/numpy/__init__.py": b""}, "hides the other"),
    ("hides-dependency-as-module", {"workflow/numpy.py": b""}, "hides the other"),
    ("hides-compiled", {"workflow/fast.py": b"", f"vendor/{LINUX}/fast/__init__.py": b""}, "hides the other"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "word"), [pytest.param(path, word, id=name) for name, path, word in UNSAFE_PATHS])
def test_unsafe_path_is_refused_where_contents_lists_it(path: bytes, word: str, tmp_path: Path) -> None:
    parts = make({**GOOD_FILES, path.decode(): b"evil"})
    assert_refused(parts.pack(), UnsafeArchive, word, tmp_path)


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path, _ in UNSAFE_PATHS])
@pytest.mark.parametrize("place", ["first", "after-contents", "last"])
def test_unsafe_path_is_refused_where_contents_does_not_list_it(path: bytes, place: str, tmp_path: Path) -> None:
    parts = make()
    index = {"first": 0, "after-contents": 2, "last": len(parts.entries)}[place]
    parts.entries.insert(index, Entry(path, b"evil"))
    # In a wrong place, the place itself may be what is named.
    is_plain = path.split(b"/")[0].strip(b".").lower() in {b"evil.txt", b"bin", b"workflow", b"vendor"}
    with pytest.raises((UnsafeArchive, PackageTampered, InvalidArchive) if is_plain else UnsafeArchive):
        read_bytes(parts.pack(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["sample.cloacina"]


@pytest.mark.parametrize(("files", "word"), [pytest.param(files, word, id=name) for name, files, word in UNSAFE_FILES])
def test_file_that_may_not_be_where_it_is_is_refused(files: dict[str, bytes], word: str, tmp_path: Path) -> None:
    assert_refused(make({**GOOD_FILES, **files}).pack(), UnsafeArchive, word, tmp_path)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        pytest.param(b"workflow/a\xff.py", "not UTF-8", id="latin-1"),
        pytest.param(b"workflow/\xed\xa0\x80", "not UTF-8", id="surrogate"),
        pytest.param(b"\xc0\xae\xc0\xae/evil", "not UTF-8", id="overlong-dots"),
        pytest.param(b"workflow/\xf4\x90\x80\x80", "not UTF-8", id="beyond-unicode"),
        pytest.param(b"workflow/a\0b", "control", id="nul"),
        pytest.param(b"workflow/\x1b[2J", "control", id="escape"),
        pytest.param(b"workflow/a\nb", "control", id="line-feed"),
        pytest.param(b"workflow/a\x7f", "control", id="delete"),
    ],
)
def test_path_that_contents_cannot_list_is_refused(path: bytes, word: str, tmp_path: Path) -> None:
    smuggled = make()
    smuggled.entries.insert(2, Entry(path, b"evil"))
    assert_refused(smuggled.pack(), UnsafeArchive, word, tmp_path)

    listed = make(contents=lambda raw: raw + contents_line(path, b"evil"))
    listed.entries.append(Entry(path, b"evil"))
    with pytest.raises(InvalidArchive, match="CONTENTS"):
        read_bytes(listed.pack(), tmp_path)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        pytest.param("workflow/" + "z" * 256, "more than 255 bytes", id="long-part"),
        pytest.param("workflow/" + "\N{PILE OF POO}" * 64, "more than 255 bytes", id="long-part-of-few-characters"),
        pytest.param("workflow/" + "z" * 200 + "/" + ("m" * 200 + "/") * 5 + "x", "1024 bytes", id="long-path"),
    ],
)
def test_path_that_is_too_long_is_refused(path: str, word: str, tmp_path: Path) -> None:
    # No header has room for such a path, so it can only be listed.
    parts = make(contents=lambda raw: raw + contents_line(path, b""))
    assert_refused(parts.pack(), UnsafeArchive, word, tmp_path)


def test_path_without_room_in_a_header_is_refused(tmp_path: Path) -> None:
    path = "workflow/" + "z" * 101
    parts = make(contents=lambda raw: raw + contents_line(path, b""))
    assert_refused(parts.pack(), InvalidArchive, "no room", tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"workflow/models/net.pth": b"weights"}, id="weights-in-a-package"),
        pytest.param({"workflow/calendar.csv": b"1,2"}, id="data-named-like-a-module"),
        pytest.param({"workflow/r\xe9sum\xe9.txt": b"", "workflow/\u65e5\u672c.txt": b""}, id="other-scripts"),
        pytest.param({"workflow/report/json.py": b""}, id="standard-name-in-a-package"),
        pytest.param({"workflow/acme/a.py": b"", "vendor/any/acme/b.py": b""}, id="parts-of-one-namespace"),
        pytest.param({"workflow/numpy/data.csv": b""}, id="data-folder-named-like-a-dependency"),
        pytest.param({"workflow/constants.py": b"", "workflow/console.log": b""}, id="begins-like-a-device"),
        pytest.param({"workflow/.hidden": b"", "workflow/a..b": b"", "workflow/ a": b""}, id="dots-and-spaces"),
        pytest.param({"vendor/any/numpy.libs/a.so": b"", "vendor/any/json_5-1.dist-info/WHEEL": b""}, id="wheels"),
    ],
)  # fmt: skip
def test_names_that_only_look_suspicious_are_accepted(files: dict[str, bytes], tmp_path: Path) -> None:
    package = read_bytes(make({**GOOD_FILES, **files}).pack(), tmp_path)
    assert files.keys() <= {entry.path for entry in package.contents}


def test_module_that_left_the_standard_library_can_be_vendored_for_later_pythons(tmp_path: Path) -> None:
    files = {name: data for name, data in GOOD_FILES.items() if not name.startswith("vendor/")}
    files["vendor/linux-x86_64-cp313/cgi.py"] = b""
    read_bytes(make(files, targets=("linux-x86_64-cp313",)).pack(), tmp_path)
    files["vendor/linux-x86_64-cp312/cgi.py"] = files.pop("vendor/linux-x86_64-cp313/cgi.py")
    with pytest.raises(UnsafeArchive, match="standard library"):
        read_bytes(make(files, targets=("linux-x86_64-cp312",)).pack(), tmp_path)
