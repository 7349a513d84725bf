"""What `cloacina inspect` shows a person is lines of text, whatever a stranger has written into the package."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from cloacina.cli.inspect_report import dependency_lines, summary_lines, task_lines
from cloacina.packaging.inspection import (
    InspectedDependency,
    InspectedSignature,
    InspectedTarget,
    InspectedTask,
    InspectedWheel,
    Inspection,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.text import Text

HOSTILE: Final = "\x1b]0;owned\x07\x1b[2J [red]\u202eright to left\u2066\r\nsignature    trusted: you\x9b31m"
# What the manifest's own rules hold to plain names, digests and known words, and what the user has typed.
HELD_BY_RULES: Final = {
    "Inspection": {"file", "name", "version", "fingerprint", "created_at", "language", "compression"},
    "InspectedTask": {"id", "dependencies"},
    "InspectedTarget": {"name", "platform", "abi"},
    "InspectedSignature": {"file", "status", "key_type", "key_fingerprint"},
}


def sample(*, is_python: bool = True) -> Inspection:
    wheel = InspectedWheel("numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl", "1b" * 32, ("linux-x86_64-cp311",))
    return Inspection(
        file="report.cloacina",
        name="report",
        version="1.0",
        description="A report.",
        fingerprint="0a" * 32,
        created_at="1980-01-01T00:00:00Z",
        language="python" if is_python else "rust",
        requires_python=">=3.11" if is_python else None,
        entry_module="report" if is_python else None,
        library_path=None if is_python else "lib/report.so",
        tasks=(
            InspectedTask("fetch", "report:fetch", (), 0, "Get it.", 2, 30.0),
            InspectedTask("report", "report:report", ("fetch",), 1, "Tell it.", 0, None),
        ),
        targets=(
            InspectedTarget("linux-x86_64-cp311", "linux-x86_64", "cp311", "glibc 2.28", 10, 20),
            InspectedTarget("macos-arm64-cp311", "macos-arm64", "cp311", "macOS 13.0", 10, 20),
        ),
        workflow_size=10,
        shared_size=10,
        dependencies=(InspectedDependency("numpy", "2.4.1", "BSD-3-Clause", ("linux-x86_64-cp311",), (wheel,)),),
        signatures=(
            InspectedSignature("signatures/a.sshsig", "unknown", "you", "ssh-ed25519", "SHA256:abc", "Nobody vouches."),
        ),
        compression="zstd",
        packed_size=10,
        unpacked_size=20,
        file_count=1,
    )


def hostile(value: Any) -> Any:
    """Return a value with the hostile text in every text that no rule of the manifest holds to what it may be."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, tuple):
        return tuple(map(hostile, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    held = HELD_BY_RULES.get(type(value).__name__, set())
    changes = {field.name: hostile(getattr(value, field.name)) for field in fields(value) if field.name not in held}
    return replace(value, **changes)


@pytest.mark.parametrize("lines", [summary_lines, task_lines, dependency_lines])
@pytest.mark.parametrize("is_python", [True, False])
def test_no_text_of_a_package_commands_the_terminal_or_makes_lines_of_its_own(
    lines: Callable[..., Iterator[Text]], *, is_python: bool
) -> None:
    plain, attacked = sample(is_python=is_python), hostile(sample(is_python=is_python))

    shown = [line.plain for line in lines(attacked, width=100, is_unicode=True)]

    assert len(shown) == len(list(lines(plain, width=100, is_unicode=True)))
    assert not [line for line in shown if not line.isprintable()]
    assert any("owned" in line for line in shown)


def test_a_long_name_of_a_systems_library_does_not_widen_the_table_beyond_the_terminal() -> None:
    plain = sample()
    long = replace(plain, targets=(replace(plain.targets[0], floor="glibc " + "2" * 1_000), *plain.targets[1:]))

    assert max(len(line.plain) for line in summary_lines(long, width=100, is_unicode=True)) <= 200
