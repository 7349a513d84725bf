"""What the reference of packaging says in tables of its own is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloacina.cli.exit_codes import exit_code_of
from cloacina.errors import CloacinaError, PackageError, errors_by_code
from cloacina.packaging.building.progress import STEPS
from cloacina.packaging.project.settings import KEYS
from docsite.generated import packages
from docsite.generated.errors import heads_family

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "packaging.md").read_text(encoding="utf-8")
CODE = re.compile(r"CLO-\d{4}")


def rows(title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = section[section.index("\n|") + 1 :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def test_each_symptom_has_the_exit_code_of_its_error() -> None:
    found = {code: exit_code for _, codes, exit_code in rows("Errors by cause") for code in CODE.findall(codes)}
    kinds = {code: kind for code, kind in errors_by_code().items() if issubclass(kind, CloacinaError)}
    assert found == {code: str(exit_code_of(kinds[code]("as if")).value) for code in found}


def test_each_error_about_packages_has_a_symptom() -> None:
    cells = " ".join(codes for _, codes, _ in rows("Errors by cause"))
    named = set(CODE.findall(cells))
    for first, last in re.findall(r"CLO-(\d{4}) to (\d{4})", cells):
        named |= {f"CLO-{number}" for number in range(int(first), int(last) + 1)}
    of_packages = {
        code for code, kind in errors_by_code().items() if issubclass(kind, PackageError) and not heads_family(kind)
    }
    assert of_packages - named == set()


def test_the_keys_and_the_steps_are_those_of_the_code() -> None:
    assert [key.strip("`") for key, *_ in rows("The project's settings")] == list(KEYS)
    assert [step.strip("`") for step, *_ in rows("The steps of a build")] == list(STEPS)


def test_a_declaration_that_discovery_has_come_to_understand_ends_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_REFUSED", {"plainly": "@task\ndef load(context): ..."})
    with pytest.raises(ValueError, match="finds the tasks"):
        packages.refusal_reference(Path())
