"""`cloacina sign`: what is put into a package, what stays as it is, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.packaging.archive import Member, describe_member, read_package, render_contents, write_archive
from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import Manifest, PackageInfo, PythonRuntime, TaskEntry, render_manifest
from cloacina.packaging.signing import PASSPHRASE_VARIABLE, check_signatures, signatures_of

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

PACKAGE = Path("flow.cloacina")
PASSPHRASE = "correct horse"
TEXTS = ("provenance.json", "pylock.toml", "requirements.lock", "sbom.cdx.json")


def make_package(path: Path) -> None:
    files = [Member("workflow/flow.py", b"ANSWER = 42\n"), *(Member(text, b"") for text in TEXTS)]
    contents = render_contents(map(describe_member, files))
    about = PackageInfo(
        name="flow",
        version="1.0",
        targets=("linux-x86_64",),
        contents_sha256=hashlib.sha256(contents).hexdigest(),
    )
    manifest = with_fingerprint(
        Manifest(
            format_version="2",
            package=about,
            language="python",
            python=PythonRuntime(requires_python=">=3.11", entry_module="flow"),
            tasks=(TaskEntry(id="load", function="flow:load"),),
            created_at="1980-01-01T00:00:00Z",
        )
    )
    frame = [Member("manifest.json", render_manifest(manifest)), Member("CONTENTS", contents)]
    write_archive(path, [*frame, *files], mtime=315_532_800)


def ssh_keygen(*arguments: str, text: str = "") -> str:
    done = subprocess.run(["ssh-keygen", *arguments], input=text, capture_output=True, encoding="utf-8", check=True)
    return done.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name, passphrase in (("ada", ""), ("grace", ""), ("protected", PASSPHRASE)):
        ssh_keygen("-q", "-t", "ed25519", "-N", passphrase, "-C", f"{name}@example.com", "-f", str(folder / name))
    return folder


@pytest.fixture(autouse=True)
def folder(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for key in keys.iterdir():
        shutil.copy(key, tmp_path)
    make_package(PACKAGE)
    return tmp_path


def sign(*arguments: str, code: ExitCode = ExitCode.OK) -> None:
    assert main(["sign", str(PACKAGE), *arguments]) == code


def key_fingerprint(name: str) -> str:
    return ssh_keygen("-l", "-f", f"{name}.pub").split()[1]


def signers(path: Path = PACKAGE) -> set[str | None]:
    package = read_package(path)
    reports = check_signatures(package.fingerprint, signatures_of(package))
    return {report.key_fingerprint for report in reports}


def test_a_package_is_signed_in_place_and_keeps_its_fingerprint(capsys: pytest.CaptureFixture[str]) -> None:
    before = read_package(PACKAGE)
    sign("--key", "ada")
    after = read_package(PACKAGE)
    assert (after.fingerprint, after.contents) == (before.fingerprint, before.contents)
    assert signers() == {key_fingerprint("ada")}
    out, err = capsys.readouterr()
    assert out == (
        "Signed flow.cloacina: flow 1.0\n"
        f"  fingerprint  {before.fingerprint}\n"
        f"  key          ssh-ed25519 {key_fingerprint('ada')}\n"
    )
    assert err == ""


def test_ssh_keygen_accepts_the_signature_in_the_package() -> None:
    sign("--key", "ada")
    package = read_package(PACKAGE)
    ((name, data),) = signatures_of(package)
    assert name == f"signatures/{hashlib.sha256(blob_of('ada')).hexdigest()[:16]}.sshsig"
    Path("ada.sshsig").write_bytes(data)
    Path("allowed_signers").write_text(f"ada@example.com {Path('ada.pub').read_text()}")
    arguments = ("-f", "allowed_signers", "-I", "ada@example.com", "-n", "cloacina-package", "-s", "ada.sshsig")
    ssh_keygen("-Y", "verify", *arguments, text=f"{package.fingerprint}\n")


@pytest.mark.skipif(
    not all(map(shutil.which, ("jq", "sha256sum", "tar", "zstd"))), reason="jq, sha256sum, tar or zstd is not installed"
)
def test_a_signed_package_can_be_checked_without_cloacina(folder: Path) -> None:
    sign("--key", "ada")
    Path("allowed_signers").write_text(f"ada@example.com {Path('ada.pub').read_text()}")
    check = r"""
        set -eu
        mkdir unpacked
        tar --zstd -xf flow.cloacina -C unpacked
        cd unpacked
        jq -cSj 'del(.package.fingerprint, .signature)' manifest.json | sha256sum | cut -c 1-64 > ../fingerprint.txt
        ssh-keygen -Y verify -f ../allowed_signers -I ada@example.com -n cloacina-package \
            -s signatures/*.sshsig < ../fingerprint.txt
        echo "$(jq -r .package.contents_sha256 manifest.json)  CONTENTS" | sha256sum --check
        sed -E 's/^([0-9a-f]{64})  [0-9]+  [0-7]{4}  /\1  /' CONTENTS | sha256sum --check
    """
    checked = subprocess.run(["/bin/sh", "-c", check], capture_output=True, encoding="utf-8", check=False)
    assert checked.returncode == 0, checked.stderr
    assert Path("fingerprint.txt").read_text() == f"{read_package(PACKAGE).fingerprint}\n"
    assert checked.stdout.splitlines() == [
        f'Good "cloacina-package" signature for ada@example.com with ED25519 key {key_fingerprint("ada")}',
        "CONTENTS: OK",
        *(f"{path}: OK" for path in (*TEXTS, "workflow/flow.py")),
    ]


def blob_of(name: str) -> bytes:
    return b64decode(Path(f"{name}.pub").read_text().split()[1])


def test_several_signers_sign_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    sign("--key", "ada")
    sign("--key", "grace")
    assert signers() == {key_fingerprint("ada"), key_fingerprint("grace")}
    assert "  besides      1 signature of another key\n" in capsys.readouterr().out


def test_signing_again_with_the_same_key_changes_nothing() -> None:
    sign("--key", "ada")
    sign("--key", "grace")
    before = PACKAGE.read_bytes()
    sign("--key", "ada")
    assert PACKAGE.read_bytes() == before


def test_a_signature_that_ssh_keygen_made_is_added() -> None:
    fingerprint = read_package(PACKAGE).fingerprint
    Path("made.sig").write_text(
        ssh_keygen("-Y", "sign", "-f", "grace", "-n", "cloacina-package", text=f"{fingerprint}\n")
    )
    sign("--signature", "made.sig")
    assert signers() == {key_fingerprint("grace")}
    signed = PACKAGE.read_bytes()
    make_package(PACKAGE)
    sign("--key", "grace")
    assert PACKAGE.read_bytes() == signed


@pytest.mark.parametrize(
    ("message", "namespace", "why"),
    [
        ("f" * 64 + "\n", "cloacina-package", "it is not one over this fingerprint"),
        ("{fingerprint}", "cloacina-package", "it is not one over this fingerprint"),
        ("{fingerprint}\n", "file", "it was made in the namespace 'file'; expected 'cloacina-package'"),
    ],
    ids=["other package", "no line end", "other namespace"],
)
def test_a_signature_of_something_else_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], folder: Path, message: str, namespace: str, why: str
) -> None:
    text = message.format(fingerprint=read_package(PACKAGE).fingerprint)
    Path("made.sig").write_text(ssh_keygen("-Y", "sign", "-f", "ada", "-n", namespace, text=text))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    sign("--signature", "made.sig", code=ExitCode.SIGNATURE)
    err = capsys.readouterr().err
    assert why in err
    assert "cloacina inspect --fingerprint flow.cloacina" in err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("output", ["signed.cloacina", "."])
def test_an_output_can_be_named(output: str, folder: Path) -> None:
    (folder / "unsigned").mkdir()
    source = PACKAGE.rename(folder / "unsigned" / PACKAGE)
    before = source.read_bytes()
    assert main(["sign", str(source), "--key", "ada", "-o", output]) == ExitCode.OK
    assert source.read_bytes() == before
    assert signers(PACKAGE if output == "." else Path(output)) == {key_fingerprint("ada")}


def test_json_names_the_signature(capsys: pytest.CaptureFixture[str]) -> None:
    sign("--key", "ada", "--json")
    package = read_package(PACKAGE)
    assert json.loads(capsys.readouterr().out) == {
        "file": "flow.cloacina",
        "package": {"name": "flow", "version": "1.0"},
        "fingerprint": package.fingerprint,
        "signature": {
            "file": package.signatures[0].path,
            "key_type": "ssh-ed25519",
            "key_fingerprint": key_fingerprint("ada"),
        },
        "signatures": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            [],
            ExitCode.USAGE,
            "sign takes either --key FILE, a private key, or --signature FILE, what ssh-keygen signed; got neither",
        ),
        (["--key", "ada", "--signature", "x"], ExitCode.USAGE, "; got both"),
        (["--key", "ada.pub"], ExitCode.SIGNATURE, "ada.pub is a public key; expected the private one"),
        (["--key", "missing"], ExitCode.SIGNATURE, "There is no private key missing"),
        (["--signature", "missing"], ExitCode.SIGNATURE, "The signature missing cannot be read"),
        (["--signature", "ada.pub"], ExitCode.SIGNATURE, "expected base64 between"),
        (["--key", "ada", "-o", "missing/out"], ExitCode.PROJECT, "missing/out cannot be written"),
    ],
    ids=["nothing", "both", "public key", "no key", "no signature", "not a signature", "no folder"],
)
def test_what_cannot_be_done_is_one_line_and_leaves_all_as_it_was(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: list[str], code: ExitCode, message: str
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    sign(*arguments, code=code)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_damaged_package_is_not_signed(capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(PACKAGE.read_bytes())
    data[len(data) // 2] ^= 1
    PACKAGE.write_bytes(data)
    sign("--key", "ada", code=ExitCode.PACKAGE)
    assert PACKAGE.read_bytes() == data
    assert capsys.readouterr().out == ""


def test_a_passphrase_is_taken_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    sign("--key", "protected")
    assert signers() == {key_fingerprint("protected")}


def test_a_wrong_passphrase_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "battery staple")
    sign("--key", "protected", code=ExitCode.SIGNATURE)
    err = capsys.readouterr().err
    assert "The passphrase is not that of protected" in err
    assert "battery" not in err


def sign_on_terminal(typed: str) -> tuple[int, str]:
    """Sign in a session of its own, whose terminal types what is given when it is asked; return what it showed."""
    terminal, child_side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cloacina", "sign", str(PACKAGE), "--key", "protected"],
        stdin=child_side,
        stdout=child_side,
        stderr=child_side,
        start_new_session=True,
    ) as process:
        os.close(child_side)
        received = b""
        is_answered = False
        while True:
            try:
                chunk = os.read(terminal, 65_536)
            except OSError:  # Linux: the child has closed its side
                break
            if not chunk:
                break
            received += chunk
            if b"Passphrase of protected: " in received and not is_answered:
                os.write(terminal, typed.encode())
                is_answered = True
        os.close(terminal)
    return process.returncode, received.decode()


def test_a_passphrase_is_asked_for_at_the_terminal_and_not_shown() -> None:
    code, shown = sign_on_terminal(f"{PASSPHRASE}\n")
    assert code == ExitCode.OK, shown
    assert PASSPHRASE not in shown
    assert signers() == {key_fingerprint("protected")}


@pytest.mark.parametrize("typed", ["\n", "\x04"], ids=["nothing", "end of input"])
def test_no_passphrase_is_none_given(typed: str) -> None:
    code, shown = sign_on_terminal(typed)
    assert code == ExitCode.SIGNATURE
    assert "protected by a passphrase, and none was given" in shown


def test_without_a_terminal_the_variable_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloacina", "sign", str(PACKAGE), "--key", "protected"],
        input=f"{PASSPHRASE}\n",
        capture_output=True,
        encoding="utf-8",
        check=False,
        start_new_session=True,
    )
    assert done.returncode == ExitCode.SIGNATURE
    assert "there is no terminal to ask for it; set CLOACINA_SIGNING_PASSPHRASE" in done.stderr
    assert signers() == set()
