"""`cloacina verify`: the verdict, its exit code, and the same in JSON."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.packaging.archive import Member, describe_member, render_contents, write_archive
from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import Manifest, PackageInfo, PythonRuntime, TaskEntry, render_manifest
from cloacina.packaging.signing import SigningKey, sign_fingerprint
from cloacina.packaging.signing.public_key import parse_public_key
from cloacina.packaging.signing.wire import wire_string

TEXTS = ("provenance.json", "pylock.toml", "requirements.lock", "sbom.cdx.json")


def make_key(seed: int) -> SigningKey:
    secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    blob = wire_string(b"ssh-ed25519") + wire_string(secret.public_key().public_bytes_raw())
    return SigningKey(parse_public_key(blob), secret)


ADA, GRACE = make_key(1), make_key(2)


def make_package(path: Path, *signers: SigningKey, answer: int = 42, signed_answer: int | None = None) -> str:
    """Write a package with signatures over its fingerprint, or over that of another one; return its fingerprint."""
    manifest, files = describe(answer)
    signed, _ = describe(answer if signed_answer is None else signed_answer)
    for signer in signers:
        text = sign_fingerprint(signed.package.fingerprint, signer)
        files.append(Member(f"signatures/{signer.public.file_name}", text.encode()))
    write_archive(path, files, mtime=315_532_800)
    return manifest.package.fingerprint


def describe(answer: int) -> tuple[Manifest, list[Member]]:
    files = [Member("workflow/flow.py", f"ANSWER = {answer}\n".encode()), *(Member(text, b"") for text in TEXTS)]
    contents = render_contents(map(describe_member, files))
    manifest = with_fingerprint(
        Manifest(
            format_version="2",
            package=PackageInfo(
                name="flow",
                version="1.0",
                targets=("linux-x86_64",),
                contents_sha256=hashlib.sha256(contents).hexdigest(),
            ),
            language="python",
            python=PythonRuntime(requires_python=">=3.11", entry_module="flow"),
            tasks=(TaskEntry(id="load", function="flow:load"),),
            created_at="1980-01-01T00:00:00Z",
        )
    )
    return manifest, [Member("manifest.json", render_manifest(manifest)), Member("CONTENTS", contents), *files]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def allow(key: SigningKey, options: str = "") -> None:
    public = b64encode(key.public.blob).decode()
    Path("allowed_signers").write_text(f"ada@example.com {options} {key.public.kind} {public}\n")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: ExitCode = ExitCode.OK) -> tuple[str, str]:
    assert main(["verify", "flow.cloacina", *arguments]) == code
    return capsys.readouterr()


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str, code: ExitCode = ExitCode.OK) -> dict[str, object]:
    out, _ = shown(capsys, *arguments, "--json", code=code)
    document: dict[str, object] = json.loads(out)
    return document


def test_an_allowed_signer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    fingerprint = make_package(Path("flow.cloacina"), ADA)
    allow(ADA)
    out, err = shown(capsys, "--allowed-signers", "allowed_signers", "--policy", "require")
    assert out == (
        "flow.cloacina: flow 1.0\n"
        f"  fingerprint  {fingerprint}\n"
        "  content      is what the fingerprint says: 5 files\n"
        f"  signature    trusted: ada@example.com (ssh-ed25519 {ADA.public.fingerprint})\n"
        "               allowed_signers names the key in line 1\n"
    )
    assert err == ""


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    fingerprint = make_package(Path("flow.cloacina"), ADA)
    allow(ADA)
    assert read_json(capsys, "--allowed-signers", "allowed_signers") == {
        "file": "flow.cloacina",
        "package": {"name": "flow", "version": "1.0"},
        "is_intact": True,
        "fingerprint": fingerprint,
        "policy": "warn",
        "allowed_signers": "allowed_signers",
        "is_trusted": True,
        "signatures": [
            {
                "file": f"signatures/{ADA.public.file_name}",
                "status": "trusted",
                "signer": "ada@example.com",
                "key_type": "ssh-ed25519",
                "key_fingerprint": ADA.public.fingerprint,
                "message": "allowed_signers names the key in line 1",
            }
        ],
        "error": None,
    }


def test_without_allowed_signers_it_says_that_nothing_vouches(capsys: pytest.CaptureFixture[str]) -> None:
    make_package(Path("flow.cloacina"), ADA)
    out, err = shown(capsys)
    assert f"  signature    valid, but not trusted (ssh-ed25519 {ADA.public.fingerprint})\n" in out
    assert "signed by a key that nothing vouches for" in out
    assert err == ""


def test_a_package_without_a_signature_is_said_to_be_anybody_s(capsys: pytest.CaptureFixture[str]) -> None:
    make_package(Path("flow.cloacina"))
    out, _ = shown(capsys)
    assert "  signature    none: anybody may have built this package\n" in out
    _, err = shown(capsys, "--policy", "require", code=ExitCode.SIGNATURE)
    assert err.startswith("error: The package has no signature, and the policy is `require`")


@pytest.mark.parametrize(
    ("key", "options", "signer", "code", "status"),
    [
        (GRACE, "", None, "CLO-2505", "unknown"),
        (ADA, "", "grace@example.com", "CLO-2505", "unknown"),
        (ADA, 'valid-before="20200101Z"', None, "CLO-2506", "expired"),
    ],
    ids=["unknown key", "other signer", "expired"],
)
def test_what_is_not_trusted_is_refused_if_required(
    capsys: pytest.CaptureFixture[str], key: SigningKey, options: str, signer: str | None, code: str, status: str
) -> None:
    make_package(Path("flow.cloacina"), ADA)
    allow(key, options)
    arguments = ["--allowed-signers", "allowed_signers", *(["--signer", signer] if signer else [])]
    document = read_json(capsys, *arguments, "--policy", "require", code=ExitCode.SIGNATURE)
    assert document["is_trusted"] is False
    assert isinstance(document["error"], dict)
    assert document["error"]["code"] == code
    assert read_json(capsys, *arguments, "--policy", "warn")["signatures"] == document["signatures"]
    assert isinstance(document["signatures"], list)
    assert [signature["status"] for signature in document["signatures"]] == [status]


def test_naming_a_signer_requires_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACINA_SIGNATURE_POLICY", "warn")
    make_package(Path("flow.cloacina"), ADA)
    allow(ADA)
    shown(capsys, "--allowed-signers", "allowed_signers", "--signer", "ada@example.com")
    _, err = shown(
        capsys, "--allowed-signers", "allowed_signers", "--signer", "grace@example.com", code=ExitCode.SIGNATURE
    )
    assert "for ada@example.com, not for grace@example.com" in err


def test_variables_hold_where_no_option_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_package(Path("flow.cloacina"), ADA)
    allow(GRACE)
    monkeypatch.setenv("CLOACINA_SIGNATURE_POLICY", "require")
    monkeypatch.setenv("CLOACINA_ALLOWED_SIGNERS", "allowed_signers")
    shown(capsys, code=ExitCode.SIGNATURE)
    shown(capsys, "--policy", "warn")
    monkeypatch.setenv("CLOACINA_SIGNATURE_POLICY", "maybe")
    _, err = shown(capsys, code=ExitCode.USAGE)
    assert "CLOACINA_SIGNATURE_POLICY is one of off, warn, require; got 'maybe'" in err


def test_a_signature_of_another_content_is_refused_unless_nothing_is_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_package(Path("flow.cloacina"), ADA, signed_answer=41)
    out, err = shown(capsys, code=ExitCode.SIGNATURE)
    assert f"  signature    NOT VALID (ssh-ed25519 {ADA.public.fingerprint})\n" in out
    assert "it is not one over this fingerprint" in err
    assert "CLO-2503" in err
    out, _ = shown(capsys, "--policy", "off")
    assert "  signature    not looked at, as the policy is off\n" in out


def test_a_file_of_allowed_signers_that_is_wrong_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    make_package(Path("flow.cloacina"), ADA)
    _, err = shown(capsys, "--allowed-signers", "missing", code=ExitCode.SIGNATURE)
    assert "There is no file of allowed signers missing" in err
    Path("allowed_signers").write_text("# ours\nnonsense\n")
    _, err = shown(capsys, "--allowed-signers", "allowed_signers", code=ExitCode.SIGNATURE)
    assert "error: allowed_signers:2: there is no key" in err


def test_a_damaged_package_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    make_package(Path("flow.cloacina"), ADA)
    data = bytearray(Path("flow.cloacina").read_bytes())
    data[len(data) // 2] ^= 1
    Path("flow.cloacina").write_bytes(data)
    document = read_json(capsys, code=ExitCode.PACKAGE)
    assert (document["file"], document["is_intact"]) == ("flow.cloacina", False)
    _, err = shown(capsys, code=ExitCode.PACKAGE)
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_package_that_is_missing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = shown(capsys, code=ExitCode.PACKAGE)
    assert "There is no file flow.cloacina" in err


def test_nothing_is_written(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    make_package(Path("flow.cloacina"), ADA)
    before = Path("flow.cloacina").read_bytes()
    shown(capsys)
    assert [file.name for file in folder.iterdir()] == ["flow.cloacina"]
    assert Path("flow.cloacina").read_bytes() == before
