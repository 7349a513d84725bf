"""No program in `examples/` is only there to be read: each is run by the tests, or imported by one that is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TESTED = (ROOT / "tests" / "integration" / "test_examples.py").read_text(encoding="utf-8")


def imported() -> set[str]:
    """Return the names of all modules that an example imports."""
    names = set()
    for example in EXAMPLES.glob("*.py"):
        for node in ast.walk(ast.parse(example.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    return names


@pytest.mark.parametrize("example", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_example_is_run_by_the_tests(example: str) -> None:
    assert f'"{example}"' in TESTED or f'"{example}.py"' in TESTED or example in imported()


def test_examples_are_tested_on_both_backends() -> None:
    # The fixture `anyio_backend` in tests/conftest.py runs every async test on asyncio and on trio.
    assert "async def test_" in TESTED
    assert 'params=["asyncio", "trio"]' in (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
